package e2e

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/mail"
	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/postgres/postgrestest"
	"github.com/auditferry/auditferry/internal/provision"
	"github.com/auditferry/auditferry/schemas"
	"github.com/auditferry/auditferry/workflows"
)

// voyage plays the life of one integration with skipped time: the real
// workflows with the real activities, over a real database, with a cloud and a
// post office in memory. Temporal's test environment runs one workflow at a
// time, so that each one is played by itself from the moment it was started.
type voyage struct {
	t     *testing.T
	store *postgres.Store
	cloud *destination.Memory
	all   activities.All
	input schemas.IntegrationInput

	mu       sync.Mutex
	env      *testsuite.TestWorkflowEnvironment // the one that runs
	mails    []mail.Message
	children []child
	given    []string // IDs of the notices that were started
	news     []news
}

// child is a workflow that the integration has started.
type child struct {
	at     time.Time
	notice *schemas.NoticeInput
	check  *schemas.AccessCheckInput
}

// news is a signal about access, with its time.
type news struct {
	at     time.Time
	signal schemas.AccessChanged
}

func setSail(t *testing.T) *voyage {
	t.Helper()
	store, _, _ := postgrestest.New(t)
	v := &voyage{t: t, store: store, cloud: destination.NewMemory()}
	places := &activities.Places{Store: store, Destinations: v.cloud, Watcher: v}
	v.all = activities.All{
		Integrations: &activities.Integrations{Store: store},
		Provisioning: &activities.Provisioning{Store: store, Temporal: signals{voyage: v}, Auto: map[schemas.Cloud]activities.Provisioner{
			schemas.AWS:   provision.AWS{UserARN: "arn:aws:iam::210987654321:user/auditferry"},
			schemas.Azure: provision.AzureApp{ClientID: "0f2b5b5e-7a51-4a39-8fd5-5fb0d9e3f6b1", Name: "auditferry_1700000000000", Exclusive: true},
			schemas.GCP:   provision.GCPAccount{Email: "auditferry@service-project.iam.gserviceaccount.com", Exclusive: true},
		}},
		Access: &activities.Access{Store: store, Places: places},
		Exports: &activities.Exports{Store: store, Places: places, Signer: signer(t), Limits: activities.Limits{
			WindowRows: 1000, PartBytes: 4096, Parallel: 2, SpillBytes: 1024, TempDir: t.TempDir(),
		}},
		Notices: &activities.Notices{Store: store, Mail: v, PublicURL: "https://audit.example", Keep: kept},
		Watch:   &activities.Watch{Store: store, Keep: kept},
	}
	return v
}

// kept is how long events are kept.
const kept = 30 * 24 * time.Hour

func signer(t *testing.T) *manifest.Signer {
	t.Helper()
	encoded, err := manifest.GenerateKey()
	require.NoError(t, err)
	key, err := manifest.ParseKey(encoded)
	require.NoError(t, err)
	made, err := manifest.NewSigner(key)
	require.NoError(t, err)
	return made
}

// Send implements activities.Mailer.
func (v *voyage) Send(_ context.Context, message mail.Message) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mails = append(v.mails, message)
	return nil
}

// LookAgain implements activities.Watcher.
func (v *voyage) LookAgain(_ context.Context, _ schemas.IntegrationRef, check int) error {
	now := v.now()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.news = append(v.news, news{now, schemas.AccessChanged{Check: check, Access: schemas.AccessUnknown}})
	return nil
}

// now is the time of the workflow that runs.
func (v *voyage) now() time.Time {
	v.mu.Lock()
	env := v.env
	v.mu.Unlock()
	return env.Now()
}

// signals are those that an activity sends to the workflow that runs.
type signals struct {
	client.Client
	voyage *voyage
}

func (s signals) SignalWorkflow(_ context.Context, _, _, name string, payload any) error {
	s.voyage.mu.Lock()
	defer s.voyage.mu.Unlock()
	s.voyage.env.SignalWorkflow(name, payload)
	return nil
}

// begin is an environment whose clock stands at the given time.
func (v *voyage) begin(at time.Time) *testsuite.TestWorkflowEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.SetStartTime(at)
	env.SetWorkerOptions(worker.Options{BackgroundActivityContext: activities.WithClock(context.Background(), env.Now)})
	for _, concern := range []any{v.all.Integrations, v.all.Provisioning, v.all.Access, v.all.Exports, v.all.Notices, v.all.Watch} {
		env.RegisterActivity(concern)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.env = env
	return env
}

