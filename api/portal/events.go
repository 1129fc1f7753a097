package portal

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/auditferry/auditferry/api/download"
	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

func (p *Portal) registerEvents(pages gin.IRouter) {
	pages.GET("/orgs/:org/events", p.member(p.events))
	pages.GET("/orgs/:org/events.ndjson", p.memberDownload(p.eventsFile))
	pages.GET("/orgs/:org/events/:seq", p.member(p.event))
	pages.GET("/orgs/:org/events/:seq/event.json", p.memberDownload(p.eventFile))
}

type eventsBody struct {
	Form     *form
	Events   []shownEvent
	Actions  []string // of the events shown, to choose from
	Filtered bool     // something was asked for
	Asked    []string // what, in words
	Newest   string   // path of the newest events; "" for the page that shows them
	More     string
	Download string // path of all that are found
	Bound    int    // how many of them at most
}

// shownEvent is an event as people read it.
type shownEvent struct {
	schemas.Event
	Seq        int64     `json:"seq"`
	RecordedAt time.Time `json:"recorded_at"`
}

// ActionParts is the action in the parts between which a line may end.
func (e shownEvent) ActionParts() []string { return strings.SplitAfter(e.Action, ".") }

func readEvent(recorded schemas.RecordedEvent) (e shownEvent, err error) {
	if err = json.Unmarshal(recorded.Body, &e); err != nil {
		err = fmt.Errorf("read the event %d: %w", recorded.Seq, err)
	}
	return e, err
}

func (p *Portal) events(ctx context.Context, v *visit) (*page, error) {
	f := searchForm(v.c.Request.URL.Query(), v.zone)
	body := eventsBody{Form: f, Asked: asked(f), Bound: service.MaxFileEvents}
	shown := &page{Template: "events", Title: "Events", Section: "events", Still: true}
	filter, err := eventFilter(f)
	var list service.List[schemas.RecordedEvent]
	if err == nil {
		list, err = p.service.SearchEvents(ctx, v.caller, filter, service.Page{Cursor: f.Get("cursor")})
	}
	if err != nil {
		status, refused := f.refuse(err)
		if !refused || f.Error("cursor") != "" {
			return nil, err
		}
		shown.Status, shown.Body = status, body
		return shown, nil
	}
	body.Filtered = filter != service.EventFilter{}
	body.More = more(v, list.NextCursor)
	query := eventQuery(f)
	body.Download = pathWith(v.path("events.ndjson"), query)
	if f.Get("cursor") != "" {
		body.Newest = pathWith(v.path("events"), query)
	}
	for _, recorded := range list.Items {
		event, err := readEvent(recorded)
		if err != nil {
			return nil, err
		}
		body.Events = append(body.Events, event)
		body.Actions = append(body.Actions, event.Action)
	}
	slices.Sort(body.Actions)
	body.Actions = slices.Compact(body.Actions)
	shown.Body = body
	return shown, nil
}

func pathWith(path string, query url.Values) string {
	return (&url.URL{Path: path, RawQuery: query.Encode()}).String()
}

// searchForm is what was asked for. Its times are in the zone that came with
// them; those that are yet to be typed will be in the person's own.
func searchForm(query url.Values, own *time.Location) *form {
	f := newForm(query)
	in := own
	if f.Text("from") != "" || f.Text("to") != "" {
		in = formZone(f, own)
	}
	f.Values.Set(zoneField, in.String())
	return f
}

// eventQuery is what was asked for, without where in the list.
func eventQuery(f *form) url.Values {
	query := url.Values{}
	for _, field := range []string{"from", "to", "action", "actor", "outcome"} {
		if value := f.Text(field); value != "" {
			query.Set(field, value)
		}
	}
	if query.Has("from") || query.Has("to") {
		query.Set(zoneField, f.Get(zoneField))
	}
	return query
}

// asked is what was asked for, in words.
func asked(f *form) (conditions []string) {
	add := func(before, value string) {
		if value != "" {
			conditions = append(conditions, before+value)
		}
	}
	add("from ", strings.Replace(f.Text("from"), "T", " ", 1))
	add("before ", strings.Replace(f.Text("to"), "T", " ", 1))
	add("", f.Text("outcome"))
	add("", f.Text("action"))
	add("by ", f.Text("actor"))
	return conditions
}

// eventFilter reads what was asked for.
func eventFilter(f *form) (service.EventFilter, error) {
	filter := service.EventFilter{Action: f.Text("action"), Actor: f.Text("actor"), Outcome: schemas.Outcome(f.Text("outcome"))}
	in := formZone(f, time.UTC)
	var badFrom, badTo, badOutcome error
	if f.Text("from") != "" {
		var from time.Time
		from, _, badFrom = localTime(f, "from", in)
		filter.From = &from
	}
	if f.Text("to") != "" {
		var to time.Time
		_, to, badTo = localTime(f, "to", in)
		filter.To = &to
	}
	if filter.Outcome != "" && filter.Outcome != schemas.OutcomeSuccess && filter.Outcome != schemas.OutcomeFailure {
		badOutcome = fieldError("outcome", "must be success or failure")
	}
	return filter, together(badFrom, badTo, badOutcome)
}

// eventsFile is what the search has found, as a file.
func (p *Portal) eventsFile(ctx context.Context, v *visit) (download.File, error) {
	filter, err := eventFilter(searchForm(v.c.Request.URL.Query(), v.zone))
	if err != nil {
		return download.File{}, err
	}
	file, err := p.service.EventFile(ctx, v.caller, filter)
	return download.File{
		Name: file.Name, MediaType: "application/x-ndjson", Write: func(to io.Writer) error { return file.Write(ctx, to) },
	}, err
}

type eventBody struct {
	Event shownEvent
	JSON  string
}

func (p *Portal) event(ctx context.Context, v *visit) (*page, error) {
	recorded, err := p.eventOf(ctx, v)
	if err != nil {
		return nil, err
	}
	event, err := readEvent(recorded)
	if err != nil {
		return nil, err
	}
	return &page{
		Template: "event", Title: event.Action, Section: "events", Still: true,
		Crumbs: []crumb{{"Events", v.path("events")}}, Body: eventBody{event, indented(recorded.Body)},
	}, nil
}

// eventFile is one event's JSON, byte for byte as exports deliver it.
func (p *Portal) eventFile(ctx context.Context, v *visit) (download.File, error) {
	recorded, err := p.eventOf(ctx, v)
	return download.File{
		Name: fmt.Sprintf("auditferry-event-%d.json", recorded.Seq), MediaType: "application/json",
		Write: func(to io.Writer) error {
			_, err := to.Write(recorded.Body)
			return err
		},
	}, err
}

func (p *Portal) eventOf(ctx context.Context, v *visit) (schemas.RecordedEvent, error) {
	seq, err := strconv.ParseInt(v.c.Param("seq"), 10, 64)
	if err != nil {
		return schemas.RecordedEvent{}, errNoPage
	}
	return p.service.Event(ctx, v.caller, seq)
}
