package tools

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// minPostgres is the oldest major version that the migrations run on.
const minPostgres = 15

// postgres finds the folder of the newest Postgres server programs and, as
// root on Debian and Ubuntu, installs them when there are none.
func (in installer) postgres(ctx context.Context) (string, error) {
	if dir := findPostgres(ctx); dir != "" {
		return dir, nil
	}
	advice := fmt.Errorf("the server programs of PostgreSQL %d or newer (initdb, postgres) are missing; "+
		"install them: on Debian or Ubuntu `sudo apt-get install postgresql`, on macOS `brew install postgresql@17`", minPostgres)
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return "", advice
	}
	unlock, err := in.lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	if dir := findPostgres(ctx); dir != "" { // the process that held the lock installed it
		return dir, nil
	}
	if err := in.aptPostgres(ctx); err != nil {
		return "", err
	}
	if dir := findPostgres(ctx); dir != "" {
		return dir, nil
	}
	return "", advice
}

// aptPostgres installs Debian's package without the server that it would start
// on port 5432: the stack makes a cluster of its own.
func (in installer) aptPostgres(ctx context.Context) error {
	in.say("installing PostgreSQL with apt-get (first time only, about a minute)")
	if err := in.apt(ctx, "update", "-q"); err != nil {
		return err
	}
	if err := in.apt(ctx, "install", "-y", "-q", "--no-install-recommends", "postgresql-common"); err != nil {
		return err
	}
	const conf = "/etc/postgresql-common/createcluster.conf"
	file, err := os.OpenFile(conf, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("keep Debian from starting a server: %w", err)
	}
	_, err = file.WriteString("\n# Auditferry's development stack starts its own clusters.\ncreate_main_cluster = false\n")
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", conf, err)
	}
	return in.apt(ctx, "install", "-y", "-q", "--no-install-recommends", "postgresql")
}

func (in installer) apt(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	return in.run(cmd)
}

var postgresVersion = regexp.MustCompile(`\) (\d+)`)

// findPostgres returns the folder of the newest server programs that are new
// enough, "" when there are none.
func findPostgres(ctx context.Context) string {
	var dirs []string
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	if program, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(program))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin",
	} {
		found, _ := filepath.Glob(pattern) // the patterns are well-formed
		dirs = append(dirs, found...)
	}
	best, newest := "", minPostgres-1
	for _, dir := range dirs {
		if v := serverVersion(ctx, dir); v > newest && exists(filepath.Join(dir, "initdb")) {
			best, newest = dir, v
		}
	}
	return best
}

// serverVersion is the major version of the postgres program in dir, 0 when
// there is none that runs.
func serverVersion(ctx context.Context, dir string) int {
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return 0
	}
	match := postgresVersion.FindSubmatch(out)
	if match == nil {
		return 0
	}
	version, _ := strconv.Atoi(string(match[1])) // digits by the expression
	return version
}
