package stack

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// script runs a shell script as a server that is ready at once.
func script(name, text string) program {
	return program{
		name: name, path: "/bin/sh", args: []string{"-c", text},
		ready: func(context.Context) error { return nil }, failed: func(error) {},
	}
}

func book() *logbook { return &logbook{out: io.Discard} }

// A server that ends before it serves fails the start with what it said.
func TestProcessThatDiesEarly(t *testing.T) {
	t.Parallel()
	p := script("broken", "echo cannot open the database >&2; exit 3")
	p.ready = func(context.Context) error { return io.EOF }
	_, err := startProcess(t.Context(), book(), p)
	require.ErrorContains(t, err, "start broken")
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "cannot open the database")
}

// A server that never serves is ended when the time is up.
func TestProcessThatIsNeverReady(t *testing.T) {
	t.Parallel()
	p := script("slow", "exec sleep 1000")
	p.ready = func(context.Context) error { return io.EOF }
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	proc, err := startProcess(ctx, book(), p)
	require.ErrorContains(t, err, "not ready in time")
	require.True(t, closed(proc.Done()))
}

// Stop asks first; Kill does not, and takes the server's own children along.
func TestProcessEnds(t *testing.T) {
	t.Parallel()
	trapped := filepath.Join(t.TempDir(), "trapped")
	willing := script("polite", `trap "exit 7" TERM; touch "`+trapped+`"; while :; do sleep 0.01; done`)
	willing.ready = func(context.Context) error { _, err := os.Stat(trapped); return err }
	polite, err := startProcess(t.Context(), book(), willing)
	require.NoError(t, err)
	require.NoError(t, polite.Stop())
	var exit *exec.ExitError
	require.ErrorAs(t, polite.Wait(), &exit)
	require.Equal(t, 7, exit.ExitCode())
	require.NoError(t, polite.Stop(), "it has ended")

	parent, err := startProcess(t.Context(), book(), script("parent", `trap "" TERM; sleep 1000 & wait`))
	require.NoError(t, err)
	require.NoError(t, parent.Kill())
	require.Eventually(t, func() bool { return syscall.Kill(-parent.Pid(), 0) == syscall.ESRCH }, 10*time.Second, 5*time.Millisecond)

	require.NoError(t, parent.Start(t.Context()))
	require.ErrorContains(t, parent.Start(t.Context()), "runs already")
	first := parent.Pid()
	require.NoError(t, parent.Kill())
	require.NoError(t, parent.Restart(t.Context()))
	require.NotEqual(t, first, parent.Pid())
	require.NoError(t, parent.Kill())
}

// The end of a running server is reported, unless it was asked for.
func TestProcessReportsItsEnd(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	p := script("server", "echo out of memory; exec sleep 1000")
	p.failed = func(err error) { failed <- err }
	proc, err := startProcess(t.Context(), book(), p)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(proc.Pid(), syscall.SIGKILL))
	select {
	case err := <-failed:
		require.ErrorContains(t, err, "server ended (signal: killed)")
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was reported")
	}
	require.NoError(t, proc.Start(t.Context()))
	require.NoError(t, proc.Kill())
	require.Empty(t, failed)
}

// Lines are whole and named, however the program writes them.
func TestLines(t *testing.T) {
	t.Parallel()
	out := new(bytes.Buffer)
	w := (&logbook{out: out}).lines("api")
	for _, piece := range []string{"fir", "st\nsecond\r\n\n", "unfinished"} {
		_, err := io.WriteString(w, piece)
		require.NoError(t, err)
	}
	require.Equal(t, "api        | first\napi        | second\n", out.String())
	require.Equal(t, "first\nsecond\nunfinished", w.tail())
}

// Over wins, and nothing stands twice.
func TestMerge(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"A=1", "B=3", "C=4"}, merge([]string{"B=2", "A=1"}, []string{"C=4", "B=3"}))
}
