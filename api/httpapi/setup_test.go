package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/auditferry/auditferry/api/httpapi"
	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/postgres/postgrestest"
	"github.com/auditferry/auditferry/schemas"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Run(m)) }

// patience is how long a test waits for what must come; long, because machines
// are shared.
const patience = 30 * time.Second

// retention is how long events are kept.
const retention = 30 * 24 * time.Hour

const operatorKey = "af_operator_" + "0123456789abcdef0123456789abcdef"

// memoryDispatcher keeps what it was given, and can fail.
type memoryDispatcher struct {
	mu   sync.Mutex
	ops  []schemas.Operation
	fail error
}

func (d *memoryDispatcher) Dispatch(_ context.Context, op schemas.Operation) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ops = append(d.ops, op)
	return d.fail
}

func (d *memoryDispatcher) dispatched() []schemas.Operation {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]schemas.Operation{}, d.ops...)
}

func (d *memoryDispatcher) last() schemas.Operation {
	all := d.dispatched()
	return all[len(all)-1]
}

// server is the API on a database of its own.
type server struct {
	url        string
	handler    http.Handler
	ownerURL   string // of the database
	store      *postgres.Store
	dispatcher *memoryDispatcher
	log        *observer.ObservedLogs
}

func setup(t *testing.T) *server {
	t.Helper()
	store, ownerURL, _ := postgrestest.New(t)
	s := &server{ownerURL: ownerURL, store: store, dispatcher: &memoryDispatcher{}}
	core, log := observer.New(zap.InfoLevel)
	s.log = log
	all := service.New(service.Options{
		Store:      store,
		Dispatcher: s.dispatcher,
		Log:        zap.New(core),
		Retention:  retention,
		Provisioners: map[schemas.Cloud]schemas.Provisioner{
			schemas.AWS: schemas.ProvisionerAuto, schemas.Azure: schemas.ProvisionerExternal, schemas.GCP: schemas.ProvisionerAuto,
		},
	})
	require.NoError(t, all.KeepOperatorKey(t.Context(), operatorKey))
	handler, err := httpapi.New(httpapi.Options{Service: all, Authenticator: all, Log: zap.New(core)})
	require.NoError(t, err)
	s.handler = handler
	listener := httptest.NewServer(handler)
	t.Cleanup(listener.Close)
	s.url = listener.URL
	return s
}

// tenant is an organization with a key of every role.
type tenant struct {
	id   uuid.UUID
	keys map[schemas.Role]string
}

func (o tenant) admin() string { return o.keys[schemas.RoleAdmin] }

func (s *server) newTenant(t *testing.T, name string) tenant {
	t.Helper()
	var org schemas.Org
	s.post(t, operatorKey, "/v1/orgs", map[string]any{"name": name, "notice_emails": []string{"admin@acme.example"}}).
		is(t, http.StatusCreated, &org)
	o := tenant{id: org.ID, keys: map[schemas.Role]string{}}
	for _, role := range []schemas.Role{schemas.RoleAdmin, schemas.RoleViewer, schemas.RoleIngest} {
		var created struct {
			Secret string `json:"secret"`
		}
		s.post(t, operatorKey, "/v1/orgs/"+org.ID.String()+"/api-keys", map[string]any{"name": string(role), "role": role}).
			is(t, http.StatusCreated, &created)
		o.keys[role] = created.Secret
	}
	return o
}

func (s *server) newAWS(t *testing.T, o tenant, destination string) uuid.UUID {
	t.Helper()
	var op schemas.Operation
	s.post(t, o.admin(), "/v1/integrations", map[string]any{
		"name": "audit log", "cloud": "aws", "destination": destination, "role_arn": "arn:aws:iam::123456789012:role/auditferry",
	}).is(t, http.StatusAccepted, &op)
	return *op.IntegrationID
}

// endOperation plays the part of the integration's workflow.
func (s *server) endOperation(t *testing.T, o tenant, id uuid.UUID) {
	t.Helper()
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		return tx.EndOperation(t.Context(), id, schemas.OperationSucceeded, "")
	})
}

func (s *server) inOrg(t *testing.T, o tenant, do func(*postgres.Tx) error) {
	t.Helper()
	require.NoError(t, s.store.InOrg(t.Context(), o.id, do))
}

func (s *server) provision(t *testing.T, o tenant, integration uuid.UUID) {
	t.Helper()
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		return tx.SetCredentials(t.Context(), integration, schemas.Credentials{AWS: &schemas.AWSCredentials{
			ExternalID: "external-id", IAMUserARN: "arn:aws:iam::999999999999:user/auditferry",
		}}, true)
	})
}

func hourly() map[string]any { return map[string]any{"kind": "interval", "every": "1h"} }

