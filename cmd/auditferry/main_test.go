package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files")

// program is the built command.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "auditferry-cmd-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	program = filepath.Join(dir, "auditferry")
	if out, err := exec.Command("go", "build", "-ldflags", "-X main.version=v1.2.3", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the command: %v\n%s", err, out)
		return 1
	}
	code := m.Run()
	if err := stopLab(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// outcome is how a run of the command went.
type outcome struct {
	status   int
	out, err string
}

// auditferry runs the built command, with variables beside a bare environment.
func auditferry(t testing.TB, variables []string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	home := t.TempDir() // no credentials of whoever runs the tests
	cmd.Env = append([]string{"HOME=" + home, "TMPDIR=" + home, "PATH=" + os.Getenv("PATH"), "AWS_EC2_METADATA_DISABLED=true"}, variables...)
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	require.NotContains(t, stderr.String(), "panic:")
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args   string
		status int
		out    string
		err    string
	}{
		{"", 2, "", "Commands:"},
		{"help", 0, "verify", ""},
		{"-h", 0, "verify", ""},
		{"--help", 0, "verify", ""},
		{"help verify", 0, "Exit statuses", ""},
		{"verify -h", 0, "--s3-endpoint URL", ""},
		{"verify --help", 0, "Examples:", ""},
		{"help keys", 0, "auditferry keys new", ""},
		{"keys -h", 0, "auditferry keys show", ""},
		{"version", 0, "auditferry v1.2.3\n", ""},
		{"--version", 0, "auditferry v1.2.3\n", ""},
		{"help version", 2, "", "takes no arguments"},
		{"version x", 2, "", "takes no arguments"},
		{"frobnicate", 2, "", `no command "frobnicate"`},
		{"help frobnicate", 2, "", `no command "frobnicate"`},
		{"keys", 2, "", "keys new [file]"},
		{"keys frobnicate", 2, "", "keys new [file]"},
		{"keys show", 2, "", "keys show <file>"},
		{"keys new a b", 2, "", "keys new [file]"},
		{"verify", 2, "", "name the source"},
		{"verify x", 2, "", "/.well-known/jwks.json"},
		{"verify --keys k a b", 2, "", "name one source"},
		{"verify --keys k --nope x", 2, "", "nope"},
		{"verify --keys k --parallel 0 x", 2, "", "--parallel"},
		{"verify --keys k --through -1 x", 2, "", "--through"},
		{"verify --keys k --export none x", 2, "", "invalid value"},
		{"verify x --keys", 2, "", "keys"},
		{"verify --keys http://example.com/jwks.json x", 2, "", "use https"},
		{"verify --keys ftp://example.com/jwks.json x", 2, "", "use https"},
		{"verify --keys none.json x", 1, "", "none.json"},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Parallel()
			o := auditferry(t, nil, strings.Fields(c.args)...)
			require.Equal(t, c.status, o.status, o.err)
			require.Contains(t, o.out, c.out)
			require.Contains(t, o.err, c.err)
			if c.status == 0 {
				require.Empty(t, o.err)
			} else {
				require.Empty(t, o.out)
			}
		})
	}
}

// A signing key is its owner's alone, is never lost to another, and is what the
// service's public key says.
func TestKeys(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "signing.pem")
	made := auditferry(t, nil, "keys", "new", file)
	require.Zero(t, made.status, made.err)
	info, err := os.Stat(file)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, made.out, string(before), "the key itself is not shown")

	again := auditferry(t, nil, "keys", "new", file)
	require.Equal(t, 1, again.status)
	require.Contains(t, again.err, "exists already")
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, before, after)

	signer, err := signerOf(before)
	require.NoError(t, err)
	shown := auditferry(t, nil, "keys", "show", file)
	require.Zero(t, shown.status)
	require.Contains(t, shown.out, signer.KeyID())
	require.Contains(t, made.out, signer.KeyID())
	require.Contains(t, shown.out, `"crv": "Ed25519"`)
	require.NotContains(t, shown.out, `"d"`, "only the public part")

	printed := auditferry(t, nil, "keys", "new")
	_, err = signerOf([]byte(printed.out))
	require.NoError(t, err, "what is printed is the key and nothing else")

	missing := auditferry(t, nil, "keys", "show", file+".none")
	require.Equal(t, 1, missing.status)
	unwritable := auditferry(t, nil, "keys", "new", filepath.Join(file, "below"))
	require.Equal(t, 1, unwritable.status)
	require.NoError(t, os.WriteFile(file+".bad", []byte("-----BEGIN PUBLIC KEY-----"), 0o600))
	bad := auditferry(t, nil, "keys", "show", file+".bad")
	require.Equal(t, 1, bad.status)
	require.Contains(t, bad.err, ".bad")
}
