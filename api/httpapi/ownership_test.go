package httpapi_test

import (
	"crypto/sha256"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

const (
	challengeCode = "k5v2wq7m3xj4c6zr8t9n1p0s2d"
	challengeURL  = "gs://acme-audit/logs/_auditferry/challenge.txt"
)

// shared makes an integration that writes with an identity which other
// organizations have too.
func (s *server) shared(t *testing.T, o tenant) uuid.UUID {
	t.Helper()
	var op schemas.Operation
	s.post(t, o.admin(), "/v1/integrations", map[string]any{
		"name": "audit log", "cloud": "gcp", "destination": "gs://acme-audit/logs/",
	}).is(t, http.StatusAccepted, &op)
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		return tx.SetCredentials(t.Context(), *op.IntegrationID, schemas.Credentials{GCP: &schemas.GCPCredentials{
			ServiceAccount: "exports@auditferry-dev.iam.gserviceaccount.com",
		}}, false)
	})
	return *op.IntegrationID
}

// challenge plays the part of the access check.
func (s *server) challenge(t *testing.T, o tenant, integration uuid.UUID) {
	t.Helper()
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		place, err := schemas.ParseDestination("gs://acme-audit/logs/")
		if err != nil {
			return err
		}
		sum := sha256.Sum256([]byte(challengeCode))
		_, err = tx.SetChallenge(t.Context(), integration, place, "logs/_auditferry/challenge.txt", sum[:])
		return err
	})
}

func (s *server) ownership(t *testing.T, o tenant, integration uuid.UUID) schemas.Ownership {
	t.Helper()
	var read schemas.Integration
	s.get(t, o.keys[schemas.RoleViewer], "/v1/integrations/"+integration.String()).is(t, http.StatusOK, &read)
	return read.Ownership
}

// Invariant 6: nothing but the challenge is written to a place before its
// organization has shown that it is its own.
func TestOwnershipFromOpenToProven(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.shared(t, o)
	path := "/v1/integrations/" + integration.String() + "/ownership"
	prove := func(code string) response { return s.post(t, o.admin(), path, map[string]any{"code": code}) }
	const proven, refused = "auditferry.integration.ownership_proven", "auditferry.integration.ownership_refused"

	require.Equal(t, schemas.Ownership{State: schemas.OwnershipOpen}, s.ownership(t, o, integration))
	p := prove(challengeCode).problem(t, http.StatusConflict)
	require.Contains(t, p.Detail, "No challenge has been written yet")

	s.challenge(t, o, integration)
	require.Equal(t, schemas.Ownership{State: schemas.OwnershipWaiting, Challenge: challengeURL}, s.ownership(t, o, integration))
	before := len(s.dispatcher.dispatched())
	for i, wrong := range []string{"x", challengeCode[1:], challengeCode + challengeCode, challengeURL} {
		p := prove(wrong).problem(t, http.StatusUnprocessableEntity)
		require.Equal(t, []string{"code"}, p.fields())
		require.Contains(t, p.Errors[0].Message, challengeURL, "where to read it")
		events := s.eventsOf(t, o, refused)
		require.Len(t, events, i+1)
		require.Equal(t, schemas.OutcomeFailure, events[0].Outcome)
		require.Equal(t, "admin", events[0].Actor.Name)
		require.NotContains(t, string(events[0].Metadata), wrong+`"`, "what was tried may be another place's secret")
	}
	require.Equal(t, schemas.OwnershipWaiting, s.ownership(t, o, integration).State)
	require.Len(t, s.dispatcher.dispatched(), before)

	var first, second schemas.Operation
	answer := prove(" " + challengeCode + "\n")
	answer.is(t, http.StatusAccepted, &first)
	require.Equal(t, "/v1/operations/"+first.ID.String(), answer.header.Get("Location"))
	require.Equal(t, schemas.OpCheckAccess, first.Kind)
	require.Equal(t, first.ID, s.dispatcher.last().ID)
	require.Equal(t, schemas.OwnershipProven, s.ownership(t, o, integration).State)
	require.Len(t, s.eventsOf(t, o, proven), 1)

	// Asked again it is as good as done, whatever the code.
	prove("x").is(t, http.StatusAccepted, &second)
	require.Equal(t, first.ID, second.ID)
	s.endOperation(t, o, first.ID)
	prove(challengeCode).is(t, http.StatusAccepted, &second)
	require.NotEqual(t, first.ID, second.ID)
	require.Len(t, s.eventsOf(t, o, proven), 1)
	require.Len(t, s.eventsOf(t, o, refused), 4)
}

// A key stands for an answer, and a refusal is none: a wrong code does not keep
// the right one out.
func TestOwnershipWithAnIdempotencyKey(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.shared(t, o)
	s.challenge(t, o, integration)
	prove := func(code string) response {
		return s.do(t, request{
			method: http.MethodPost, path: "/v1/integrations/" + integration.String() + "/ownership", key: o.admin(),
			body: map[string]any{"code": code}, idempotencyKey: "key",
		})
	}
	prove("x").problem(t, http.StatusUnprocessableEntity)
	prove("x").problem(t, http.StatusUnprocessableEntity)
	var first, second schemas.Operation
	prove(challengeCode).is(t, http.StatusAccepted, &first)
	s.endOperation(t, o, first.ID)
	prove(challengeCode).is(t, http.StatusAccepted, &second)
	require.Equal(t, first.ID, second.ID)
	prove("x").problem(t, http.StatusConflict)
}

func TestOwnershipWhereItIsNotAskedFor(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.newAWS(t, o, "s3://acme-audit/")
	path := "/v1/integrations/" + integration.String() + "/ownership"
	body := map[string]any{"code": challengeCode}
	require.Contains(t, s.post(t, o.admin(), path, body).problem(t, http.StatusConflict).Detail, "no credentials yet")
	s.provision(t, o, integration)
	require.Contains(t, s.post(t, o.admin(), path, body).problem(t, http.StatusConflict).Detail, "not needed")
	s.delete(t, o, "/v1/integrations/"+integration.String()).is(t, http.StatusAccepted, nil)
	require.Contains(t, s.post(t, o.admin(), path, body).problem(t, http.StatusConflict).Detail, "deleted")
	require.Empty(t, s.eventsOf(t, o, "auditferry.integration.ownership_refused"))
}
