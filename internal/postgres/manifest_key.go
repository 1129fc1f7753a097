package postgres

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ManifestKeys gives the keys of the manifests with which runs have delivered
// their windows, prefix included. Runs that have delivered nothing, or had done
// so before there were manifests, are left out.
func (t *Tx) ManifestKeys(ctx context.Context, runs []uuid.UUID) (map[uuid.UUID]string, error) {
	keys := make(map[uuid.UUID]string)
	_, err := queryAll(ctx, t, "read the manifests of runs", func(row pgx.CollectableRow) (run uuid.UUID, err error) {
		var key string
		err = row.Scan(&run, &key)
		keys[run] = key
		return run, err
	}, `
		SELECT r.id, w.manifest_key FROM export_run AS r JOIN export_window AS w ON w.id = r.window_id
		WHERE r.id = ANY($1) AND w.delivered_by = r.id AND w.manifest_key IS NOT NULL`, runs)
	return keys, err
}
