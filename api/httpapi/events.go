package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// bodies are kept for other appends: they are large, and an API that is busy
// would make thousands of them a minute only to have them collected.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (h handlers) AppendEvents(ctx context.Context, r AppendEventsRequestObject) (AppendEventsResponseObject, error) {
	ctx, call := callOf(ctx, r.Params.IdempotencyKey)
	body := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(body)
	body.Reset()
	if err := readInto(body, r.Body); err != nil {
		return nil, err
	}
	split := splitLines
	if strings.EqualFold(r.ContentType, "application/json") {
		split = splitArray
	}
	batch, err := split(body.Bytes())
	if err != nil {
		return nil, err
	}
	appended, err := h.service.AppendEvents(ctx, call, batch)
	return AppendEvents201JSONResponse(appended), err
}

// blank is what JSON allows between values.
const blank = " \t\r\n"

// splitLines takes NDJSON apart. Blank lines are no events, as after the last
// newline.
func splitLines(body []byte) ([]service.RawEvent, error) {
	var batch []service.RawEvent
	number := 0
	for line := range bytes.Lines(body) {
		number++
		line = bytes.Trim(line, blank)
		if len(line) == 0 {
			continue
		}
		batch = append(batch, service.RawEvent{Place: service.Place{Line: number}, JSON: line})
		if len(batch) > schemas.MaxEventsPerAppend {
			break // which is refused already
		}
	}
	return batch, nil
}

// splitArray takes a JSON array apart at its outermost commas. It need not
// understand what is between them: when each of those is JSON, as the service
// finds out, then so is the array.
func splitArray(body []byte) ([]service.RawEvent, error) {
	inside, isArray := bytes.CutPrefix(bytes.Trim(body, blank), []byte{'['})
	if !isArray {
		return nil, errNoArray()
	}
	var batch []service.RawEvent
	for len(batch) <= schemas.MaxEventsPerAppend {
		end := endOfMember(inside)
		if end == len(inside) {
			return nil, errNoArray()
		}
		member := bytes.Trim(inside[:end], blank)
		last := inside[end] != ','
		if last && (inside[end] != ']' || end+1 < len(inside)) {
			return nil, errNoArray()
		}
		if last && len(batch) == 0 && len(member) == 0 {
			return nil, nil
		}
		batch = append(batch, service.RawEvent{Place: service.Place{Index: len(batch)}, JSON: member})
		if last {
			break
		}
		inside = inside[end+1:]
	}
	return batch, nil
}

func errNoArray() error {
	return newProblem(http.StatusBadRequest, "The body is not a JSON array of events. Put them into [ ], or send one a line as application/x-ndjson.")
}

// endOfMember is the index of the comma behind a member of an array, or of the
// bracket that closes the array; len(text) if there is neither.
func endOfMember(text []byte) int {
	depth, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			inString = !inString
		case c == '\\':
			i++ // outside of strings there is none
		case inString:
		case c == '{' || c == '[':
			depth++
		case depth == 0 && (c == ',' || c == '}' || c == ']'):
			return i
		case c == '}' || c == ']':
			depth--
		}
	}
	return len(text)
}

func (h handlers) SearchEvents(ctx context.Context, r SearchEventsRequestObject) (SearchEventsResponseObject, error) {
	ctx, caller := callerOf(ctx)
	list, err := h.service.SearchEvents(ctx, caller, service.EventFilter{
		From:       r.Params.From,
		To:         r.Params.To,
		Action:     value(r.Params.Action),
		ActorEmail: value(r.Params.ActorEmail),
		ActorID:    value(r.Params.ActorId),
		Outcome:    value(r.Params.Outcome),
	}, pageOf(r.Params.Cursor, r.Params.Limit))
	return SearchEvents200JSONResponse{Items: canonical(list.Items), NextCursor: cursor(list.NextCursor)}, err
}

func canonical(events []schemas.RecordedEvent) []json.RawMessage {
	all := make([]json.RawMessage, len(events))
	for i, event := range events {
		all[i] = event.Body
	}
	return all
}
