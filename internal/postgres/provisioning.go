package postgres

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// OrgNames gives the names of these orgs by their IDs, as far as the
// transaction sees them.
func (t *Tx) OrgNames(ctx context.Context, orgs []uuid.UUID) (map[uuid.UUID]string, error) {
	type named struct {
		ID   uuid.UUID
		Name string
	}
	found, err := queryAll(ctx, t, "read the names of orgs", pgx.RowToStructByPos[named], `
		SELECT id, name FROM org WHERE id = ANY($1)`, orgs)
	names := make(map[uuid.UUID]string, len(found))
	for _, org := range found {
		names[org.ID] = org.Name
	}
	return names, err
}
