package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/postgres/postgrestest"
	"github.com/auditferry/auditferry/schemas"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Run(m)) }

// bundle is a database with one org, and a cloud in memory.
type bundle struct {
	*postgres.Store
	t        *testing.T
	ownerURL string
	org      uuid.UUID
	cloud    *destination.Memory
	watcher  *watcher
	today    time.Time // UTC, as the test began

	signer, newSigner *manifest.Signer // before and after a change of keys
}

func setup(t *testing.T) *bundle {
	t.Helper()
	store, ownerURL, _ := postgrestest.New(t)
	b := &bundle{Store: store, t: t, ownerURL: ownerURL, cloud: destination.NewMemory(), watcher: &watcher{}, today: time.Now().UTC().Truncate(24 * time.Hour)}
	b.signer, b.newSigner = newSigner(t), newSigner(t)
	b.org = b.addOrg("Acme")
	return b
}

func newSigner(t testing.TB) *manifest.Signer {
	t.Helper()
	text, err := manifest.GenerateKey()
	require.NoError(t, err)
	key, err := manifest.ParseKey(text)
	require.NoError(t, err)
	signer, err := manifest.NewSigner(key)
	require.NoError(t, err)
	return signer
}

// in runs fn in a transaction of the bundle's org; everything must succeed.
func (b *bundle) in(fn func(ctx context.Context, tx *postgres.Tx) error) {
	b.t.Helper()
	ctx := b.t.Context()
	require.NoError(b.t, b.InOrg(ctx, b.org, func(tx *postgres.Tx) error { return fn(ctx, tx) }))
}

// read gives what fn finds in a transaction of the bundle's org.
func read[T any](b *bundle, fn func(ctx context.Context, tx *postgres.Tx) (T, error)) (value T) {
	b.t.Helper()
	b.in(func(ctx context.Context, tx *postgres.Tx) (err error) {
		value, err = fn(ctx, tx)
		return err
	})
	return value
}

func (b *bundle) addOrg(name string) uuid.UUID {
	b.t.Helper()
	id := newID(b.t)
	require.NoError(b.t, b.AsOperator(b.t.Context(), func(tx *postgres.Tx) error {
		return tx.InsertOrg(b.t.Context(), schemas.Org{ID: id, Name: name, NoticeEmails: []string{"ann@example.com", "bob@example.com"}})
	}))
	return id
}

// otherOrg is the same database as seen by another org.
func (b *bundle) otherOrg() *bundle {
	other := *b
	other.org = b.addOrg("Other")
	return &other
}

// events are n of the given size or a little more.
func (b *bundle) events(n, size int) []schemas.Event {
	b.t.Helper()
	padding, err := json.Marshal(map[string]string{"padding": fmt.Sprintf("%0*d", size, 0)})
	require.NoError(b.t, err)
	events := make([]schemas.Event, n)
	for i := range events {
		events[i] = schemas.Event{
			ID: newID(b.t), OccurredAt: time.Now(), Action: "document.read", Actor: schemas.Actor{ID: "u1"},
			Outcome: schemas.OutcomeSuccess, Metadata: padding,
		}
	}
	return events
}

// append records n events of the given size or a little more.
func (b *bundle) append(n, size int) schemas.Appended {
	b.t.Helper()
	events := b.events(n, size)
	return read(b, func(ctx context.Context, tx *postgres.Tx) (schemas.Appended, error) {
		return tx.AppendEvents(ctx, events)
	})
}

// expire drops the oldest events, as retention does with whole days of them.
func (b *bundle) expire(upTo int64) {
	b.t.Helper()
	b.asOwner(`DELETE FROM audit_event WHERE org_id = $1 AND seq <= $2`, b.org, upTo)
}

