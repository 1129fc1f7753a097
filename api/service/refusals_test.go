package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

const (
	destinationRefused = "auditferry.integration.destination_refused"
	requestRefused     = "auditferry.request_refused"
)

// metadata is what a refusal says beside its reason.
type metadata struct {
	Destination, Cloud string
	Method, Route, ID  string
	Suppressed         int
}

// refusals are the organization's audit events with an action, oldest first.
func (b bundle) refusals(t *testing.T, action string) (events []schemas.Event, details []metadata) {
	t.Helper()
	found, err := b.SearchEvents(t.Context(), b.admin, service.EventFilter{Action: action}, service.Page{})
	require.NoError(t, err)
	for i := range found.Items {
		var event schemas.Event
		require.NoError(t, json.Unmarshal(found.Items[len(found.Items)-1-i].Body, &event))
		require.Equal(t, schemas.OutcomeFailure, event.Outcome)
		var said metadata
		require.NoError(t, json.Unmarshal(event.Metadata, &said))
		events, details = append(events, event), append(details, said)
	}
	return events, details
}

// elsewhere is the same service for an admin of another organization.
func (b bundle) elsewhere(t *testing.T) bundle {
	t.Helper()
	operator := service.Call{Caller: service.Caller{Role: schemas.RoleOperator, Actor: schemas.Actor{Name: "operator"}}}
	org, err := b.CreateOrg(t.Context(), operator, service.CreateOrg{Name: "Globex"})
	require.NoError(t, err)
	b.admin = service.Caller{OrgID: &org.ID, Role: schemas.RoleAdmin, Actor: schemas.Actor{Type: "api_key", ID: uuid.NewString(), Name: "Hank"}}
	return b
}

// asOwner runs a statement as the owner of the tables.
func (b bundle) asOwner(t *testing.T, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), b.ownerURL)
	require.NoError(t, err)
	defer conn.Close(context.Background()) //nolint:errcheck // the database goes with the test
	_, err = conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}

// holdLog keeps everybody else from writing to the organization's audit log
// until the test releases it.
func (b bundle) holdLog(t *testing.T) (release func()) {
	t.Helper()
	held, done, released := make(chan struct{}), make(chan error, 1), make(chan struct{})
	go func() {
		done <- b.store.InOrg(context.WithoutCancel(t.Context()), *b.admin.OrgID, func(tx *postgres.Tx) error {
			_, err := tx.AppendEvents(t.Context(), []schemas.Event{{
				ID: uuid.New(), OccurredAt: time.Now(), Action: "document.read", Actor: schemas.Actor{ID: "u1"}, Outcome: schemas.OutcomeSuccess,
			}})
			close(held)
			<-released
			return err
		})
	}()
	<-held
	return sync.OnceFunc(func() {
		close(released)
		require.NoError(t, <-done)
	})
}

// Invariant 6, seen: whoever tries for a place cannot hide it by hanging up
// before the refusal is recorded.
func TestRefusedDestinationOutlivesItsRequest(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	_, err := b.create(t.Context(), "gs://acme-audit/")
	require.NoError(t, err)
	thief := b.elsewhere(t)
	release := thief.holdLog(t)
	defer release()

	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	answered := make(chan error, 1)
	go func() {
		_, err := thief.create(ctx, "gs://acme-audit/below/")
		answered <- err
	}()
	conn, err := pgx.Connect(t.Context(), b.ownerURL)
	require.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context())) //nolint:errcheck // the database goes with the test
	require.Eventually(t, func() bool {
		var waiting int
		err := conn.QueryRow(t.Context(), `
			SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
			WHERE NOT granted AND datname = current_database()`).Scan(&waiting)
		return err == nil && waiting > 0
	}, 20*time.Second, 2*time.Millisecond, "the record waits for the log")
	hangUp()
	require.Empty(t, answered)
	release()
	requireKind(t, service.Conflict, <-answered)
	_, details := thief.refusals(t, destinationRefused)
	require.Equal(t, []metadata{{Destination: "gs://acme-audit/below/", Cloud: "gcp"}}, details)
}

// Both of two that come at once get an answer, and one of them an event.
func TestConcurrentClaimsAreAuditedWhereRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	other := b.elsewhere(t)
	refused := make(chan bundle, 2)
	var wg sync.WaitGroup
	for _, one := range []bundle{b, other} {
		wg.Go(func() {
			if _, err := one.create(t.Context(), "gs://acme-audit/"); err != nil {
				refused <- one
			}
		})
	}
	wg.Wait()
	close(refused)
	loser := <-refused
	require.NotNil(t, loser.Service)
	require.Empty(t, refused)
	for _, one := range []bundle{b, other} {
		events, _ := one.refusals(t, destinationRefused)
		if one.admin.Actor.ID == loser.admin.Actor.ID {
			require.Len(t, events, 1)
		} else {
			require.Empty(t, events)
		}
	}
}

