// Package bench measures what an export and an append cost, each beside the
// floor below it: what the database alone takes.
//
//	make bench
package bench

import (
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/encode"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/postgres/postgrestest"
	"github.com/auditferry/auditferry/schemas"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Run(m)) }

const (
	batch  = 1_000   // events per append, as a busy product would send them
	window = 100_000 // events per export
)

// newOrg is a database with an org in it.
func newOrg(b *testing.B) (*postgres.Store, uuid.UUID) {
	b.Helper()
	store, _, _ := postgrestest.New(b)
	org := schemas.Org{ID: uuid.New(), Name: "Acme", CreatedAt: time.Now()}
	require.NoError(b, store.AsOperator(b.Context(), func(tx *postgres.Tx) error { return tx.InsertOrg(b.Context(), org) }))
	return store, org.ID
}

// events are about 600 bytes of JSON each.
func events(b *testing.B, n int) []schemas.Event {
	b.Helper()
	made := make([]schemas.Event, n)
	for i := range made {
		line := fmt.Sprintf(`{"occurred_at":"2026-01-02T03:04:05.678Z","action":"document.edited",`+
			`"actor":{"type":"user","id":"u-%06d","name":"Zoë Example","email":"zoe.%d@example.com"},`+
			`"targets":[{"type":"document","id":"d-%08d","name":"Quarterly report, final version"}],"outcome":"success",`+
			`"context":{"ip":"192.0.2.%d","user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","request_id":"%s"},`+
			`"metadata":{"before":{"title":"Quarterly report"},"after":{"title":"Quarterly report, final version"},"n":%d}}`,
			i%5000, i%5000, i, i%255, uuid.New(), i)
		event, err := schemas.DecodeEvent([]byte(line))
		require.NoError(b, err)
		made[i] = event
	}
	return made
}

func add(b *testing.B, store *postgres.Store, org uuid.UUID, batch []schemas.Event) {
	b.Helper()
	require.NoError(b, store.InOrg(b.Context(), org, func(tx *postgres.Tx) error {
		_, err := tx.AppendEvents(b.Context(), batch)
		return err
	}))
}

// BenchmarkAppend records events in batches of 1,000, without HTTP.
func BenchmarkAppend(b *testing.B) {
	store, org := newOrg(b)
	made := events(b, batch)
	for b.Loop() {
		add(b, store, org, made)
	}
	perSecond(b, batch)
}

// BenchmarkExport reads and encodes 100,000 events. "floor" is the copy out of
// the database to nowhere.
func BenchmarkExport(b *testing.B) {
	store, org := newOrg(b)
	for range window / batch {
		add(b, store, org, events(b, batch))
	}
	b.Run("floor", func(b *testing.B) {
		for b.Loop() {
			copyOut(b, store, org, func([]byte) error { return nil })
		}
		perSecond(b, window)
	})
	for _, compression := range []schemas.Compression{schemas.CompressionNone, schemas.CompressionGzip, schemas.CompressionZstd} {
		b.Run(string(compression), func(b *testing.B) {
			for b.Loop() {
				writer, err := encode.NewWriter(io.Discard, schemas.FormatNDJSON, compression)
				require.NoError(b, err)
				copyOut(b, store, org, writer.WriteRow)
				require.NoError(b, writer.Close())
			}
			perSecond(b, window)
		})
	}
}

func copyOut(b *testing.B, store *postgres.Store, org uuid.UUID, each func([]byte) error) {
	b.Helper()
	rows, err := store.CopyEvents(b.Context(), org, 1, window, each)
	require.NoError(b, err)
	require.EqualValues(b, window, rows)
}

func perSecond(b *testing.B, events int) {
	b.ReportMetric(float64(events*b.N)/b.Elapsed().Seconds(), "events/s")
}
