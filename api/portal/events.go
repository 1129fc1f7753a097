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
	f := newForm(v.c.Request.URL.Query())
	body := eventsBody{Form: f, Bound: service.MaxFileEvents}
	shown := &page{Template: "events", Title: "Events", Section: "events", Still: true}
	filter, err := eventFilter(f, v.zone)
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

// eventQuery is what was asked for, without where in the list.
func eventQuery(f *form) url.Values {
	query := url.Values{}
	for _, field := range []string{"from", "to", "action", "actor_email", "outcome"} {
		if value := f.Text(field); value != "" {
			query.Set(field, value)
		}
	}
	return query
}

// localLayouts are those of a datetime-local field.
var localLayouts = []string{"2006-01-02T15:04", "2006-01-02T15:04:05"}

// eventFilter reads what was asked for. Times are in the zone.
func eventFilter(f *form, zone *time.Location) (service.EventFilter, error) {
	filter := service.EventFilter{
		Action: f.Text("action"), ActorEmail: f.Text("actor_email"), Outcome: schemas.Outcome(f.Text("outcome")),
	}
	var wrong []schemas.FieldError
	for _, bound := range []struct {
		field string
		at    **time.Time
	}{{"from", &filter.From}, {"to", &filter.To}} {
		raw := f.Text(bound.field)
		if raw == "" {
			continue
		}
		at, err := localTime(raw, zone)
		if err != nil {
			wrong = append(wrong, schemas.FieldError{Field: bound.field, Message: "must be a day and a time, such as 2026-01-31T09:30"})
			continue
		}
		*bound.at = &at
	}
	if filter.Outcome != "" && filter.Outcome != schemas.OutcomeSuccess && filter.Outcome != schemas.OutcomeFailure {
		wrong = append(wrong, schemas.FieldError{Field: "outcome", Message: "must be success or failure"})
	}
	if len(wrong) > 0 {
		return filter, &service.Error{Kind: service.Invalid, Detail: "The search could not be read.", Fields: wrong}
	}
	return filter, nil
}

func localTime(raw string, zone *time.Location) (at time.Time, err error) {
	for _, layout := range localLayouts {
		if at, err = time.ParseInLocation(layout, raw, zone); err == nil {
			return at, nil
		}
	}
	return at, err
}

// eventsFile is what the search has found, as a file.
func (p *Portal) eventsFile(ctx context.Context, v *visit) (download, error) {
	filter, err := eventFilter(newForm(v.c.Request.URL.Query()), v.zone)
	if err != nil {
		return download{}, err
	}
	file, err := p.service.EventFile(ctx, v.caller, filter)
	return download{file.Name, "application/x-ndjson", func(ctx context.Context, to io.Writer) error {
		return file.Write(ctx, to)
	}}, err
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
func (p *Portal) eventFile(ctx context.Context, v *visit) (download, error) {
	recorded, err := p.eventOf(ctx, v)
	return download{fmt.Sprintf("auditferry-event-%d.json", recorded.Seq), "application/json", func(_ context.Context, to io.Writer) error {
		_, err := to.Write(recorded.Body)
		return err
	}}, err
}

func (p *Portal) eventOf(ctx context.Context, v *visit) (schemas.RecordedEvent, error) {
	seq, err := strconv.ParseInt(v.c.Param("seq"), 10, 64)
	if err != nil {
		return schemas.RecordedEvent{}, errNoPage
	}
	return p.service.Event(ctx, v.caller, seq)
}