var (
	route     = service.Request{Method: "GET", Route: "/v1/exports/{export_id}", ID: "from the path"}
	notFound  = &service.Error{Kind: service.NotFound, Detail: "There is no export.", Missing: "4"}
	forbidden = &service.Error{Kind: service.Forbidden, Detail: "This call is for admins."}
)

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

func (b bundle) withClock() *clock {
	c := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	b.SetRefusalClock(c.read)
	return c
}

// A loop does not fill the log, and the log tells how long the loop was.
func TestRefusedRequestsAreCountedWithinAMinute(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	clock := b.withClock()
	refuse := func(caller service.Caller, request service.Request, cause error) {
		t.Helper()
		require.NoError(t, b.RecordRefused(t.Context(), caller, request, cause))
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { refuse(b.admin, route, notFound) })
	}
	wg.Wait()
	events, details := b.refusals(t, requestRefused)
	first := metadata{Method: "GET", Route: route.Route, ID: "4"}
	require.Equal(t, []metadata{first}, details)
	require.Equal(t, notFound.Detail, events[0].Reason)
	require.Equal(t, "GET /v1/exports/{export_id}", events[0].Targets[0].ID)
	require.Equal(t, b.admin.Actor.ID, events[0].Actor.ID)

	// Another route, method or key is another matter.
	otherRoute, otherMethod, otherKey := route, route, b.admin
	otherRoute.Route, otherMethod.Method, otherKey.Actor.ID = "/v1/api-keys", "DELETE", uuid.NewString()
	refuse(b.admin, otherRoute, forbidden)
	refuse(b.admin, otherMethod, forbidden)
	refuse(otherKey, route, forbidden)
	_, details = b.refusals(t, requestRefused)
	require.Len(t, details, 4)
	require.Equal(t, metadata{Method: "DELETE", Route: route.Route, ID: "from the path"}, details[2])

	clock.move(time.Minute - 1)
	refuse(b.admin, route, notFound)
	clock.move(1)
	refuse(b.admin, route, notFound)
	_, details = b.refusals(t, requestRefused)
	require.Len(t, details, 5)
	require.Equal(t, 8, details[4].Suppressed, "seven at once, and one at the end of the minute")

	clock.move(time.Minute)
	refuse(b.admin, route, notFound)
	_, details = b.refusals(t, requestRefused)
	require.Len(t, details, 6)
	require.Equal(t, first, details[5], "none were left out since")

	require.Equal(t, 4, b.RememberedRefusals())
	clock.move(time.Hour)
	refuse(b.admin, route, notFound)
	require.Equal(t, 1, b.RememberedRefusals(), "the others are forgotten")
}

func TestRefusalThatCannotBeRecordedIsToldLater(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	b.withClock()
	b.asOwner(t, `REVOKE INSERT ON audit_event FROM auditferry_app`)
	for range 2 {
		require.Error(t, b.RecordRefused(t.Context(), b.admin, route, notFound))
	}
	b.asOwner(t, `GRANT INSERT ON audit_event TO auditferry_app`)
	require.NoError(t, b.RecordRefused(t.Context(), b.admin, route, notFound))
	_, details := b.refusals(t, requestRefused)
	require.Len(t, details, 1)
	require.Equal(t, 2, details[0].Suppressed)
}

func TestRefusedRequestOutlivesItself(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	require.NoError(t, b.RecordRefused(gone, b.admin, route, notFound))
	events, _ := b.refusals(t, requestRefused)
	require.Len(t, events, 1)
}

func TestWhatIsNoRefusal(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	for _, cause := range []error{
		nil, errors.New("the disk is full"), context.Canceled,
		&service.Error{Kind: service.Unauthenticated}, &service.Error{Kind: service.Conflict}, &service.Error{Kind: service.Invalid},
	} {
		require.NoError(t, b.RecordRefused(t.Context(), b.admin, route, cause))
	}
	for _, caller := range []service.Caller{{}, {Role: schemas.RoleOperator, Actor: schemas.Actor{Type: "api_key", ID: uuid.NewString(), Name: "operator"}}} {
		require.NoError(t, b.RecordRefused(t.Context(), caller, route, forbidden))
	}
	events, _ := b.refusals(t, requestRefused)
	require.Empty(t, events)
	require.Zero(t, b.RememberedRefusals())
}
