package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

func (h handlers) AppendEvents(ctx context.Context, r AppendEventsRequestObject) (AppendEventsResponseObject, error) {
	ctx, call := callOf(ctx, r.Params.IdempotencyKey)
	body, err := readBody(r.Body)
	if err != nil {
		return nil, err
	}
	split := splitLines
	if strings.EqualFold(r.ContentType, "application/json") {
		split = splitArray
	}
	batch, err := split(body)
	if err != nil {
		return nil, err
	}
	appended, err := h.service.AppendEvents(ctx, call, batch)
	return AppendEvents201JSONResponse(appended), err
}

// splitLines takes NDJSON apart. Blank lines are no events, as after the last
// newline.
func splitLines(body []byte) ([]service.RawEvent, error) {
	var batch []service.RawEvent
	number := 0
	for line := range bytes.Lines(body) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) > 0 {
			batch = append(batch, service.RawEvent{Place: fmt.Sprintf("line %d", number), JSON: line})
		}
	}
	return batch, nil
}

// splitArray takes a JSON array apart without looking into its members.
func splitArray(body []byte) ([]service.RawEvent, error) {
	var members []json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, newProblem(http.StatusBadRequest, "The body is not a JSON array of events. Put them into [ ], or send one a line as application/x-ndjson.")
	}
	batch := make([]service.RawEvent, len(members))
	for i, member := range members {
		batch[i] = service.RawEvent{Place: fmt.Sprintf("[%d]", i), JSON: member}
	}
	return batch, nil
}

func (h handlers) SearchEvents(ctx context.Context, r SearchEventsRequestObject) (SearchEventsResponseObject, error) {
	ctx, caller := callerOf(ctx)
	list, err := h.service.SearchEvents(ctx, caller, service.EventFilter{
		From:       r.Params.From,
		To:         r.Params.To,
		Action:     value(r.Params.Action),
		ActorEmail: value(r.Params.ActorEmail),
		Outcome:    value(r.Params.Outcome),
	}, pageOf(r.Params.Cursor, r.Params.Limit))
	return SearchEvents200JSONResponse{Items: bodies(list.Items), NextCursor: cursor(list.NextCursor)}, err
}

func bodies(events []schemas.RecordedEvent) []json.RawMessage {
	all := make([]json.RawMessage, len(events))
	for i, event := range events {
		all[i] = event.Body
	}
	return all
}
