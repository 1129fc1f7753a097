package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/schemas"
)

// patience is how long a test waits for what must happen. It is generous: the
// machine may have two cores and several stacks on them.
const patience = 3 * time.Minute

// system is a running stack and a Temporal client beside it.
type system struct {
	*stack.Stack
	temporal client.Client
}

// start runs the whole product with small parts, so that a delivery has many.
func start(t *testing.T, env ...string) *system {
	t.Helper()
	log := &lockedBuffer{}
	s, err := stack.Start(t.Context(), stack.Options{
		Log: log,
		Env: append([]string{
			"AUDITFERRY_EXPORT_PART_BYTES=262144",
			"AUDITFERRY_RECONCILE_EVERY=2s",
			"AUDITFERRY_PROVISIONER_GCP=external",
		}, env...),
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Stop())
		if t.Failed() {
			t.Logf("the stack's log:\n%s", log.tail(400))
		}
	})
	c, err := client.Dial(client.Options{HostPort: s.Temporal.Address, Logger: quiet{}})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return &system{Stack: s, temporal: c}
}

// org is one org and the people around it.
type org struct {
	*system
	t      *testing.T
	ctx    context.Context
	name   string
	vendor actor.Vendor
	admin  actor.Admin
	prod   actor.Product
	clouds actor.CloudAdmin
	inbox  actor.Inbox
	mail   string
}

var orgs atomic.Int64

// newOrg welcomes an org that no other test knows.
func (s *system) newOrg(t *testing.T) *org {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	name := fmt.Sprintf("org%d", orgs.Add(1))
	o := &org{
		system: s, t: t, ctx: ctx, name: name,
		vendor: actor.NewVendor(s.API.URL, s.API.OperatorKey),
		clouds: actor.CloudAdmin{Stack: s.Stack, Name: name, Account: "acmeaudit"},
		inbox:  actor.Inbox{Stack: s.Stack},
		mail:   "ada@" + name + ".example",
	}
	var err error
	o.admin, o.prod, err = o.vendor.Welcome(ctx, name, o.mail)
	require.NoError(t, err)
	return o
}

// ferry is one integration of an org, with one export.
type ferry struct {
	*org
	cloud       schemas.Cloud
	places      []schemas.Destination
	integration uuid.UUID
	credentials schemas.Credentials
	export      schemas.Export
}

// done fails the test unless the operation succeeds.
func (o *org) done(op schemas.Operation, err error) {
	o.t.Helper()
	require.NoError(o.t, err)
	_, err = o.admin.Await(o.ctx, op)
	require.NoError(o.t, err)
}

// integrate adds an integration and waits until its credentials are there; for
// GCP, whose provisioner is external here, the vendor makes them.
func (o *org) integrate(cloud schemas.Cloud) *ferry {
	o.t.Helper()
	f := &ferry{org: o, cloud: cloud, places: []schemas.Destination{o.clouds.Destination(cloud, "audit")}}
	require.NoError(o.t, o.clouds.Prepare(o.ctx, f.places...))
	id, op, err := o.admin.Integrate(o.ctx, "Audit to "+string(cloud), f.places[0], o.clouds.Grant(cloud))
	require.NoError(o.t, err)
	f.integration = id
	if cloud == schemas.GCP {
		o.provision(f, o.serviceAccount("exporter"), true)
	}
	o.done(op, nil)
	f.credentials, err = o.admin.Credentials(o.ctx, id)
	require.NoError(o.t, err)
	return f
}

// serviceAccount is one that the vendor has made for this org.
func (o *org) serviceAccount(name string) schemas.Credentials {
	o.t.Helper()
	email := fmt.Sprintf("%s-%s@auditferry-dev.iam.gserviceaccount.com", name, o.name)
	require.NoError(o.t, o.Clouds.CreateServiceAccount(email))
	return schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: email}}
}

// sharedAccount is one that the vendor gives to every org that wants it.
func sharedAccount() schemas.Credentials {
	return schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: "exporter@auditferry-dev.iam.gserviceaccount.com"}}
}

func (o *org) provision(f *ferry, credentials schemas.Credentials, exclusive bool) {
	o.t.Helper()
	integration, err := o.admin.Integration(o.ctx, f.integration)
	require.NoError(o.t, err)
	o.done(o.vendor.Provision(o.ctx, integration, credentials, exclusive))
}

