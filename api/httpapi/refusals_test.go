package httpapi_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

const (
	destinationRefused = "auditferry.integration.destination_refused"
	requestRefused     = "auditferry.request_refused"
)

// Invariant 6, seen: whoever tries for a place that is another's finds that in
// the own organization's log, and the other's says nothing.
func TestRefusedDestinationsAreAudited(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o, globex := s.newTenant(t, "Acme"), s.newTenant(t, "Globex")
	own := s.newAWS(t, o, "s3://acme-audit/logs/")
	theirs := s.newAWS(t, globex, "s3://globex-audit/logs/")
	before := s.actions(t, globex)
	create := func(destination string) request { return newAWSRequest(o.admin(), uuid.NewString(), destination) }
	move := request{
		method: http.MethodPost, path: "/v1/integrations/" + own.String() + "/destination", key: o.admin(),
		body: map[string]any{"destination": "s3://globex-audit/logs/deeper"},
	}
	again := create("s3://globex-audit/logs/")
	for i, test := range []struct {
		request     request
		destination string
		target      schemas.Target
	}{
		{create("s3://globex-audit/logs"), "s3://globex-audit/logs/", schemas.Target{Type: "destination", ID: "s3://globex-audit/logs/"}},
		{create("s3://globex-audit/"), "s3://globex-audit/", schemas.Target{Type: "destination", ID: "s3://globex-audit/"}},
		{create("s3://globex-audit/logs/deeper/"), "s3://globex-audit/logs/deeper/", schemas.Target{Type: "destination", ID: "s3://globex-audit/logs/deeper/"}},
		{create("s3://acme-audit/"), "s3://acme-audit/", schemas.Target{Type: "destination", ID: "s3://acme-audit/"}},
		{move, "s3://globex-audit/logs/deeper/", schemas.Target{Type: "integration", ID: own.String(), Name: "audit log"}},
		{again, "s3://globex-audit/logs/", schemas.Target{Type: "destination", ID: "s3://globex-audit/logs/"}},
		{again, "s3://globex-audit/logs/", schemas.Target{Type: "destination", ID: "s3://globex-audit/logs/"}},
	} {
		p := s.do(t, test.request).problem(t, http.StatusConflict)
		events := s.eventsOf(t, o, destinationRefused)
		require.Len(t, events, i+1)
		event := events[0]
		require.Equal(t, schemas.OutcomeFailure, event.Outcome)
		require.Equal(t, p.Detail, event.Reason)
		require.Equal(t, p.RequestID, event.Context.RequestID)
		require.Equal(t, "admin", event.Actor.Name)
		require.Equal(t, []schemas.Target{test.target}, event.Targets)
		require.JSONEq(t, `{"destination": "`+test.destination+`", "cloud": "aws"}`, string(event.Metadata))
		require.NotContains(t, event.Reason, "Globex")
		require.NotContains(t, event.Reason, theirs.String())
	}
	require.Equal(t, before, s.actions(t, globex))
	require.Len(t, s.dispatcher.dispatched(), 2, "no command came of it")

	// A conflict of another kind is no attempt on a place.
	s.do(t, newAWSRequest(o.admin(), again.idempotencyKey, "s3://acme-free/")).is(t, http.StatusAccepted, nil)
	s.do(t, again).problem(t, http.StatusConflict)
	require.Len(t, s.eventsOf(t, o, destinationRefused), 7)
}

// refused is what an audit event says of a refused request.
type refused struct {
	Method, Route, ID string
	Suppressed        int
}

func (s *server) refused(t *testing.T, o tenant) (events []schemas.Event, details []refused) {
	t.Helper()
	var found struct{ Items []schemas.Event }
	s.get(t, o.admin(), "/v1/events?limit=200&action="+requestRefused).is(t, http.StatusOK, &found)
	for _, event := range found.Items {
		require.Equal(t, schemas.OutcomeFailure, event.Outcome)
		var said refused
		require.NoError(t, json.Unmarshal(event.Metadata, &said))
		details = append(details, said)
	}
	return found.Items, details
}

// lastID is the last ID in the call's path; "" when there is none.
func (c call) lastID(b belongings) string {
	if !strings.Contains(c.path, "{") {
		return ""
	}
	name, _, _ := strings.Cut(c.path[strings.LastIndex(c.path, "{")+1:], "}")
	return b[name].String()
}

