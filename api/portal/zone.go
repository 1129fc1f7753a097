package portal

import (
	"fmt"
	"html/template"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"
)

// zoneCookie holds the IANA name of the time zone that the person reads times
// in. The script sets it from the browser; without scripts times are in UTC.
const zoneCookie = "auditferry-zone"

func zoneOf(c *gin.Context) *time.Location {
	cookie, err := c.Request.Cookie(zoneCookie)
	if err != nil {
		return time.UTC
	}
	name, err := url.QueryUnescape(cookie.Value)
	if err != nil {
		return time.UTC
	}
	if in, known := zoneNamed(name); known {
		return in
	}
	return time.UTC
}

// zoneNamed is the zone with an IANA name.
func zoneNamed(name string) (in *time.Location, known bool) {
	if name == "" || name == "Local" {
		return nil, false // to Go these are zones, too: UTC and the machine's
	}
	in, err := time.LoadLocation(name)
	return in, err == nil
}

// zone writes times for one person.
type zone struct{ *time.Location }

// How people read times: to the minute in tables, to the second where the order
// of things matters.
const (
	minuteLayout = "2 Jan 2006, 15:04"
	secondLayout = "2 Jan 2006, 15:04:05"
	dayLayout    = "2 Jan 2006"
	utcLayout    = "2006-01-02 15:04:05 UTC"
)

// Minute is a time to the minute, with UTC on hover.
func (z zone) Minute(at any) template.HTML { return z.element(at, minuteLayout) }

// Second is a time to the second, with UTC on hover.
func (z zone) Second(at any) template.HTML { return z.element(at, secondLayout) }

// Day is the day of a time, with UTC on hover.
func (z zone) Day(at any) template.HTML { return z.element(at, dayLayout) }

// element is a time in the zone, with UTC on hover. At is a time.Time or a
// *time.Time; nothing is written for none.
func (z zone) element(at any, layout string) template.HTML {
	var t time.Time
	switch at := at.(type) {
	case time.Time:
		t = at
	case *time.Time:
		if at != nil {
			t = *at
		}
	}
	if t.IsZero() {
		return ""
	}
	utc := t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, //nolint:gosec // digits and names of months
		utc.Format(time.RFC3339), utc.Format(utcLayout), t.In(z.Location).Format(layout)))
}

// Name is the zone's IANA name, such as Europe/Berlin.
func (z zone) Name() string { return z.String() }