// grant lets the cloud's admin give access to the folders of this test.
func (f *ferry) grant(delay time.Duration) {
	f.t.Helper()
	all := []schemas.Destination{f.clouds.Destination(f.cloud, "audit"), f.clouds.Destination(f.cloud, "archive")}
	require.NoError(f.t, f.clouds.Allow(f.ctx, f.credentials, delay, all...))
}

// schedule creates the export, of everything that is retained.
func (f *ferry) schedule(compression schemas.Compression) {
	f.t.Helper()
	id, op, err := f.admin.Export(f.ctx, "Everything to "+string(f.cloud), f.integration, schemas.MinInterval, compression)
	require.NoError(f.t, err)
	f.done(op, nil)
	f.export, err = f.admin.ReadExport(f.ctx, id)
	require.NoError(f.t, err)
}

// sail is integrate, grant and schedule: an export that runs.
func (o *org) sail(cloud schemas.Cloud, compression schemas.Compression) *ferry {
	o.t.Helper()
	f := o.integrate(cloud)
	f.grant(0)
	f.schedule(compression)
	return f
}

// report appends events and returns the newest seq.
func (o *org) report(n int) int64 {
	o.t.Helper()
	newest, err := o.prod.Report(o.ctx, n)
	require.NoError(o.t, err)
	return newest
}

func (f *ferry) awaitDelivered(seq int64) {
	f.t.Helper()
	require.NoError(f.t, f.admin.AwaitDelivered(f.ctx, f.export.ID, seq))
}

func (f *ferry) awaitAccess() {
	f.t.Helper()
	require.NoError(f.t, f.admin.AwaitAccess(f.ctx, f.integration))
}

// now reads the export as it is.
func (f *ferry) now() schemas.Export {
	f.t.Helper()
	export, err := f.admin.ReadExport(f.ctx, f.export.ID)
	require.NoError(f.t, err)
	return export
}

// requireExactlyOnce holds Invariants 1 and 3: every event up to the last
// delivered one is in exactly one object, and an auditor without any access to
// the service finds nothing wrong.
func (f *ferry) requireExactlyOnce() actor.Tally {
	f.t.Helper()
	// The ledger is read first: what is delivered meanwhile is in the objects.
	delivered := f.now().DeliveredSeq
	found, err := actor.Audit(f.ctx, f.Stack, f.export.Slug, f.places...)
	require.NoError(f.t, err)
	require.Zero(f.t, found.Missing(1, delivered), "events are missing")
	require.Zero(f.t, found.Duplicates, "events are doubled")
	manifests := 0
	for _, place := range f.places {
		manifests += f.requireVerified(place).Manifests
	}
	if delivered > 0 {
		require.Positive(f.t, manifests, "what is delivered is proven")
	}
	return found
}

// requireVerified waits until verifying a place finds nothing: objects of a run
// that is under way are in no manifest yet. The report of a place where nothing
// was delivered is empty.
func (f *ferry) requireVerified(place schemas.Destination) (report manifest.Report) {
	f.t.Helper()
	require.NoError(f.t, actor.Until(f.ctx, func() (_ string, err error) {
		report, err = actor.Verify(f.ctx, f.Stack, place)
		if errors.Is(err, manifest.ErrNoManifests) {
			return "", nil
		}
		for _, finding := range report.Findings {
			if finding.Severity == manifest.Error {
				return fmt.Sprintf("%s to be verified: %s: %s", place, finding.Class, finding.Message), err
			}
		}
		return "", err
	}))
	return report
}

// moveTo updates the destination and remembers the new place.
func (f *ferry) moveTo(folder string, retarget bool) schemas.Operation {
	f.t.Helper()
	place := f.clouds.Destination(f.cloud, folder)
	op, err := f.admin.UpdateDestination(f.ctx, f.integration, place, retarget)
	require.NoError(f.t, err)
	f.places = append(f.places, place)
	op, err = f.admin.Await(f.ctx, op)
	require.NoError(f.t, err)
	return op
}

// lockedBuffer keeps a stack's log.
type lockedBuffer struct {
	mu    sync.Mutex
	lines [][]byte
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, bytes.Clone(p))
	return len(p), nil
}

func (b *lockedBuffer) tail(n int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Join(b.lines[max(0, len(b.lines)-n):], nil)
}

// quiet is a Temporal client's logger that says nothing.
type quiet struct{}

var _ log.Logger = quiet{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

func newestRun(runs []schemas.Run) schemas.Run {
	return slices.MaxFunc(runs, func(a, b schemas.Run) int { return a.StartedAt.Compare(b.StartedAt) })
}