// asOwner changes rows behind the store's back.
func (b *bundle) asOwner(sql string, args ...any) {
	b.t.Helper()
	ctx := b.t.Context()
	conn, err := pgx.Connect(ctx, b.ownerURL)
	require.NoError(b.t, err)
	defer func() { require.NoError(b.t, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, `SET auditferry.scope = 'operator'`)
	require.NoError(b.t, err)
	_, err = conn.Exec(ctx, sql, args...)
	require.NoError(b.t, err)
}

// bucketOwner has every bucket that a test gives to nobody else.
const bucketOwner = "123456789012"

// addIntegration adds an active integration on AWS with its credentials, and
// its bucket. Unless a change takes that back, its identity is its own and a
// probe was let into the place.
func (b *bundle) addIntegration(place string, change ...func(*schemas.Integration)) schemas.Integration {
	b.t.Helper()
	i := schemas.Integration{
		ID: newID(b.t), OrgID: b.org, Name: "Archive", Cloud: schemas.AWS, Destination: parse(b.t, place),
		Grant:       schemas.Grant{RoleARN: "arn:aws:iam::123456789012:role/auditferry"},
		Provisioner: schemas.ProvisionerAuto, Credentials: awsCredentials("first"),
		Status: schemas.IntegrationActive, Access: schemas.AccessGranted,
		Ownership: schemas.Ownership{State: schemas.OwnershipImplied},
	}
	for _, c := range change {
		c(&i)
	}
	b.cloud.AddBucket(i.Destination)
	b.in(func(ctx context.Context, tx *postgres.Tx) error {
		if err := tx.InsertIntegration(ctx, i); err != nil {
			return err
		}
		if err := tx.ClaimDestination(ctx, i.ID, i.Destination); err != nil || i.Access != schemas.AccessGranted || i.Credentials == nil {
			return err
		}
		verified, err := tx.VerifyClaim(ctx, i.ID, i.Destination, bucketOwner, *i.Credentials)
		require.True(b.t, verified)
		return err
	})
	return i
}

// awaiting is a change for addIntegration: the admin has not granted access yet.
func awaiting(i *schemas.Integration) {
	i.Status, i.Access = schemas.IntegrationAwaitingAccess, schemas.AccessUnknown
}

// sharing is a change for addIntegration: other orgs have the identity, too.
func sharing(i *schemas.Integration) {
	awaiting(i)
	i.Ownership = schemas.Ownership{}
}

// claim has an integration claim one more place, and makes its bucket.
func (b *bundle) claim(i schemas.Integration, place schemas.Destination) {
	b.t.Helper()
	b.cloud.AddBucket(place)
	b.in(func(ctx context.Context, tx *postgres.Tx) error { return tx.ClaimDestination(ctx, i.ID, place) })
}

// claimed is what is known of the place that an integration delivers to.
func (b *bundle) claimed(i schemas.Integration) postgres.Claim {
	b.t.Helper()
	return read(b, func(ctx context.Context, tx *postgres.Tx) (postgres.Claim, error) {
		return tx.Claim(ctx, i.ID, i.Destination)
	})
}

// unprovisioned is a change for addIntegration.
func unprovisioned(i *schemas.Integration) {
	i.Credentials, i.Status, i.Access = nil, schemas.IntegrationProvisioning, schemas.AccessUnknown
	i.Ownership = schemas.Ownership{}
}

func awsCredentials(externalID string) *schemas.Credentials {
	return &schemas.Credentials{AWS: &schemas.AWSCredentials{
		ExternalID: externalID, IAMUserARN: "arn:aws:iam::210987654321:user/auditferry",
	}}
}

func (b *bundle) addExport(i schemas.Integration, name string, change ...func(*schemas.Export)) schemas.Export {
	b.t.Helper()
	e := schemas.Export{
		ID: newID(b.t), OrgID: i.OrgID, IntegrationID: i.ID, Name: name, Slug: name,
		Schedule: schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "1h"},
		Format:   schemas.FormatNDJSON, Compression: schemas.CompressionNone, PathTemplate: schemas.DefaultPathTemplate,
		Destination: i.Destination, State: schemas.ExportActive,
	}
	for _, c := range change {
		c(&e)
	}
	b.in(func(ctx context.Context, tx *postgres.Tx) error { return tx.InsertExport(ctx, e) })
	return b.export(e.ID)
}

// changeExport changes an export's specification as an admin's command does.
func (b *bundle) changeExport(id uuid.UUID, change func(*schemas.Export)) schemas.Export {
	b.t.Helper()
	b.in(func(ctx context.Context, tx *postgres.Tx) error {
		e, err := tx.LockExport(ctx, id)
		if err != nil {
			return err
		}
		change(&e)
		_, err = tx.UpdateExport(ctx, e)
		return err
	})
	return b.export(id)
}

