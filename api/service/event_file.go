package service

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// MaxFileEvents bounds the events that one file holds: as many as a person looks
// through, and few enough to be read in one transaction. All of them are what
// exports are for.
const MaxFileEvents = 100_000

// Event returns one audit event by its number. Admins and viewers may.
func (s *Service) Event(ctx context.Context, caller Caller, seq int64) (schemas.RecordedEvent, error) {
	org, err := caller.reader()
	if err != nil {
		return schemas.RecordedEvent{}, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (schemas.RecordedEvent, error) {
		event, err := tx.Event(ctx, seq)
		if errors.Is(err, postgres.ErrNotFound) {
			err = &Error{
				Kind:    NotFound,
				Detail:  "There is no event with this number in the organization, or it is no longer kept.",
				Missing: strconv.FormatInt(seq, 10),
			}
		}
		return event, err
	})
}

// EventFile is an NDJSON file of audit events, each as it was recorded, that is
// yet to be written.
type EventFile struct {
	Name string

	// Write writes the file, event by event as they are read: memory does not
	// grow with it. After an error the file is not whole.
	Write func(ctx context.Context, file io.Writer) error
}

// EventFile prepares a file with the newest events that pass the filter, newest
// first and at most MaxFileEvents. Admins and viewers may.
func (s *Service) EventFile(_ context.Context, caller Caller, filter EventFilter) (EventFile, error) {
	org, err := caller.reader()
	if err != nil {
		return EventFile{}, err
	}
	if err := filter.check(); err != nil {
		return EventFile{}, err
	}
	query := filter.query(0, MaxFileEvents)
	return EventFile{
		Name: "auditferry-events-" + now().Format("20060102T150405Z") + ".ndjson",
		Write: func(ctx context.Context, file io.Writer) error {
			return s.writeFile(ctx, org, func(ctx context.Context, tx *postgres.Tx) error {
				return tx.EachEvent(ctx, query, func(event schemas.RecordedEvent) error {
					_, err := file.Write(append(event.Body, '\n'))
					return err
				})
			})
		},
	}, nil
}