// Every call that a role may not make is recorded, with the route as the
// contract writes it.
func TestCallsOfAnotherRoleAreAudited(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, role := range []schemas.Role{schemas.RoleAdmin, schemas.RoleViewer, schemas.RoleIngest} {
		t.Run(string(role), func(t *testing.T) {
			t.Parallel()
			o := s.newTenant(t, "Acme "+string(role))
			own := s.fill(t, o, "acme-"+string(role))
			var want []refused
			reasons := map[string]string{}
			for _, c := range calls(t) {
				if slices.Contains(roles[c.id], role) {
					continue
				}
				p := s.do(t, c.with(o.keys[role], own)).problem(t, http.StatusForbidden)
				want = append(want, refused{Method: c.method, Route: c.path, ID: c.lastID(own)})
				reasons[p.RequestID] = p.Detail
			}
			require.NotEmpty(t, want)
			events, details := s.refused(t, o)
			require.ElementsMatch(t, want, details)
			for i, event := range events {
				require.Equal(t, string(role), event.Actor.Name)
				require.Equal(t, reasons[event.Context.RequestID], event.Reason)
				require.Equal(t, []schemas.Target{{Type: "route", ID: details[i].Method + " " + details[i].Route}}, event.Targets)
			}
		})
	}
}

// withoutIDs is a recorded event without what differs from one request to the
// next.
func withoutIDs(t *testing.T, event json.RawMessage) map[string]any {
	t.Helper()
	var members map[string]any
	require.NoError(t, json.Unmarshal(event, &members))
	for _, name := range []string{"id", "seq", "occurred_at", "recorded_at"} {
		require.Contains(t, members, name)
		delete(members, name)
	}
	for parent, name := range map[string]string{"actor": "id", "context": "request_id", "metadata": "id"} {
		require.Contains(t, members[parent], name)
		delete(members[parent].(map[string]any), name)
	}
	return members
}

// Invariant 6: neither the answer nor the audit log tells whether an ID is
// another organization's or nobody's.
func TestRefusalsTellNothingOfOtherOrgs(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ours, theirs := s.newTenant(t, "Acme"), s.newTenant(t, "Globex")
	own, foreign := s.fill(t, ours, "acme-audit"), s.fill(t, theirs, "globex-audit")
	s.post(t, ours.admin(), "/v1/exports/"+own["export_id"].String()+"/pause", nil).is(t, http.StatusAccepted, nil)
	before := s.snapshot(t, theirs, foreign)
	unknown := belongings{}
	for name := range foreign {
		unknown[name] = uuid.Must(uuid.NewV7())
	}
	// Another key for every request: a second refusal of one key on a route
	// would only be counted.
	key := func() string {
		var created struct{ Secret string }
		s.post(t, ours.admin(), "/v1/api-keys", map[string]any{"name": "prober", "role": "admin"}).is(t, http.StatusCreated, &created)
		return created.Secret
	}
	newest := func() json.RawMessage {
		var events struct{ Items []json.RawMessage }
		s.get(t, ours.admin(), "/v1/events?limit=1&action="+requestRefused).is(t, http.StatusOK, &events)
		require.Len(t, events.Items, 1)
		return events.Items[0]
	}
	// answer sends a request, and returns what its caller and its log say but
	// for IDs and times.
	answer := func(t *testing.T, r request, id string) (int, problem, map[string]any) {
		t.Helper()
		r.key = key()
		got := s.do(t, r)
		require.Contains(t, []int{http.StatusForbidden, http.StatusNotFound}, got.status, "%s", got.body)
		p := got.problem(t, got.status)
		event := newest()
		var said struct {
			Context  schemas.EventContext
			Metadata struct{ ID string }
		}
		require.NoError(t, json.Unmarshal(event, &said))
		require.Equal(t, p.RequestID, said.Context.RequestID)
		require.Equal(t, id, said.Metadata.ID, "the ID that was tried")
		p.RequestID = ""
		return got.status, p, withoutIDs(t, event)
	}
	same := func(t *testing.T, foreign, unknown request, foreignID, unknownID string) {
		t.Helper()
		status, p, event := answer(t, foreign, foreignID)
		otherStatus, otherProblem, otherEvent := answer(t, unknown, unknownID)
		require.Equal(t, status, otherStatus)
		require.Equal(t, p, otherProblem)
		require.Equal(t, event, otherEvent)
	}
	for _, c := range calls(t) {
		if len(c.params) == 0 || c.id == "RelinkExport" {
			continue
		}
		t.Run(c.id, func(t *testing.T) {
			same(t, c.with("", foreign), c.with("", unknown), c.lastID(foreign), c.lastID(unknown))
		})
	}
	// These take an ID in the body; the event names that one.
	in := func(path string, b belongings, more map[string]any) request {
		body := map[string]any{"integration_id": b["integration_id"]}
		for name, value := range more {
			body[name] = value
		}
		return request{method: http.MethodPost, path: path, body: body}
	}
	for path, more := range map[string]map[string]any{
		"/v1/exports":         {"name": "stolen", "schedule": hourly()},
		"/v1/exports/preview": nil,
		"/v1/exports/" + own["export_id"].String() + "/relink": nil,
	} {
		same(t, in(path, foreign, more), in(path, unknown, more), foreign["integration_id"].String(), unknown["integration_id"].String())
	}
	same(t, in("/v1/exports/"+foreign["export_id"].String()+"/relink", own, nil), in("/v1/exports/"+unknown["export_id"].String()+"/relink", own, nil),
		foreign["export_id"].String(), unknown["export_id"].String())
	require.Equal(t, before, s.snapshot(t, theirs, foreign), "the other organization's log says nothing")
}

