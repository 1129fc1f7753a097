package service

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// LedgerContent is what a file of the ledger lists.
type LedgerContent string

// The contents.
const (
	LedgerDays    LedgerContent = "days"
	LedgerRuns    LedgerContent = "runs"
	LedgerObjects LedgerContent = "objects"
)

// downloadTimeout ends a file that does not get done.
const downloadTimeout = 15 * time.Minute

// LedgerFile is a CSV file (RFC 4180, with a header) of an export's ledger that
// is yet to be written.
type LedgerFile struct {
	Name string

	// Write writes the file, row by row as they are read: memory does not grow
	// with it. After an error the file is not whole.
	Write func(ctx context.Context, file io.Writer) error
}

// LedgerFile prepares a file with all days of a period, or with all runs or all
// delivered objects of an export and its backfills. Admins and viewers may.
func (s *Service) LedgerFile(ctx context.Context, caller Caller, export uuid.UUID, content LedgerContent, period Period) (LedgerFile, error) {
	org, err := caller.reader()
	if err != nil {
		return LedgerFile{}, err
	}
	list, known := ledgerLists[content]
	switch {
	case !known:
		return LedgerFile{}, invalid(&schemas.FieldError{Field: "content", Message: "must be days, runs or objects"})
	case content != LedgerDays && period != Period{}:
		return LedgerFile{}, invalid(&schemas.FieldError{Field: "content", Message: "must be days when from or to is given; runs and objects are listed from the first to the last"})
	}
	from, to, err := period.days(s.retention)
	if err != nil {
		return LedgerFile{}, err
	}
	found, err := s.Export(ctx, caller, export)
	if err != nil {
		return LedgerFile{}, err
	}
	return LedgerFile{
		Name: fmt.Sprintf("auditferry-%s-%s.csv", found.Slug, content),
		Write: func(ctx context.Context, file io.Writer) error {
			return s.writeLedger(ctx, org, file, func(ctx context.Context, tx *postgres.Tx, out *csv.Writer) error {
				return list(ctx, tx, out, export, from, to)
			})
		},
	}, nil
}

func (s *Service) writeLedger(ctx context.Context, org uuid.UUID, file io.Writer, list func(context.Context, *postgres.Tx, *csv.Writer) error) error {
	out := csv.NewWriter(file)
	out.UseCRLF = true
	return s.writeFile(ctx, org, func(ctx context.Context, tx *postgres.Tx) error {
		if err := list(ctx, tx, out); err != nil {
			return err
		}
		out.Flush()
		return out.Error()
	})
}

// writeFile writes a file in one transaction, when it is its turn; nothing for
// those who do not get to see it.
func (s *Service) writeFile(ctx context.Context, org uuid.UUID, write func(context.Context, *postgres.Tx) error) error {
	if headersOnly(ctx) {
		return nil
	}
	done, err := s.downloads.take(ctx, org)
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	begun := false
	return s.store.InOrg(ctx, org, func(tx *postgres.Tx) error {
		if begun {
			return errors.New("write a file: the transaction broke off, and rows have been written already")
		}
		begun = true
		return write(ctx, tx)
	})
}

type ledgerList func(ctx context.Context, tx *postgres.Tx, out *csv.Writer, export uuid.UUID, from, to time.Time) error

var ledgerLists = map[LedgerContent]ledgerList{LedgerDays: listDays, LedgerRuns: listRuns, LedgerObjects: listObjects}

func listDays(ctx context.Context, tx *postgres.Tx, out *csv.Writer, export uuid.UUID, from, to time.Time) error {
	days, err := tx.LedgerDays(ctx, export, from, to)
	if err != nil {
		return err
	}
	if err := out.Write([]string{
		"day", "first_seq", "last_seq", "recorded", "delivered", "excluded", "expired", "undelivered", "before", "bytes",
	}); err != nil {
		return err
	}
	for _, d := range days {
		row := append([]string{d.Day}, numbers(
			d.FirstSeq, d.LastSeq, d.Recorded, d.Delivered, d.Excluded, d.Expired, d.Undelivered, d.Before, d.Bytes)...)
		if err := out.Write(row); err != nil {
			return err
		}
	}
	return nil
}

func listRuns(ctx context.Context, tx *postgres.Tx, out *csv.Writer, export uuid.UUID, _, _ time.Time) error {
	if err := out.Write([]string{
		"run_id", "window_id", "backfill_id", "workflow_id", "status", "first_seq", "last_seq", "parts", "settled", "objects",
		"rows", "excluded", "expired", "bytes", "attempts", "started_at", "ended_at", "duration_seconds", "error_kind", "error",
	}); err != nil {
		return err
	}
	return tx.EachRun(ctx, export, func(r schemas.Run) error {
		row := []string{r.ID.String(), r.WindowID.String(), "", r.WorkflowID, string(r.Status)}
		if r.BackfillID != nil {
			row[2] = r.BackfillID.String()
		}
		row = append(row, numbers(r.FirstSeq, r.LastSeq, int64(r.Parts), int64(r.Settled), int64(r.Objects),
			r.Rows, r.Excluded, r.Expired, r.Bytes, int64(r.Attempts))...)
		ended := ""
		if r.EndedAt != nil {
			ended = moment(*r.EndedAt)
		}
		return out.Write(append(row, moment(r.StartedAt), ended,
			strconv.FormatFloat(duration(r).Seconds(), 'f', 3, 64), string(r.ErrorKind), harmless(r.Error)))
	})
}

func listObjects(ctx context.Context, tx *postgres.Tx, out *csv.Writer, export uuid.UUID, _, _ time.Time) error {
	if err := out.Write([]string{
		"key", "part", "first_seq", "last_seq", "rows", "excluded", "expired", "bytes", "sha256",
		"run_id", "backfill_id", "manifest", "delivered_at",
	}); err != nil {
		return err
	}
	return tx.EachObject(ctx, export, func(o schemas.DeliveredObject) error {
		row := append([]string{harmless(o.Key)}, numbers(int64(o.Part), o.FirstSeq, o.LastSeq, o.Rows, o.Excluded, o.Expired, o.Bytes)...)
		return out.Write(append(row, o.SHA256, o.RunID, o.BackfillID, harmless(o.Manifest), moment(o.DeliveredAt)))
	})
}

func numbers(values ...int64) []string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = strconv.FormatInt(value, 10)
	}
	return texts
}

func moment(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }

// harmless keeps spreadsheets from taking text that comes from outside, such as
// a folder's name or a cloud's answer, for a formula.
// https://owasp.org/www-community/attacks/CSV_Injection
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