func (b *bundle) addOperation(i schemas.Integration, kind schemas.OperationKind, params schemas.OperationParams) schemas.OperationRef {
	b.t.Helper()
	op := schemas.Operation{
		ID: newID(b.t), OrgID: i.OrgID, Kind: kind, IntegrationID: &i.ID, Params: params,
		Status: schemas.OperationPending, RequestedBy: "tests",
	}
	b.in(func(ctx context.Context, tx *postgres.Tx) error { return tx.InsertOperation(ctx, op) })
	return schemas.OperationRef{OrgID: i.OrgID, IntegrationID: i.ID, OperationID: op.ID}
}

func (b *bundle) integration(id uuid.UUID) schemas.Integration {
	b.t.Helper()
	return read(b, func(ctx context.Context, tx *postgres.Tx) (schemas.Integration, error) {
		return tx.Integration(ctx, id)
	})
}

func (b *bundle) export(id uuid.UUID) schemas.Export {
	b.t.Helper()
	return read(b, func(ctx context.Context, tx *postgres.Tx) (schemas.Export, error) { return tx.Export(ctx, id) })
}

func (b *bundle) operation(id uuid.UUID) schemas.Operation {
	b.t.Helper()
	return read(b, func(ctx context.Context, tx *postgres.Tx) (schemas.Operation, error) { return tx.Operation(ctx, id) })
}

func (b *bundle) runRow(id uuid.UUID) schemas.Run {
	b.t.Helper()
	return read(b, func(ctx context.Context, tx *postgres.Tx) (schemas.Run, error) { return tx.Run(ctx, id) })
}

func (b *bundle) ledger(run uuid.UUID) []schemas.Object {
	b.t.Helper()
	return read(b, func(ctx context.Context, tx *postgres.Tx) ([]schemas.Object, error) { return tx.Objects(ctx, run) })
}

// audited counts the org's events of one action.
func (b *bundle) audited(action string) int {
	b.t.Helper()
	return len(read(b, func(ctx context.Context, tx *postgres.Tx) ([]schemas.RecordedEvent, error) {
		return tx.SearchEvents(ctx, schemas.EventQuery{Action: action, Limit: 100})
	}))
}

// isFree tells whether another integration may claim the place.
func (b *bundle) isFree(place schemas.Destination) bool {
	b.t.Helper()
	other := b.addIntegration(fmt.Sprintf("s3://free-%s/", newID(b.t)))
	errUndo := errors.New("only asked")
	err := b.InOrg(b.t.Context(), b.org, func(tx *postgres.Tx) error {
		if err := tx.ClaimDestination(b.t.Context(), other.ID, place); err != nil {
			return err
		}
		return errUndo
	})
	var conflict *postgres.ConflictError
	if !errors.As(err, &conflict) {
		require.ErrorIs(b.t, err, errUndo)
		return true
	}
	return false
}

// watcher notes who is to look at access again.
type watcher struct {
	mu    sync.Mutex
	asked []asked
	fail  error
}

type asked struct {
	integration schemas.IntegrationRef
	check       int
}

func (w *watcher) LookAgain(_ context.Context, integration schemas.IntegrationRef, check int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, asked{integration, check})
	return w.fail
}

// looks gives what the watcher was asked since the last time.
func (w *watcher) looks() []asked {
	w.mu.Lock()
	defer w.mu.Unlock()
	looks := w.asked
	w.asked = nil
	return looks
}

func (b *bundle) places() *activities.Places {
	return &activities.Places{Store: b.Store, Destinations: b.cloud, Watcher: b.watcher}
}

// exports are the activities under test, with limits that one test can reach.
func (b *bundle) exports(change ...func(*activities.Limits)) *activities.Exports {
	limits := activities.Limits{WindowRows: 1000, PartBytes: 4096, Parallel: 2, SpillBytes: 1024, TempDir: b.t.TempDir()}
	for _, c := range change {
		c(&limits)
	}
	return &activities.Exports{Store: b.Store, Places: b.places(), Signer: b.signer, Limits: limits}
}

func oneByOne(l *activities.Limits) { l.Parallel = 1 }

// smallParts makes parts of two or three events of the smallest size.
func smallParts(l *activities.Limits) { l.PartBytes = 1000 }

func newID(t testing.TB) uuid.UUID {
	t.Helper()
	id, err := uuid.NewV7()
	require.NoError(t, err)
	return id
}

func parse(t testing.TB, url string) schemas.Destination {
	t.Helper()
	d, err := schemas.ParseDestination(url)
	require.NoError(t, err)
	return d
}
