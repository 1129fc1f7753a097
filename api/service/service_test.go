package service_test

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/postgres/postgrestest"
	"github.com/auditferry/auditferry/schemas"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Run(m)) }

type dispatcherFunc func(ctx context.Context, op schemas.Operation) error

func (f dispatcherFunc) Dispatch(ctx context.Context, op schemas.Operation) error { return f(ctx, op) }

func ignore(context.Context, schemas.Operation) error { return nil }

type bundle struct {
	*service.Service
	store    *postgres.Store
	ownerURL string
	appURL   string
	admin    service.Caller
}

func setup(t *testing.T, dispatch dispatcherFunc, stopping <-chan struct{}) bundle {
	t.Helper()
	store, ownerURL, appURL := postgrestest.New(t)
	s := service.New(service.Options{
		Store:        store,
		Dispatcher:   dispatch,
		Log:          zaptest.NewLogger(t),
		Retention:    30 * 24 * time.Hour,
		Provisioners: map[schemas.Cloud]schemas.Provisioner{schemas.GCP: schemas.ProvisionerAuto},
		Stopping:     stopping,
	})
	operator := service.Call{Caller: service.Caller{Role: schemas.RoleOperator, Actor: schemas.Actor{Name: "operator"}}}
	org, err := s.CreateOrg(t.Context(), operator, service.CreateOrg{Name: "Acme"})
	require.NoError(t, err)
	return bundle{s, store, ownerURL, appURL, service.Caller{OrgID: &org.ID, Role: schemas.RoleAdmin, Actor: schemas.Actor{Type: "api_key", ID: uuid.NewString(), Name: "Ada"}}}
}

func (b bundle) call() service.Call { return service.Call{Caller: b.admin} }

func (b bundle) create(ctx context.Context, destination string) (schemas.Operation, error) {
	return b.CreateIntegration(ctx, b.call(), service.CreateIntegration{Name: "audit log", Cloud: schemas.GCP, Destination: destination})
}

func requireKind(t *testing.T, kind service.Kind, err error, fields ...string) {
	t.Helper()
	var known *service.Error
	require.ErrorAs(t, err, &known)
	require.Equal(t, kind, known.Kind, known.Detail)
	for i, field := range fields {
		require.Equal(t, field, known.Fields[i].Field)
	}
}

// Invariant 4: its operation always ends. A caller who hangs up between the
// commit and the hand-over does not keep the operation from Temporal.
func TestDispatchOutlivesItsRequest(t *testing.T) {
	t.Parallel()
	ctx, hangUp := context.WithCancel(t.Context())
	var dispatched atomic.Bool
	b := setup(t, func(inner context.Context, _ schemas.Operation) error {
		hangUp()
		dispatched.Store(inner.Err() == nil)
		return nil
	}, nil)
	_, err := b.create(ctx, "gs://acme-audit/")
	require.NoError(t, err)
	require.True(t, dispatched.Load())
}

func TestOnlyCommittedOperationsAreDispatched(t *testing.T) {
	t.Parallel()
	var b bundle
	var found atomic.Int64
	b = setup(t, func(ctx context.Context, op schemas.Operation) error {
		if _, err := b.Operation(ctx, b.admin, op.ID, 0); err == nil {
			found.Add(1)
		}
		return nil
	}, nil)
	_, err := b.create(t.Context(), "gs://acme-audit/")
	require.NoError(t, err)
	_, err = b.create(t.Context(), "gs://acme-audit/below/")
	requireKind(t, service.Conflict, err)
	require.EqualValues(t, 1, found.Load())
}

// requireOneAccepted does all at once, and gives the conflicts of all but one.
func requireOneAccepted(t *testing.T, values []string, do func(value string) error) (refusals []error) {
	t.Helper()
	answers := make(chan error, len(values))
	for _, value := range values {
		go func() { answers <- do(value) }()
	}
	for range values {
		if err := <-answers; err != nil {
			requireKind(t, service.Conflict, err)
			refusals = append(refusals, err)
		}
	}
	require.Len(t, refusals, len(values)-1)
	return refusals
}

// Invariant 4, with updates that come at once: one of them is carried out, and
// the others leave nothing behind.
func TestConcurrentUpdates(t *testing.T) {
	t.Parallel()
	var dispatched atomic.Int64
	b := setup(t, func(context.Context, schemas.Operation) error {
		dispatched.Add(1)
		return nil
	}, nil)
	created, err := b.create(t.Context(), "gs://acme-audit/0/")
	require.NoError(t, err)
	requireOneAccepted(t, []string{"1", "2", "3", "4", "5", "6"}, func(folder string) error {
		_, err := b.UpdateDestination(t.Context(), b.call(), service.UpdateDestination{
			IntegrationID: *created.IntegrationID, Destination: "gs://acme-audit/" + folder,
		})
		return err
	})
	require.EqualValues(t, 2, dispatched.Load())
}

