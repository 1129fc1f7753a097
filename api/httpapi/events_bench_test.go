package httpapi_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/auditferry/auditferry/api/httpapi"
	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/postgres/postgrestest"
	"github.com/auditferry/auditferry/schemas"
)

const (
	ingestBatch   = 1_000 // events, as a busy product sends them
	ingestClients = 4     // at once, for each processor
)

// BenchmarkIngest appends batches of 1,000 events of about 600 bytes through
// the whole HTTP API, from several clients at once: with the database on the
// same machine, clients, API and Postgres share its processors. The database is
// a throw-away one without fsync, unless the variables of the api program name
// another:
//
//	AUDITFERRY_DATABASE_URL=... AUDITFERRY_MIGRATE_DATABASE_URL=... \
//	  go test ./api/httpapi -run '^$' -bench Ingest
func BenchmarkIngest(b *testing.B) {
	store := ingestStore(b)
	all := service.New(service.Options{Store: store, Log: zap.NewNop()})
	handler, err := httpapi.New(httpapi.Options{Service: all, Authenticator: all, Log: zap.NewNop()})
	require.NoError(b, err)
	server := httptest.NewServer(handler)
	b.Cleanup(server.Close)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	b.Cleanup(client.CloseIdleConnections)
	lines, arrays := make([][]byte, 8), make([][]byte, 8)
	for i := range lines {
		lines[i] = ingestBody(i * ingestBatch)
		arrays[i] = asArray(lines[i])
	}
	for _, orgs := range []int{1, 4} {
		keys := make([]string, orgs)
		for i := range keys {
			keys[i] = ingestKey(b, all)
		}
		run := func(name, contentType string, bodies [][]byte) {
			b.Run(fmt.Sprintf("orgs=%d/%s", orgs, name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetParallelism(ingestClients)
				var turn atomic.Int64
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						n := int(turn.Add(1))
						ingest(b, client, server.URL, keys[n%orgs], contentType, bodies[n%len(bodies)])
					}
				})
				b.ReportMetric(float64(ingestBatch*b.N)/b.Elapsed().Seconds(), "events/s")
			})
		}
		run("lines", ndjson, lines)
		run("array", "application/json", arrays)
	}
}

func ingestStore(b *testing.B) *postgres.Store {
	b.Helper()
	url := os.Getenv("AUDITFERRY_DATABASE_URL")
	if url == "" {
		store, _, _ := postgrestest.New(b)
		return store
	}
	require.NoError(b, postgres.Migrate(b.Context(), os.Getenv("AUDITFERRY_MIGRATE_DATABASE_URL")))
	store, err := postgres.Open(b.Context(), url)
	require.NoError(b, err)
	b.Cleanup(store.Close)
	return store
}

// ingestKey makes an organization and gives its key.
func ingestKey(b *testing.B, all *service.Service) string {
	b.Helper()
	operator := service.Call{Caller: service.Caller{Role: schemas.RoleOperator}}
	org, err := all.CreateOrg(b.Context(), operator, service.CreateOrg{Name: uuid.NewString()})
	require.NoError(b, err)
	key, err := all.CreateAPIKey(b.Context(), operator, service.CreateAPIKey{OrgID: &org.ID, Name: "bench", Role: schemas.RoleIngest})
	require.NoError(b, err)
	return key.Secret
}

func ingest(b *testing.B, client *http.Client, url, key, contentType string, body []byte) {
	request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url+"/v1/events", bytes.NewReader(body))
	if err != nil {
		b.Error(err)
		return
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", contentType)
	answer, err := client.Do(request)
	if err != nil {
		b.Error(err)
		return
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusCreated {
		b.Errorf("%d: %s: %v", answer.StatusCode, text, err)
	}
}

// ingestBody is a batch of events as a product would send them, one a line.
func ingestBody(first int) []byte {
	var body bytes.Buffer
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	for i := first; i < first+ingestBatch; i++ {
		fmt.Fprintf(&body, `{"id":"%s","occurred_at":%q,"action":"document.edited",`+
			`"actor":{"type":"user","id":"u-%06d","name":"Zoë Example","email":"zoe.%d@example.com"},`+
			`"targets":[{"type":"document","id":"d-%08d","name":"Quarterly report, final version"}],"outcome":"success",`+
			`"context":{"ip":"192.0.2.%d","user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","request_id":"%s"},`+
			`"metadata":{"before":{"title":"Quarterly report"},"after":{"title":"Quarterly report, final version"},"n":%d}}`+"\n",
			uuid.New(), at.Add(time.Duration(i)*time.Millisecond).Format(time.RFC3339Nano), i%5000, i%5000, i, i%255, uuid.New(), i)
	}
	return body.Bytes()
}

func asArray(lines []byte) []byte {
	array := append([]byte{'['}, bytes.ReplaceAll(bytes.TrimSpace(lines), []byte{'\n'}, []byte{','})...)
	return append(array, ']')
}
