package setup_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/setup"
	"github.com/auditferry/auditferry/schemas"
)

// desk is where an admin runs a script: a shell, and a cloud's program that
// notes how it is called and answers from a folder of state.
type desk struct {
	dir, shell string
}

// recording comes first in every stand-in for a cloud's program: the number of
// arguments, the program's name and the arguments, each ended by a NUL.
const recording = `#!/bin/sh
printf '%s\0' "$#" "${0##*/}" "$@" >>"$CALLS"
unexpected() { echo "the stand-in does not know: $*" >&2; exit 99; }
`

// newDesk has the program with that answer; "" is a desk without programs.
func newDesk(t *testing.T, shell, program, answers string) *desk {
	t.Helper()
	d := &desk{dir: t.TempDir(), shell: shell}
	bin := filepath.Join(d.dir, "bin")
	require.NoError(t, os.MkdirAll(bin, 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(d.dir, "state"), 0o700))
	for _, needed := range []string{"sh", "sed", "tr", "cat", "touch", "rm"} {
		path, err := exec.LookPath(needed)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(bin, needed)))
	}
	if program != "" {
		// A fork of another test would hold the file open for writing, and such
		// a file cannot be executed.
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		require.NoError(t, os.WriteFile(filepath.Join(bin, program), []byte(recording+answers), 0o700))
	}
	return d
}

// has puts something into the state that the stand-in answers from.
func (d *desk) has(t *testing.T, name, content string) *desk {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(d.dir, "state", name), []byte(content), 0o600))
	return d
}

// run runs the script as an admin would. It returns what it said, its exit
// code, and how it called the cloud's program.
func (d *desk) run(t *testing.T, script string, env ...string) (said string, code int, calls [][]string) {
	t.Helper()
	file := filepath.Join(d.dir, "script.sh")
	require.NoError(t, os.WriteFile(file, []byte(script), 0o600))
	log := filepath.Join(d.dir, "calls")
	require.NoError(t, os.WriteFile(log, nil, 0o600))
	command := exec.Command(d.shell, file)
	command.Dir = d.dir
	command.Env = append([]string{"PATH=" + filepath.Join(d.dir, "bin"), "CALLS=" + log, "STATE=" + filepath.Join(d.dir, "state")}, env...)
	output, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		require.NoError(t, err)
	}
	noted, err := os.ReadFile(log)
	require.NoError(t, err)
	words := strings.Split(string(bytes.TrimSuffix(noted, []byte{0})), "\x00")
	for len(words) > 1 {
		n, err := strconv.Atoi(words[0])
		require.NoError(t, err)
		calls = append(calls, words[1:n+2])
		words = words[n+2:]
	}
	return string(output), code, calls
}

// changes are the calls that are no mere questions.
func changes(calls [][]string, questions ...string) [][]string {
	var changing [][]string
	for _, call := range calls {
		asks := false
		for _, q := range questions {
			asks = asks || strings.HasPrefix(strings.Join(call, " "), q)
		}
		if !asks {
			changing = append(changing, call)
		}
	}
	return changing
}

// onShells runs a test with every kind of POSIX shell that is here.
func onShells(t *testing.T, test func(t *testing.T, shell string)) {
	t.Helper()
	for _, name := range []string{"sh", "dash", "bash", "ksh"} {
		path, err := exec.LookPath(name)
		if err != nil {
			require.NotEqual(t, "sh", name, "there has to be a shell")
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, path)
		})
	}
}

// Every script is one for every shell, and says what it needs when its
// program or its values are missing.
func TestScripts(t *testing.T) {
	t.Parallel()
	onShells(t, func(t *testing.T, shell string) {
		for name, i := range cases(t) {
			for _, document := range guide(t, i).Documents {
				if document.Format != schemas.SetupShell {
					continue
				}
				check := exec.Command(shell, "-n")
				check.Stdin = strings.NewReader(document.Content)
				output, err := check.CombinedOutput()
				require.NoError(t, err, "%s: %s", name, output)

				said, code, _ := newDesk(t, shell, "", "").run(t, document.Content, "PROJECT=acme")
				require.Equal(t, 1, code, name)
				if i.Cloud != schemas.AWS && i.Credentials == nil {
					require.Contains(t, said, "not filled in yet", name)
				} else {
					require.Contains(t, said, "is missing. Install it", name)
				}
			}
		}
	})
}

const awsAnswers = `
case "$1 $2" in
"sts get-caller-identity")
	[ -e "$STATE/account" ] || { echo 'Unable to locate credentials' >&2; exit 253; }
	cat "$STATE/account" ;;
"iam get-role")
	[ -e "$STATE/denied" ] && { echo 'An error occurred (AccessDenied) when calling the GetRole operation' >&2; exit 254; }
	[ -e "$STATE/role" ] || { echo 'An error occurred (NoSuchEntity) when calling the GetRole operation' >&2; exit 254; }
	case "$*" in
	*Role.Arn*) echo 'a warning of the program' >&2; cat "$STATE/role" ;;
	*) echo 'the old trust policy' ;;
	esac ;;
"iam create-role") [ ! -e "$STATE/fails" ] || exit 254; echo arn:aws:iam::210987654321:role/logging/audit-export >"$STATE/role" ;;
"iam wait" | "iam update-assume-role-policy" | "iam put-role-policy") ;;
*) unexpected "$@" ;;
esac
`