func (s *server) newExport(t *testing.T, o tenant, name string, integration uuid.UUID) schemas.Export {
	t.Helper()
	var op schemas.Operation
	s.post(t, o.admin(), "/v1/exports", map[string]any{
		"name": name, "integration_id": integration, "schedule": hourly(),
	}).is(t, http.StatusAccepted, &op)
	return s.export(t, o, *op.ExportID)
}

func (s *server) export(t *testing.T, o tenant, id uuid.UUID) (export schemas.Export) {
	t.Helper()
	s.get(t, o.admin(), "/v1/exports/"+id.String()).is(t, http.StatusOK, &export)
	return export
}

// request is one HTTP request; nil members are left out.
type request struct {
	method, path, key string
	body              any // []byte and string as they are, everything else as JSON
	contentType       string
	idempotencyKey    string
}

type response struct {
	status int
	header http.Header
	body   []byte
}

func (s *server) get(t *testing.T, key, path string) response {
	t.Helper()
	return s.do(t, request{method: http.MethodGet, path: path, key: key})
}

func (s *server) post(t *testing.T, key, path string, body any) response {
	t.Helper()
	return s.do(t, request{method: http.MethodPost, path: path, key: key, body: body})
}

// do sends a request, and checks every answer against the contract.
func (s *server) do(t *testing.T, r request) response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), r.method, s.url+r.path, nil)
	require.NoError(t, err)
	if r.body != nil {
		content := r.content(t)
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
		req.Header.Set("Content-Type", r.contentType)
		if r.contentType == "" {
			req.Header.Set("Content-Type", "application/json")
		}
	}
	if r.key != "" {
		req.Header.Set("Authorization", "Bearer "+r.key)
	}
	if r.idempotencyKey != "" {
		req.Header.Set("Idempotency-Key", r.idempotencyKey)
	}
	answer, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer answer.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	checkAnswer(t, req, answer, body)
	return response{answer.StatusCode, answer.Header, body}
}

func (r request) content(t *testing.T) []byte {
	switch body := r.body.(type) {
	case []byte:
		return body
	case string:
		return []byte(body)
	default:
		content, err := json.Marshal(body)
		require.NoError(t, err)
		return content
	}
}

// is checks the status and reads the body.
func (r response) is(t *testing.T, status int, into any) {
	t.Helper()
	require.Equal(t, status, r.status, "%s", r.body)
	if into != nil {
		require.NoError(t, json.Unmarshal(r.body, into))
	}
}

type problem struct {
	Type, Title, Detail string
	Status              int
	RequestID           string `json:"request_id"`
	Errors              []struct{ Field, Message string }
}

// problem checks that the answer is a problem with this status.
func (r response) problem(t *testing.T, status int) problem {
	t.Helper()
	require.Equal(t, status, r.status, "%s", r.body)
	require.Equal(t, "application/problem+json", r.header.Get("Content-Type"))
	var p problem
	require.NoError(t, json.Unmarshal(r.body, &p))
	require.Equal(t, status, p.Status)
	require.NotEmpty(t, p.Detail)
	require.NotEmpty(t, p.RequestID)
	return p
}

func (p problem) fields() []string {
	names := make([]string, len(p.Errors))
	for i, e := range p.Errors {
		names[i] = e.Field
	}
	return names
}

// strictContract is the contract with every object closed, so that an answer
// with a member that the contract does not know fails its test.
var strictContract = sync.OnceValues(func() (routers.Router, error) {
	document, err := openapi3.NewLoader().LoadFromData(schemas.OpenAPI)
	if err != nil {
		return nil, err
	}
	closed := false
	for name, schema := range document.Components.Schemas {
		open := name == "RecordedEvent" || name == "Event" // their members are the product's own
		if !open && schema.Value.Type.Is("object") {
			schema.Value.AdditionalProperties.Has = &closed
		}
	}
	return legacy.NewRouter(document)
})

func checkAnswer(t *testing.T, req *http.Request, answer *http.Response, body []byte) {
	t.Helper()
	contract, err := strictContract()
	require.NoError(t, err)
	route, params, err := contract.FindRoute(req)
	var unknown *routers.RouteError
	if errors.As(err, &unknown) {
		return
	}
	require.NoError(t, err)
	if !strings.Contains(answer.Header.Get("Content-Type"), "json") {
		return
	}
	err = openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route},
		Status:                 answer.StatusCode,
		Header:                 answer.Header,
		Body:                   io.NopCloser(bytes.NewReader(body)),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true},
	})
	require.NoError(t, err, "%s %s: %s", req.Method, req.URL.Path, body)
}

// event is one valid event.
func event(action string) map[string]any {
	return map[string]any{
		"occurred_at": time.Now().UTC().Format(time.RFC3339Nano),
		"action":      action,
		"actor":       map[string]any{"id": "u1", "email": "ada@acme.example"},
	}
}

func requestID(p problem) zap.Field { return zap.String("request_id", p.RequestID) }