// Invariant 5: commands on one export take turns, each seeing what the one
// before it did.
func TestConcurrentCommandsOnAnExport(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	created, err := b.create(t.Context(), "gs://acme-audit/")
	require.NoError(t, err)
	op, err := b.CreateExport(t.Context(), b.call(), service.CreateExport{
		Name: "hourly", IntegrationID: *created.IntegrationID, Schedule: schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "1h"},
	})
	require.NoError(t, err)
	zstd, none := schemas.CompressionZstd, schemas.PathTemplate("")
	edits := []service.EditExport{
		{ExportID: *op.ExportID, Compression: &zstd},
		{ExportID: *op.ExportID, PathTemplate: &none},
	}
	var wg sync.WaitGroup
	errs := make(chan error, 16)
	for range 4 {
		for _, edit := range edits {
			wg.Go(func() {
				_, err := b.EditExport(t.Context(), b.call(), edit)
				errs <- err
			})
		}
		wg.Go(func() {
			_, err := b.PauseExport(t.Context(), b.call(), service.PauseExport{ExportID: *op.ExportID})
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	export, err := b.Export(t.Context(), b.admin, *op.ExportID)
	require.NoError(t, err)
	require.Equal(t, zstd, export.Compression)
	require.Empty(t, export.PathTemplate)
	require.Equal(t, schemas.ExportPaused, export.State)
	require.Equal(t, 1+12, export.SpecVersion)
}

// Of edits that were made from one version at once, one counts; the others are
// refused, and say by whom.
func TestEditsUndoNoneUnread(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	created, err := b.create(t.Context(), "gs://acme-audit/")
	require.NoError(t, err)
	op, err := b.CreateExport(t.Context(), b.call(), service.CreateExport{
		Name: "hourly", IntegrationID: *created.IntegrationID, Schedule: schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "1h"},
	})
	require.NoError(t, err)
	edit := func(name string, version *int) error {
		_, err := b.EditExport(t.Context(), b.call(), service.EditExport{ExportID: *op.ExportID, Name: &name, SpecVersion: version})
		return err
	}
	read := func() service.ExportView {
		t.Helper()
		export, err := b.Export(t.Context(), b.admin, *op.ExportID)
		require.NoError(t, err)
		return export
	}
	seen := read().SpecVersion
	for _, refusal := range requireOneAccepted(t, []string{"a", "b", "c", "d"}, func(name string) error { return edit(name, &seen) }) {
		require.ErrorContains(t, refusal, "changed meanwhile by Ada.")
	}

	_, err = b.RunExport(t.Context(), b.call(), service.RunExport{ExportID: *op.ExportID})
	require.NoError(t, err)
	now := read().SpecVersion
	require.Equal(t, seen+1, now, "a run changes nothing")
	_, err = b.PauseExport(t.Context(), b.call(), service.PauseExport{ExportID: *op.ExportID})
	require.NoError(t, err)
	_, err = b.RelinkExport(t.Context(), b.call(), service.RelinkExport{ExportID: *op.ExportID, IntegrationID: *created.IntegrationID, SpecVersion: &now})
	requireKind(t, service.Conflict, err)
	requireKind(t, service.Conflict, edit("", &now)) // before what is wrong with the values
	require.NoError(t, edit("from whatever there is", nil))
}

// What others have done since a form was filled is neither undone nor deleted
// unread.
func TestStaleFormsOfIntegrations(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	created, err := b.create(t.Context(), "gs://acme-audit/seen/")
	require.NoError(t, err)
	id := *created.IntegrationID
	move := func(former string) error {
		_, err := b.UpdateDestination(t.Context(), b.call(), service.UpdateDestination{IntegrationID: id, Destination: "gs://acme-audit/mine/", Former: former})
		return err
	}
	requireKind(t, service.Conflict, move("gs://acme-audit/before/"))
	require.NoError(t, move("gs://acme-audit/seen/"))

	export := func(name string) uuid.UUID {
		op, err := b.CreateExport(t.Context(), b.call(), service.CreateExport{
			Name: name, IntegrationID: id, Schedule: schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "1h"},
		})
		require.NoError(t, err)
		return *op.ExportID
	}
	seen := []uuid.UUID{export("first")}
	unseen := export("second")
	remove := func(exports bool, linked []uuid.UUID) error {
		_, err := b.DeleteIntegration(t.Context(), b.call(), service.DeleteIntegration{IntegrationID: id, DeleteExports: exports, Linked: linked})
		return err
	}
	requireKind(t, service.Conflict, remove(true, seen))
	require.NoError(t, remove(true, append(seen, unseen)))
}

