package httpapi_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

func newAWSRequest(key, idempotencyKey, destination string) request {
	return request{
		method: http.MethodPost, path: "/v1/integrations", key: key, idempotencyKey: idempotencyKey,
		body: map[string]any{"name": "audit log", "cloud": "aws", "destination": destination, "role_arn": "arn:aws:iam::123456789012:role/auditferry"},
	}
}

// Invariant 4: a command is carried out once, however often it is sent.
func TestRepeatedRequestGetsTheFirstAnswer(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	create := newAWSRequest(o.admin(), uuid.NewString(), "s3://acme-audit/")
	first := s.do(t, create)
	first.is(t, http.StatusAccepted, nil)
	again := s.do(t, create)
	require.Equal(t, first.status, again.status)
	require.JSONEq(t, string(first.body), string(again.body))
	require.Equal(t, first.header.Get("Location"), again.header.Get("Location"))
	require.Len(t, s.dispatcher.dispatched(), 1)

	other := newAWSRequest(o.admin(), create.idempotencyKey, "s3://other-audit/")
	p := s.do(t, other).problem(t, http.StatusConflict)
	require.Contains(t, p.Detail, "Idempotency-Key")
	elsewhere := request{method: http.MethodPost, path: "/v1/events", key: o.admin(), idempotencyKey: create.idempotencyKey, body: []any{event("a")}}
	s.do(t, elsewhere).problem(t, http.StatusConflict)

	// Another organization's keys are its own.
	globex := s.newTenant(t, "Globex")
	s.do(t, newAWSRequest(globex.admin(), create.idempotencyKey, "s3://globex-audit/")).is(t, http.StatusAccepted, nil)
}

// Invariant 4, with the requests at once.
func TestConcurrentRepetitionsAreOneCommand(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	create := newAWSRequest(o.admin(), "one", "s3://acme-audit/")
	appended := request{method: http.MethodPost, path: "/v1/events", key: o.admin(), idempotencyKey: "two", body: []any{event("a"), event("b")}}

	const senders = 8
	operations, batches := make([]response, senders), make([]response, senders)
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() { operations[i] = s.do(t, create) })
		wg.Go(func() { batches[i] = s.do(t, appended) })
	}
	wg.Wait()
	for i := range senders {
		operations[i].is(t, http.StatusAccepted, nil)
		require.JSONEq(t, string(operations[0].body), string(operations[i].body))
		batches[i].is(t, http.StatusCreated, nil)
		require.JSONEq(t, string(batches[0].body), string(batches[i].body))
	}
	require.Len(t, s.dispatcher.dispatched(), 1)
}

func TestRefusedRequestDoesNotUseItsKeyUp(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	s.newAWS(t, o, "s3://acme-audit/")
	s.do(t, newAWSRequest(o.admin(), "key", "s3://acme-audit/logs/")).problem(t, http.StatusConflict)
	s.do(t, newAWSRequest(o.admin(), "key", "s3://acme-logs/")).is(t, http.StatusAccepted, nil)
}

// Invariant 7: no secret is in the database in the clear, so that a repetition
// cannot show one.
func TestRepeatedKeyCreationTellsWhatToDo(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	create := request{
		method: http.MethodPost, path: "/v1/api-keys", key: o.admin(), idempotencyKey: "once",
		body: map[string]any{"name": "ci", "role": "ingest"},
	}
	var created struct {
		Key schemas.APIKey `json:"api_key"`
	}
	s.do(t, create).is(t, http.StatusCreated, &created)
	p := s.do(t, create).problem(t, http.StatusConflict)
	require.Contains(t, p.Detail, created.Key.ID.String())
	var keys struct{ Items []schemas.APIKey }
	s.get(t, o.admin(), "/v1/api-keys").is(t, http.StatusOK, &keys)
	require.Len(t, keys.Items, 4)
}

func TestOperatorsRequestsAreRepeatable(t *testing.T) {
	t.Parallel()
	s := setup(t)
	create := request{
		method: http.MethodPost, path: "/v1/orgs", key: operatorKey, idempotencyKey: "org",
		body: map[string]any{"name": "Acme", "notice_emails": []string{}},
	}
	first := s.do(t, create)
	first.is(t, http.StatusCreated, nil)
	require.JSONEq(t, string(first.body), string(s.do(t, create).body))
	var orgs struct{ Items []schemas.Org }
	s.get(t, operatorKey, "/v1/orgs").is(t, http.StatusOK, &orgs)
	require.Len(t, orgs.Items, 1)
}

func TestIdempotencyKeyForm(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	for _, key := range []string{"two words", strings.Repeat("k", 256), "schlüssel"} {
		p := s.do(t, newAWSRequest(o.admin(), key, "s3://acme-audit/")).problem(t, http.StatusBadRequest)
		require.Equal(t, []string{"Idempotency-Key"}, p.fields())
	}
}