var awsQuestions = []string{"aws sts get-caller-identity", "aws iam get-role"}

// The calls that make the role as it should be; policies are compared to the
// byte, as they have to survive the shell.
func awsCalls(t *testing.T, i schemas.Integration, path, name string) (create, wait, trust, put []string) {
	t.Helper()
	trustPolicy := strings.TrimSpace(document(t, i, setup.AWSTrustPolicy))
	create = []string{"aws", "iam", "create-role", "--role-name", name, "--path", path, "--assume-role-policy-document", trustPolicy, "--output", "text"}
	wait = []string{"aws", "iam", "wait", "role-exists", "--role-name", name}
	trust = []string{"aws", "iam", "update-assume-role-policy", "--role-name", name, "--policy-document", trustPolicy}
	put = []string{"aws", "iam", "put-role-policy", "--role-name", name, "--policy-name", "auditferry-audit-export",
		"--policy-document", strings.TrimSpace(document(t, i, setup.AWSPermissionPolicy))}
	return create, wait, trust, put
}

func TestAWSScript(t *testing.T) {
	t.Parallel()
	onShells(t, func(t *testing.T, shell string) {
		for name, i := range map[string]schemas.Integration{
			"ready":      integration(t, onAWS),
			"no prefix":  integration(t, "s3://acme-logs/"),
			"odd prefix": integration(t, "s3://acme-logs/"+oddPrefix),
		} {
			script := document(t, i, setup.AWSCLI)
			create, wait, trust, put := awsCalls(t, i, "/logging/", "audit-export")
			d := newDesk(t, shell, "aws", awsAnswers).has(t, "account", "210987654321\n")

			said, code, calls := d.run(t, script)
			require.Zero(t, code, said)
			require.Equal(t, [][]string{create, wait, put}, changes(calls, awsQuestions...), name)

			said, code, calls = d.run(t, script)
			require.Zero(t, code, said)
			require.Equal(t, [][]string{trust, put}, changes(calls, awsQuestions...), "%s, again", name)
			require.Contains(t, said, "the old trust policy")
		}
	})
}

// Before the credentials are there, a role's trust policy may be a good one:
// it is not replaced by a placeholder.
func TestAWSScriptBeforeCredentials(t *testing.T) {
	t.Parallel()
	onShells(t, func(t *testing.T, shell string) {
		i := without(integration(t, onAWS))
		create, wait, _, put := awsCalls(t, i, "/logging/", "audit-export")
		d := newDesk(t, shell, "aws", awsAnswers).has(t, "account", "210987654321\n")
		_, code, calls := d.run(t, document(t, i, setup.AWSCLI))
		require.Zero(t, code)
		require.Equal(t, [][]string{create, wait, put}, changes(calls, awsQuestions...))
		said, code, calls := d.run(t, document(t, i, setup.AWSCLI))
		require.Zero(t, code)
		require.Equal(t, [][]string{put}, changes(calls, awsQuestions...))
		require.Contains(t, said, "stays as it is")
	})
}

// Before the role is known, it is made in the account that the admin is signed
// in to and trusts that one, not the placeholder's.
func TestAWSScriptBeforeTheRole(t *testing.T) {
	t.Parallel()
	onShells(t, func(t *testing.T, shell string) {
		i := preview(integration(t, onAWS))
		create, wait, _, put := awsCalls(t, i, "/", "auditferry-audit-export")
		create[8] = strings.Replace(create[8], "<your AWS account ID>", "210987654321", 1)
		d := newDesk(t, shell, "aws", awsAnswers).has(t, "account", "210987654321\n")
		said, code, calls := d.run(t, document(t, i, setup.AWSCLI))
		require.Zero(t, code)
		require.Equal(t, [][]string{create, wait, put}, changes(calls, awsQuestions...))
		require.Contains(t, said, "arn:aws:iam::210987654321:role/logging/audit-export", "the role ARN to enter")
	})
}

// What is not as it should be is said, and nothing is changed.
func TestAWSScriptStops(t *testing.T) {
	t.Parallel()
	script := document(t, integration(t, onAWS), setup.AWSCLI)
	const mine = "210987654321\n"
	onShells(t, func(t *testing.T, shell string) {
		for _, c := range []struct {
			state map[string]string
			says  string
		}{
			{nil, "not signed in"},
			{map[string]string{"account": "555566667777\n"}, "signed in to account 555566667777, but the role belongs to account 210987654321"},
			{map[string]string{"account": mine, "denied": ""}, "could not be looked up: An error occurred (AccessDenied)"},
			{map[string]string{"account": mine, "role": "arn:aws:iam::210987654321:role/audit-export\n"}, "at another path: arn:aws:iam::210987654321:role/audit-export"},
		} {
			d := newDesk(t, shell, "aws", awsAnswers)
			for name, content := range c.state {
				d.has(t, name, content)
			}
			said, code, calls := d.run(t, script)
			require.Equal(t, 1, code, said)
			require.Contains(t, said, c.says)
			require.Empty(t, changes(calls, awsQuestions...))
		}
	})
}
