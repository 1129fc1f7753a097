package service

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// FailingExport is an active export whose last run has failed.
type FailingExport struct {
	ExportView
	OrgName string
	Failure *schemas.Run // the one that failed last; nil when none is known
}

// FailingExports lists the failing exports of all organizations, the longest
// failing first. Operators may.
func (s *Service) FailingExports(ctx context.Context, caller Caller, page Page) (List[FailingExport], error) {
	if err := caller.operator(); err != nil {
		return List[FailingExport]{}, err
	}
	after, err := page.afterStreak()
	if err != nil {
		return List[FailingExport]{}, err
	}
	return asOperator(ctx, s, func(tx *postgres.Tx) (List[FailingExport], error) {
		exports, err := tx.FailingExports(ctx, after, page.limit()+1)
		if err != nil {
			return List[FailingExport]{}, err
		}
		failing, err := s.viewFailing(ctx, tx, exports)
		return listOf(page, failing, streakCursor), err
	})
}

func (s *Service) viewFailing(ctx context.Context, tx *postgres.Tx, exports []schemas.Export) ([]FailingExport, error) {
	views, err := s.viewExports(ctx, tx, exports)
	if err != nil {
		return nil, err
	}
	orgs, ids := make([]uuid.UUID, len(exports)), make([]uuid.UUID, len(exports))
	for i, export := range exports {
		orgs[i], ids[i] = export.OrgID, export.ID
	}
	names, err := tx.OrgNames(ctx, orgs)
	if err != nil {
		return nil, err
	}
	runs, err := tx.LastFailures(ctx, ids)
	last := make(map[uuid.UUID]*schemas.Run, len(runs))
	for i := range runs {
		last[runs[i].ExportID] = &runs[i]
	}
	failing := make([]FailingExport, len(views))
	for i, view := range views {
		failing[i] = FailingExport{view, names[view.OrgID], last[view.ID]}
	}
	return failing, err
}

// streakBytes is the length of a cursor: a time in microseconds and an ID.
const streakBytes = 8 + 16

func (p Page) afterStreak() (postgres.Streak, error) {
	if p.Cursor == "" {
		return postgres.Streak{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil || len(raw) != streakBytes {
		return postgres.Streak{}, badCursor()
	}
	since := time.UnixMicro(int64(binary.BigEndian.Uint64(raw))).UTC() //nolint:gosec // what streakCursor wrote
	if since.Before(earliestStreak) || since.After(latestStreak) {
		return postgres.Streak{}, badCursor()
	}
	return postgres.Streak{Since: since, ExportID: uuid.UUID(raw[8:])}, nil
}

// Postgres has no times for what lies far outside of these.
var (
	earliestStreak = time.Unix(0, 0)
	latestStreak   = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
)

func streakCursor(f FailingExport) []byte {
	raw := binary.BigEndian.AppendUint64(nil, uint64(f.FailingSince.UnixMicro()))
	return append(raw, f.ID[:]...)
}

// Backlog is what waits in all organizations.
type Backlog = postgres.Backlog

// Backlog counts what waits in all organizations. Operators may.
func (s *Service) Backlog(ctx context.Context, caller Caller) (Backlog, error) {
	if err := caller.operator(); err != nil {
		return Backlog{}, err
	}
	return asOperator(ctx, s, func(tx *postgres.Tx) (Backlog, error) { return tx.Backlog(ctx) })
}

// IntegrationCounts tells how many integrations each of these organizations
// has, deleted ones aside; those with none are left out. Operators may.
func (s *Service) IntegrationCounts(ctx context.Context, caller Caller, orgs []uuid.UUID) (map[uuid.UUID]int, error) {
	if err := caller.operator(); err != nil {
		return nil, err
	}
	return asOperator(ctx, s, func(tx *postgres.Tx) (map[uuid.UUID]int, error) { return tx.IntegrationCounts(ctx, orgs) })
}

// OrgIntegration returns an integration of any organization, without its
// credentials. Operators may.
func (s *Service) OrgIntegration(ctx context.Context, caller Caller, org, id uuid.UUID) (schemas.Integration, error) {
	if _, err := s.Org(ctx, caller, org); err != nil {
		return schemas.Integration{}, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (schemas.Integration, error) {
		integration, err := tx.Integration(ctx, id)
		integration.Credentials = nil
		return integration, missing(err, "integration", id)
	})
}
