package stack_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/schemas"
)

// kills is how often each server of a durable stack is killed while it is
// written to.
const kills = 6

// The promise of a durable stack, on which chaos rests: what a server has
// acknowledged outlives a kill -9, and an object is whole or not there.
func TestAcknowledgedWritesOutliveAKill(t *testing.T) {
	t.Parallel()
	s, err := open(t, stack.Options{Durable: true, Services: append(stack.Stores(), stack.Postgres, stack.Temporal)})
	require.NoError(t, err)
	for name, d := range map[string]schemas.Destination{
		"s3":      {Cloud: schemas.AWS, Bucket: "acme-logs", Prefix: "p"},
		"azurite": {Cloud: schemas.Azure, Account: "acmeaudit", Bucket: "acme-logs", Prefix: "p"},
		"gcs":     {Cloud: schemas.GCP, Bucket: "acme-logs", Prefix: "p"},
	} {
		require.NoError(t, s.CreateBucket(t.Context(), d))
		t.Run(name, func(t *testing.T) {
			w := &keeper{s: s, place: d}
			w.underKills(t, name, w.put)
			w.requireObjects(t)
		})
	}
	t.Run("postgres", func(t *testing.T) {
		execute(t, s.Database.SuperuserURL, `CREATE TABLE kept (n bigint PRIMARY KEY)`)
		w := &keeper{s: s}
		w.underKills(t, "postgres", func(ctx context.Context, n int64) error {
			return insert(ctx, s, n)
		})
		w.requireRows(t)
	})
	t.Run("temporal", func(t *testing.T) {
		w := &keeper{s: s}
		w.underKills(t, "temporal", func(ctx context.Context, n int64) error {
			return startWorkflow(ctx, s, n)
		})
		w.requireWorkflows(t)
	})
}

// keeper writes, and remembers what was acknowledged.
type keeper struct {
	s     *stack.Stack
	place schemas.Destination

	mu    sync.Mutex
	next  int64
	acked []int64
}

// underKills writes with several hands until the server has been killed often
// enough, each time in the middle of it.
func (k *keeper) underKills(t *testing.T, server string, write func(context.Context, int64) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	for range 4 {
		writing.Go(func() { k.writeUntil(ctx, write) })
	}
	process := k.s.Process(server)
	for range kills {
		before := k.count()
		enough := before + 5 + rand.IntN(40)
		require.Eventually(t, func() bool { return k.count() >= enough }, time.Minute, time.Millisecond, "writes go on")
		require.NoError(t, process.Kill())
		require.NoError(t, process.Start(ctx))
	}
	cancel()
	writing.Wait()
}

func (k *keeper) writeUntil(ctx context.Context, write func(context.Context, int64) error) {
	for ctx.Err() == nil {
		k.mu.Lock()
		k.next++
		n := k.next
		k.mu.Unlock()
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := write(attempt, n)
		cancel()
		if err == nil {
			k.mu.Lock()
			k.acked = append(k.acked, n)
			k.mu.Unlock()
		}
	}
}

func (k *keeper) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.acked)
}

func key(n int64) string { return fmt.Sprintf("p/%d/%06d", n%7, n) }

// content is long enough to be written in several pieces.
func content(n int64) []byte { return bytes.Repeat(fmt.Appendf(nil, "%06d\n", n), 20_000) }

func (k *keeper) put(ctx context.Context, n int64) error {
	return k.s.PutObject(ctx, k.place, key(n), content(n))
}

func (k *keeper) requireObjects(t *testing.T) {
	t.Helper()
	objects, err := k.s.Objects(t.Context(), k.place)
	require.NoError(t, err)
	stored := map[string]bool{}
	for _, object := range objects {
		var bucket, n int64
		_, err := fmt.Sscanf(object.Key, "p/%d/%d", &bucket, &n)
		require.NoError(t, err, object.Key)
		data, err := k.s.ReadObject(t.Context(), k.place, object.Key)
		require.NoError(t, err, object.Key)
		require.Equal(t, len(content(n)), len(data), object.Key)
		require.True(t, bytes.Equal(content(n), data), object.Key)
		stored[object.Key] = true
	}
	for _, n := range k.acked {
		require.True(t, stored[key(n)], "%d of %d: %s was acknowledged", n, len(k.acked), key(n))
	}
}

func insert(ctx context.Context, s *stack.Stack, n int64) error {
	conn, err := pgx.Connect(ctx, s.Database.SuperuserURL)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // only Exec tells whether it is kept
	_, err = conn.Exec(ctx, `INSERT INTO kept VALUES ($1)`, n)
	return err
}

func (k *keeper) requireRows(t *testing.T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), k.s.Database.SuperuserURL)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	for _, n := range k.acked {
		var kept bool
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM kept WHERE n = $1)`, n).Scan(&kept))
		require.True(t, kept, "%d was acknowledged", n)
	}
}

// startWorkflow starts one that no worker takes up.
func startWorkflow(ctx context.Context, s *stack.Stack, n int64) error {
	c, err := client.DialContext(ctx, client.Options{HostPort: s.Temporal.Address, Logger: quiet{}})
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: fmt.Sprint("kept-", n), TaskQueue: "nobody"}, "Nothing")
	return err
}

func (k *keeper) requireWorkflows(t *testing.T) {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: k.s.Temporal.Address, Logger: quiet{}})
	require.NoError(t, err)
	defer c.Close()
	for _, n := range k.acked {
		_, err := c.DescribeWorkflowExecution(t.Context(), fmt.Sprint("kept-", n), "")
		require.NoError(t, err)
	}
}

// quiet keeps what a client says about a killed server out of the test's log.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