// integration plays one run of the entity, with news of access if there are
// any. What it starts is kept, to be played next.
func (v *voyage) integration(at time.Time, heard ...schemas.AccessChanged) {
	v.t.Helper()
	env := v.begin(at)
	v.keepNotices(env)
	env.RegisterWorkflowWithOptions(func(_ workflow.Context, in schemas.AccessCheckInput) error {
		v.children = append(v.children, child{at: env.Now(), check: &in})
		return nil
	}, workflow.RegisterOptions{Name: schemas.WorkflowAccessCheck})
	for _, signal := range heard {
		env.RegisterDelayedCallback(func() { env.SignalWorkflow(schemas.SignalAccessChanged.Name, signal) }, 0)
	}
	env.ExecuteWorkflow(workflows.Integration, v.input)
	var next *workflow.ContinueAsNewError
	require.ErrorAs(v.t, env.GetWorkflowError(), &next)
	v.input = schemas.IntegrationInput{}
	require.NoError(v.t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &v.input))
}

// keepNotices keeps the notices that are started, to be played next. Temporal
// would not start one twice.
func (v *voyage) keepNotices(env *testsuite.TestWorkflowEnvironment) {
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context, in schemas.NoticeInput) error {
		id := workflow.GetInfo(ctx).WorkflowExecution.ID
		require.NotContains(v.t, v.given, id)
		v.given = append(v.given, id)
		v.children = append(v.children, child{at: env.Now(), notice: &in})
		return nil
	}, workflow.RegisterOptions{Name: schemas.WorkflowNotice})
}

// watch plays one look at what has to be told, and mails it.
func (v *voyage) watch(at time.Time) {
	v.t.Helper()
	env := v.begin(at)
	v.keepNotices(env)
	env.ExecuteWorkflow(workflows.Watch)
	require.NoError(v.t, env.GetWorkflowError())
	v.play()
}

// play plays the workflows that were started, and returns what they told.
func (v *voyage) play() []news {
	v.t.Helper()
	v.news = nil
	started := v.children
	v.children = nil
	for _, c := range started {
		env := v.begin(c.at)
		if c.notice != nil {
			env.ExecuteWorkflow(workflows.Notice, *c.notice)
			require.NoError(v.t, env.GetWorkflowError())
			continue
		}
		env.OnSignalExternalWorkflow(mock.Anything, schemas.IntegrationWorkflowID(c.check.IntegrationID), "", schemas.SignalAccessChanged.Name, mock.Anything).
			Return(func(_, _, _, _ string, signal any) error {
				v.news = append(v.news, news{env.Now(), signal.(schemas.AccessChanged)})
				return nil
			})
		env.ExecuteWorkflow(workflows.AccessCheck, *c.check)
		require.NoError(v.t, env.GetWorkflowError())
	}
	return v.news
}

// export plays one run of the export that a schedule starts, and tells when it
// ended.
func (v *voyage) export(at time.Time, in schemas.ExportInput) time.Time {
	v.t.Helper()
	ended, err := v.tryExport(at, in)
	require.NoError(v.t, err)
	return ended
}

func (v *voyage) tryExport(at time.Time, in schemas.ExportInput) (ended time.Time, err error) {
	v.t.Helper()
	env := v.begin(at)
	run := newID().String() // the environment gives all runs the same ID
	env.OnActivity(v.all.Exports.BeginRun, mock.Anything, mock.Anything).Return(
		func(ctx context.Context, in schemas.BeginRunInput) (schemas.BeginRunResult, error) {
			in.RunID = run
			return v.all.Exports.BeginRun(ctx, in)
		})
	env.ExecuteWorkflow(workflows.Export, in)
	return env.Now(), env.GetWorkflowError()
}

// in runs fn in a transaction of an org; everything must succeed.
func (v *voyage) in(org uuid.UUID, fn func(*postgres.Tx) error) {
	v.t.Helper()
	require.NoError(v.t, v.store.InOrg(v.t.Context(), org, fn))
}

// refuseUntil lets nobody in before the given time of the workflow that runs.
func (v *voyage) refuseUntil(open time.Time) { v.refuse(time.Time{}, open) }

// refuse lets nobody in from the one time on until the other.
func (v *voyage) refuse(from, open time.Time) {
	v.cloud.Before(func(r destination.Request) error {
		if now := v.now(); r.Op != "authenticate" && !now.Before(from) && now.Before(open) {
			return destination.Refusal(schemas.KindDenied, "NotYet")
		}
		return nil
	})
}
