package schemas_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

// usual is an event as products send them, of about 600 bytes.
const usual = `{"id":"019b7c3a-5f00-7abc-8def-0123456789ab","occurred_at":"2026-01-02T03:04:05.678Z","action":"document.edited",` +
	`"actor":{"type":"user","id":"u-004711","name":"Zoë Example","email":"zoe.4711@example.com"},` +
	`"targets":[{"type":"document","id":"d-00004711","name":"Quarterly report, final version"}],"outcome":"success",` +
	`"context":{"ip":"192.0.2.17","user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","request_id":"7f6f1e1c-8ce9-4b8e-9d5c-3a2f7c1d5b10"},` +
	`"metadata":{"before":{"title":"Quarterly report"},"after":{"title":"Quarterly report, final version"},"n":4711}}`

func BenchmarkDecodeEvent(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(usual)))
	data := []byte(usual)
	for b.Loop() {
		if _, err := schemas.DecodeEvent(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCanonical(b *testing.B) {
	b.ReportAllocs()
	e, err := schemas.DecodeEvent([]byte(usual))
	require.NoError(b, err)
	at := time.Date(2026, 1, 2, 3, 4, 5, 123_456_000, time.UTC)
	for b.Loop() {
		if _, err := e.Canonical(4711, at); err != nil {
			b.Fatal(err)
		}
	}
}
