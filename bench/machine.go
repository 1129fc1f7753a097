package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/dev/tools"
)

// describeMachine says what the figures are of.
func (b *bench) describeMachine(ctx context.Context) ([][]string, error) {
	postgres, err := b.postgresVersion(ctx)
	if err != nil {
		return nil, err
	}
	rows := [][]string{
		{"date", time.Now().UTC().Format("2006-01-02 15:04 MST")},
		{"commit", b.firstLine(ctx, "git", "describe", "--always", "--dirty")},
		{"processors", fmt.Sprintf("%d × %s", runtime.NumCPU(), fromProc("/proc/cpuinfo", "model name"))},
		{"memory", fromProc("/proc/meminfo", "MemTotal")},
		{"kernel", b.firstLine(ctx, "uname", "-sr")},
		{"Go", runtime.Version()},
		{"Postgres", postgres + ", shared_buffers 256 MB, fsync on"},
		{"psql", b.firstLine(ctx, "psql", "--version")},
		{"gzip", b.firstLine(ctx, "gzip", "--version")},
		{"zstd", b.firstLine(ctx, "zstd", "--version")},
	}
	for _, tool := range []string{tools.Rclone, tools.Temporal, tools.VersityGW} {
		version, err := tools.Version(tool)
		if err != nil {
			return nil, err
		}
		rows = append(rows, []string{tool, version})
	}
	return rows, nil
}

func (b *bench) postgresVersion(ctx context.Context) (version string, err error) {
	conn, err := pgx.Connect(ctx, b.stack.Database.SuperuserURL)
	if err != nil {
		return "", fmt.Errorf("ask for the version of Postgres: %w", err)
	}
	err = conn.QueryRow(ctx, "SHOW server_version").Scan(&version)
	return version, errors.Join(err, conn.Close(ctx))
}

// firstLine is what a program says first; "unknown" if it cannot be asked.
func (b *bench) firstLine(ctx context.Context, name string, args ...string) string {
	command := exec.CommandContext(ctx, "/usr/bin/env", append([]string{"PATH=" + b.path, name}, args...)...)
	command.Dir = b.plan.root
	said, err := command.Output()
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(said), "\n")
	return strings.Trim(line, "* ")
}

// fromProc is the first value of a name in a file of /proc.
func fromProc(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// writeNotes says what a reader has to know to judge the figures.
func (b *bench) writeNotes(w *bytes.Buffer) {
	fmt.Fprintf(w, "\n## Notes\n\n%s\n", strings.TrimSpace(`
* Everything runs on this one machine and shares its processors: the database, the worker, Temporal, the S3 server, and the
  simulated cloud in front of it.
* "processor s" is what all of them spent together; "cores" how many were busy on average; "others" the share of the machine
  that programs used which have nothing to do with this; "ratio" the time against that of the export as `+"`ndjson, gzip`"+`.
* The events are made by bench/corpus, the same ones each time, and loaded by COPY as the database's superuser, in canonical form,
  all recorded today, which is one window. Then the tables are vacuumed, for all contenders alike. They fit into the page cache.
* The contenders have it easier than the export: as the superuser they pass no row level security, they write one object
  straight to the S3 server, without the simulated cloud that signs in and checks, and they hash, record and prove nothing.
  Their table is not partitioned and holds one organization only.
* What they write is not quite JSON: COPY's text format doubles every backslash, and so breaks strings that hold one.
* The export is measured from when its workflow began. The request before it, and the schedule that it triggers, are not in it.
* Each measurement of the export begins with a fresh worker, whose peak of resident memory (VmHWM) is that of one run.
* Share of what the processors allow: the processor seconds of copy and compression (the floor), of SHA-256 and MD5 over what
  was stored, and of the S3 server and the simulated cloud meanwhile, divided by the number of processors, divided by the
  export's time. What the worker spends on sending is left out of the needed work.
* Ingest is measured with fsync on. The clients send 64 different batches again and again, made beforehand.`))
}
