package workflows_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/auditferry/auditferry/schemas"
	"github.com/auditferry/auditferry/workflows"
)

// postbox takes mails as long as its server works.
type postbox struct {
	mu       sync.Mutex
	attempts map[string]int
	taken    []string
	server   func(address string) error
}

func (p *postbox) Recipients(context.Context, schemas.NoticeInput) (schemas.NoticeRecipients, error) {
	return schemas.NoticeRecipients{Addresses: []string{"a@example.com", "b@example.com", "c@example.com"}}, nil
}

func (p *postbox) SendNotice(_ context.Context, in schemas.SendNoticeInput) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.attempts[in.Address]++
	if err := p.server(in.Address); err != nil {
		return err
	}
	p.taken = append(p.taken, in.Address)
	return nil
}

func mailTo(p *postbox) (time.Duration, error) {
	env := newEnv()
	env.RegisterActivity(p)
	began := env.Now()
	env.ExecuteWorkflow(workflows.Notice, schemas.NoticeInput{OrgID: uuid.New(), Kind: schemas.NoticeIntegrationReady})
	return env.Now().Sub(began), env.GetWorkflowError()
}

func TestNoticeReachesEveryoneOnce(t *testing.T) {
	t.Parallel()
	p := &postbox{attempts: map[string]int{}, server: func(string) error { return nil }}
	_, err := mailTo(p)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"a@example.com", "b@example.com", "c@example.com"}, p.taken)
}

func TestNoticeOutlivesAMailServerThatIsDown(t *testing.T) {
	t.Parallel()
	p := &postbox{attempts: map[string]int{}}
	p.server = func(address string) error {
		if p.attempts[address] < 500 { // most of a day
			return temporal.NewApplicationError("connection refused", schemas.ErrorMailUndelivered)
		}
		return nil
	}
	took, err := mailTo(p)
	require.NoError(t, err)
	require.Len(t, p.taken, 3)
	require.Greater(t, took, 12*time.Hour)
}

func TestNoticeOneRefusedAddressKeepsNobodyElsesMailBack(t *testing.T) {
	t.Parallel()
	p := &postbox{attempts: map[string]int{}, server: func(address string) error {
		if address == "b@example.com" {
			return temporal.NewNonRetryableApplicationError("no such user", schemas.ErrorMailRefused, nil)
		}
		return nil
	}}
	_, err := mailTo(p)
	require.ErrorContains(t, err, "no such user")
	require.ElementsMatch(t, []string{"a@example.com", "c@example.com"}, p.taken)
	require.Equal(t, 1, p.attempts["b@example.com"])
}
