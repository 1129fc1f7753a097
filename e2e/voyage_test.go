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
	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/mail"
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
		Exports: &activities.Exports{Store: store, Places: places, Limits: activities.Limits{
			WindowRows: 1000, PartBytes: 4096, Parallel: 2, SpillBytes: 1024, TempDir: t.TempDir(),
		}},
		Notices: &activities.Notices{Store: store, Mail: v, PublicURL: "https://audit.example"},
	}
	return v
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
	for _, concern := range []any{v.all.Integrations, v.all.Provisioning, v.all.Access, v.all.Exports, v.all.Notices} {
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
	env.RegisterWorkflowWithOptions(func(_ workflow.Context, in schemas.NoticeInput) error {
		v.children = append(v.children, child{at: env.Now(), notice: &in})
		return nil
	}, workflow.RegisterOptions{Name: schemas.WorkflowNotice})
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
	env := v.begin(at)
	env.ExecuteWorkflow(workflows.Export, in)
	require.NoError(v.t, env.GetWorkflowError())
	return env.Now()
}

// in runs fn in a transaction of an org; everything must succeed.
func (v *voyage) in(org uuid.UUID, fn func(*postgres.Tx) error) {
	v.t.Helper()
	require.NoError(v.t, v.store.InOrg(v.t.Context(), org, fn))
}

// refuseUntil lets nobody in before the given time of the workflow that runs.
func (v *voyage) refuseUntil(open time.Time) {
	v.cloud.Before(func(r destination.Request) error {
		if r.Op != "authenticate" && v.now().Before(open) {
			return destination.Refusal(schemas.KindDenied, "NotYet")
		}
		return nil
	})
}