// A resume agrees to one destination: never to another that it was changed to
// meanwhile.
func TestResumeAtTheDestinationSeen(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	created, err := b.create(t.Context(), "gs://acme-audit/seen/")
	require.NoError(t, err)
	op, err := b.CreateExport(t.Context(), b.call(), service.CreateExport{
		Name: "hourly", IntegrationID: *created.IntegrationID, Schedule: schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "1h"},
	})
	require.NoError(t, err)
	_, err = b.PauseExport(t.Context(), b.call(), service.PauseExport{ExportID: *op.ExportID})
	require.NoError(t, err)
	moved, err := schemas.ParseDestination("gs://acme-audit/moved/")
	require.NoError(t, err)
	require.NoError(t, b.store.InOrg(t.Context(), *b.admin.OrgID, func(tx *postgres.Tx) error {
		return tx.SetDestination(t.Context(), *created.IntegrationID, moved, schemas.Grant{})
	}))
	resume := func(destination string) error {
		_, err := b.ResumeExport(t.Context(), b.call(), service.ResumeExport{ExportID: *op.ExportID, Retarget: true, Destination: destination})
		return err
	}
	requireKind(t, service.Conflict, resume("gs://acme-audit/seen/"))
	require.NoError(t, resume(moved.String()))
	export, err := b.Export(t.Context(), b.admin, *op.ExportID)
	require.NoError(t, err)
	require.Equal(t, moved, export.Destination)
}

func TestWaitEndsWithTheProgramOrTheCaller(t *testing.T) {
	t.Parallel()
	stopping := make(chan struct{})
	b := setup(t, ignore, stopping)
	op, err := b.create(t.Context(), "gs://acme-audit/")
	require.NoError(t, err)

	wait := func(ctx context.Context) <-chan error {
		done := make(chan error, 1)
		go func() {
			got, err := b.Operation(ctx, b.admin, op.ID, service.MaxWait)
			if err == nil && got.ID != op.ID {
				t.Errorf("operation %s instead of %s", got.ID, op.ID)
			}
			done <- err
		}()
		return done
	}
	ctx, hangUp := context.WithCancel(t.Context())
	given := wait(ctx)
	hangUp()
	t.Logf("who hung up got the error %v, or none after the first look", <-given)
	ended := wait(t.Context())
	close(stopping)
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(service.MaxWait / 2):
		t.Fatal("the wait goes on although the program is to end")
	}
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	created, err := b.CreateAPIKey(t.Context(), b.call(), service.CreateAPIKey{Name: "ci", Role: schemas.RoleIngest})
	require.NoError(t, err)
	caller, err := b.Authenticate(t.Context(), created.Secret)
	require.NoError(t, err)
	require.Equal(t, service.Caller{OrgID: b.admin.OrgID, Role: schemas.RoleIngest, Actor: schemas.Actor{Type: "api_key", ID: created.Key.ID.String(), Name: "ci"}}, caller)

	_, err = b.Authenticate(t.Context(), created.Secret+"x")
	requireKind(t, service.Unauthenticated, err)
	require.NoError(t, b.RevokeAPIKey(t.Context(), b.admin, nil, created.Key.ID))
	require.NoError(t, b.RevokeAPIKey(t.Context(), b.admin, nil, created.Key.ID), "revoking twice is harmless")
	_, err = b.Authenticate(t.Context(), created.Secret)
	requireKind(t, service.Unauthenticated, err)
}

func TestOperatorKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	const secret = "af_operator_abcdefabcdefabcdefabcdefabcdefab"
	for range 2 {
		require.NoError(t, b.KeepOperatorKey(t.Context(), secret))
	}
	caller, err := b.Authenticate(t.Context(), secret)
	require.NoError(t, err)
	require.Equal(t, schemas.RoleOperator, caller.Role)
	require.Nil(t, caller.OrgID)
	_, err = b.OwnOrg(t.Context(), caller)
	requireKind(t, service.Forbidden, err)
}

func TestCloudWithoutProvisioner(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	_, err := b.CreateIntegration(t.Context(), b.call(), service.CreateIntegration{Name: "a", Cloud: schemas.AWS, Destination: "s3://acme-audit/"})
	requireKind(t, service.Invalid, err, "cloud")
}
