package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/auditferry/auditferry/schemas"
)

// The tables of the report.
const (
	sectionFloor   = "floor"
	sectionExport  = "export"
	sectionInstead = "instead"
	sectionParts   = "parts"
	sectionScale   = "scale"
	sectionLarge   = "large"
	sectionRuns    = "runs"
	sectionIngest  = "ingest"
)

var (
	gzipped = output{schemas.FormatNDJSON, schemas.CompressionGzip}
	zstd    = output{schemas.FormatNDJSON, schemas.CompressionZstd}
)

// compare measures the floor, the export and the contenders in rounds, so that
// a disturbance of the machine falls on all of them.
func (b *bench) compare(ctx context.Context) error {
	b.say("Loading the same events as typed columns")
	if err := b.loadTyped(ctx); err != nil {
		return err
	}
	bucket := schemas.Destination{Cloud: schemas.AWS, Bucket: insteadBucket}
	if err := b.stack.CreateBucket(ctx, bucket); err != nil {
		return err
	}
	if err := b.measureHashing(); err != nil {
		return err
	}
	for round := range b.plan.repeat {
		b.say("Round %d of %d", round+1, b.plan.repeat)
		if err := b.measureFloor(ctx); err != nil {
			return err
		}
		for _, out := range []output{gzipped, zstd} {
			if err := b.measureExport(ctx, b.usual, sectionExport, out.String(), out); err != nil {
				return err
			}
		}
		for _, c := range b.contenders() {
			if err := b.pipe(ctx, sectionInstead, c.name, c.command, c.key); err != nil {
				return err
			}
		}
	}
	return nil
}

// contender is what a user would do without Auditferry.
type contender struct {
	name, command, key string
}

const (
	insteadBucket = "bench-instead"
	insteadGzip   = "row_to_json, gzip, rclone"
)

func (b *bench) contenders() []contender {
	typed := "COPY (SELECT row_to_json(t) FROM (SELECT " + strings.Join(typedColumns, ", ") + " FROM bench_event) t ORDER BY seq) TO STDOUT"
	through := func(name, query, program, key string) contender {
		return contender{name, `psql "$DATABASE_URL" -c "` + query + `" | ` + program + ` | rclone rcat "s3:` + insteadBucket + "/" + key + `"`, key}
	}
	return []contender{
		through(insteadGzip, typed, "gzip", "typed.ndjson.gz"),
		through("row_to_json, zstd, rclone", typed, "zstd", "typed.ndjson.zst"),
		through("body, gzip, rclone", b.copyBody(), "gzip", "body.ndjson.gz"),
		through("body, zstd, rclone", b.copyBody(), "zstd", "body.ndjson.zst"),
	}
}

// pipe measures a shell command. It gets the database and the S3 server itself,
// both with all rights: no row level security and no simulated cloud between.
func (b *bench) pipe(ctx context.Context, section, name, command, key string) error {
	shell := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", command)
	s3 := b.stack.S3
	shell.Env = []string{
		"PATH=" + b.path, "HOME=" + b.plan.dir(), "LANG=C.UTF-8", "DATABASE_URL=" + b.stack.Database.SuperuserURL,
		"RCLONE_CONFIG=/dev/null", "RCLONE_CONFIG_S3_TYPE=s3", "RCLONE_CONFIG_S3_PROVIDER=Other",
		"RCLONE_CONFIG_S3_ENDPOINT=" + s3.Endpoint, "RCLONE_CONFIG_S3_REGION=" + s3.Region,
		"RCLONE_CONFIG_S3_ACCESS_KEY_ID=" + s3.AccessKeyID, "RCLONE_CONFIG_S3_SECRET_ACCESS_KEY=" + s3.SecretAccessKey,
	}
	var said strings.Builder
	shell.Stderr = &said
	m, err := b.meter()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := shell.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, said.String())
	}
	wall := time.Since(began)
	used, err := m.spent()
	if err != nil {
		return err
	}
	s := sample{events: b.usual.log.events, raw: b.usual.log.bytes, wall: wall, usage: used}
	if key != "" {
		if s.stored, err = b.storedBytes(ctx, schemas.Destination{Cloud: schemas.AWS, Bucket: insteadBucket}, key); err != nil {
			return err
		}
	}
	f := b.book.page(section, name, b.anonymous(command))
	f.samples = append(f.samples, s)
	return nil
}

// anonymous is a command as it would be typed another time.
func (b *bench) anonymous(command string) string {
	return strings.ReplaceAll(command, b.usual.org.String(), "$ORG")
}

func (b *bench) storedBytes(ctx context.Context, in schemas.Destination, key string) (int64, error) {
	objects, err := b.stack.Objects(ctx, in)
	if err != nil {
		return 0, err
	}
	for _, o := range objects {
		if o.Key == key {
			return o.Size, nil
		}
	}
	return 0, fmt.Errorf("%s was not stored", key)
}

// measureExport makes an export of a whole log and measures the run that its
// schedule starts, in a fresh worker. What the API does not offer is noted.
func (b *bench) measureExport(ctx context.Context, c *customer, section, name string, out output, env ...string) error {
	f := b.book.page(section, name, "")
	if err := b.useWorker(ctx, env...); err != nil {
		return err
	}
	export, err := b.export(ctx, c, out)
	var refused *refusal
	if errors.As(err, &refused) {
		f.failure = refused.Error()
		return nil
	}
	if err != nil {
		return err
	}
	m, err := b.meter()
	if err != nil {
		return err
	}
	ran, err := b.runNow(ctx, c, export)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	used, err := m.spent()
	if err != nil {
		return err
	}
	peak, err := peakMemory(b.worker.Pid())
	if err != nil {
		return err
	}
	runs, err := c.admin.Runs(ctx, export)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s := sample{raw: c.log.bytes, wall: ran.wall(), usage: used, peak: peak, run: &ran}
	for _, r := range runs {
		if r.Status != schemas.RunSucceeded {
			return fmt.Errorf("%s: run %s has %s: %s", name, r.ID, r.Status, r.Error)
		}
		s.events, s.stored, s.parts = s.events+r.Rows, s.stored+r.Bytes, s.parts+r.Objects
	}
	if s.events < c.log.events {
		return fmt.Errorf("%s: %d of %d events were delivered", name, s.events, c.log.events)
	}
	f.samples = append(f.samples, s)
	return b.discard(c)
}

// discard makes room: what has been delivered is not read again.
func (b *bench) discard(c *customer) error {
	return os.RemoveAll(b.objectsFolder(c))
}
