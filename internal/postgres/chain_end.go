package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

// ChainEnd is what a final manifest tells of a place.
type ChainEnd struct {
	LastSeq  int64                // of the last window that was delivered there with a manifest; 0: none was
	Previous *schemas.ManifestRef // that manifest, which lies in the same place; nil: none does
	GivenUp  []schemas.GivenUp    // what was begun there and given up, by seq and apart from each other
}

// ChainEnd looks where the chain of a closing ends, of which only the export,
// the backfill, the integration and the place have to be set. Left says that the
// window which is still to be delivered there will not be. When nothing was
// delivered there, nor begun and given up, it is ErrNotFound.
//
// A window counts as begun when a run has begun to write it in a place that a
// probe was let into: a worker may have stored parts without living to note
// them. In another place nothing can lie, and nobody could say so there.
func (t *Tx) ChainEnd(ctx context.Context, c Closing, left bool) (ChainEnd, error) {
	end, err := t.lastManifest(ctx, c)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return ChainEnd{}, err
	}
	windows, givenUpErr := t.givenUp(ctx, c, left)
	if givenUpErr != nil {
		return ChainEnd{}, givenUpErr
	}
	end.GivenUp = joined(windows)
	if len(windows) > 0 {
		err = nil
	}
	return end, err
}

func (t *Tx) lastManifest(ctx context.Context, c Closing) (end ChainEnd, err error) {
	var ref schemas.ManifestRef
	err = t.scan(ctx, "find the last manifest", []any{&end.LastSeq, &ref.Key, &ref.SHA256}, `
		SELECT w.last_seq, w.manifest_key, w.manifest_sha256 FROM export_window AS w
		WHERE `+chain(c.BackfillID)+` AND w.destination = $3 AND w.delivered_at IS NOT NULL AND w.manifest_key IS NOT NULL
		ORDER BY w.first_seq DESC LIMIT 1`, c.ExportID, c.BackfillID, asURL(&c.Destination))
	if err == nil {
		ref.Key = c.Place().Below(ref.Key)
		end.Previous = &ref
	}
	return end, err
}

// givenUp lists the windows of a chain that were begun there and not delivered,
// those with the highest numbers, in order.
func (t *Tx) givenUp(ctx context.Context, c Closing, left bool) ([]schemas.GivenUp, error) {
	windows, err := queryAll(ctx, t, "list what was given up", func(row pgx.CollectableRow) (g schemas.GivenUp, err error) {
		err = row.Scan(&g.Slug, &g.FirstSeq, &g.LastSeq)
		return g, err
	}, `
		SELECT w.slug, w.first_seq, w.last_seq FROM export_window AS w
		WHERE w.export_id = $1 AND w.backfill_id IS NOT DISTINCT FROM $2 AND w.destination = $3
		  AND w.delivered_at IS NULL AND (w.abandoned_at IS NOT NULL OR $4)
		  AND EXISTS (SELECT FROM export_run AS r WHERE r.window_id = w.id AND r.attempts > 0)
		  AND (EXISTS (SELECT FROM export_object AS o WHERE o.window_id = w.id AND o.key <> '')
			OR EXISTS (SELECT FROM destination_claim AS d WHERE d.integration_id = $6 AND d.destination = $3 AND d.verified_at IS NOT NULL))
		ORDER BY w.first_seq DESC LIMIT $5`,
		c.ExportID, c.BackfillID, asURL(&c.Destination), left, schemas.MaxGivenUp, c.IntegrationID)
	slices.Reverse(windows)
	return windows, err
}

// joined makes one range of those that follow each other.
func joined(windows []schemas.GivenUp) (ranges []schemas.GivenUp) {
	for _, w := range windows {
		if last := len(ranges) - 1; last >= 0 && ranges[last].Slug == w.Slug && ranges[last].LastSeq+1 == w.FirstSeq {
			ranges[last].LastSeq = w.LastSeq
		} else {
			ranges = append(ranges, w)
		}
	}
	return ranges
}