func TestLoopOfRefusalsIsOneEvent(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	var last string
	for range 20 {
		last = uuid.NewString()
		s.get(t, o.admin(), "/v1/exports/"+last).problem(t, http.StatusNotFound)
	}
	_, details := s.refused(t, o)
	require.Len(t, details, 1)
	require.NotEqual(t, last, details[0].ID, "the first is recorded at once")
	s.get(t, o.keys[schemas.RoleViewer], "/v1/exports/"+last).problem(t, http.StatusNotFound)
	_, details = s.refused(t, o)
	require.Len(t, details, 2, "another key's is another matter")
	require.Equal(t, refused{Method: "GET", Route: "/v1/exports/{export_id}", ID: last}, details[0])
}

// Nobody's and operators' calls are in no organization's log, and what is wrong
// without being an attempt is not either.
func TestWhatIsNotAudited(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	own := s.fill(t, o, "acme-audit")
	before := s.actions(t, o)
	path := "/v1/integrations/" + own["integration_id"].String()
	s.get(t, "", path).problem(t, http.StatusUnauthorized)
	s.get(t, "af_admin_"+strings.Repeat("x", 32), path).problem(t, http.StatusUnauthorized)
	s.get(t, operatorKey, path).problem(t, http.StatusForbidden)
	s.get(t, operatorKey, "/v1/operations/"+uuid.NewString()).problem(t, http.StatusNotFound)
	s.post(t, operatorKey, "/v1/integrations/"+uuid.NewString()+"/provisioning", own.body("ProvisionIntegration")).problem(t, http.StatusNotFound)
	s.get(t, o.admin(), "/v1/nothing").problem(t, http.StatusNotFound)
	s.get(t, o.admin(), "/v1/exports/nothing").problem(t, http.StatusBadRequest)
	s.post(t, o.admin(), "/v1/exports", "{").problem(t, http.StatusBadRequest)
	s.post(t, o.admin(), "/v1/exports", "{}").problem(t, http.StatusUnprocessableEntity)
	require.Equal(t, before, s.actions(t, o))
}

// Who cannot be recorded is not told what was not found either.
func TestUnrecordedRefusalIsAnInternalError(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	owner, err := pgx.Connect(t.Context(), s.ownerURL)
	require.NoError(t, err)
	_, err = owner.Exec(t.Context(), `REVOKE INSERT ON audit_event FROM auditferry_app`)
	require.NoError(t, err)
	require.NoError(t, owner.Close(t.Context()))
	p := s.get(t, o.admin(), "/v1/exports/"+uuid.NewString()).problem(t, http.StatusInternalServerError)
	require.Equal(t, "Internal error.", p.Detail)
	require.Equal(t, 1, s.log.FilterMessage("request failed").FilterField(requestID(p)).Len())
}
