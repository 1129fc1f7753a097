package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/auditferry/auditferry/schemas"
)

// objectsFolder is where the S3 server, which keeps objects as files, has those
// of a customer's exports.
func (b *bench) objectsFolder(c *customer) string {
	return filepath.Join(b.plan.dir(), "s3", "buckets", c.place.Bucket, c.place.Prefix)
}

// formats measures what compare did not.
func (b *bench) formats(ctx context.Context) error {
	for _, out := range []output{
		{schemas.FormatNDJSON, schemas.CompressionNone},
		{schemas.FormatCSV, schemas.CompressionGzip},
		{schemas.FormatCSV, schemas.CompressionZstd},
		{schemas.FormatParquet, schemas.CompressionSnappy},
		{schemas.FormatParquet, schemas.CompressionZstd},
	} {
		if err := b.measureExport(ctx, b.usual, sectionExport, out.String(), out); err != nil {
			return err
		}
	}
	return nil
}

// parts measures how many parts are best written at a time.
func (b *bench) parts(ctx context.Context) error {
	for _, parallel := range []int{1, 2, 4} {
		for _, out := range []output{gzipped, zstd} {
			name := fmt.Sprintf("%s, %d at a time", out, parallel)
			env := fmt.Sprintf("AUDITFERRY_EXPORT_PARALLEL_PARTS=%d", parallel)
			if err := b.measureExport(ctx, b.usual, sectionParts, name, out, env); err != nil {
				return err
			}
		}
	}
	return nil
}

const (
	scaleFew  = "half"
	scaleMany = "five times"
)

// scale measures whether time is linear, and the memory of a very large run.
func (b *bench) scale(ctx context.Context) error {
	for _, size := range []struct {
		name   string
		events int64
	}{{scaleFew, b.plan.fewEvents()}, {scaleMany, b.plan.manyEvents()}} {
		c, err := b.welcome(ctx, fmt.Sprintf("bench%d", size.events), size.events, b.corpus.Event)
		if err != nil {
			return err
		}
		if err := b.measureExport(ctx, c, sectionScale, size.name, gzipped); err != nil {
			return err
		}
	}
	return nil
}

// large measures the memory that the largest events take.
func (b *bench) large(ctx context.Context) error {
	c, err := b.welcome(ctx, "benchlarge", b.plan.largeEvents(), b.corpus.Large)
	if err != nil {
		return err
	}
	for _, out := range []output{gzipped, zstd, {schemas.FormatParquet, schemas.CompressionZstd}} {
		if err := b.measureExport(ctx, c, sectionLarge, out.String(), out); err != nil {
			return err
		}
	}
	return nil
}

const (
	runIdle  = "idle"
	runSmall = "small"
)

// smallEvents are what a small organization has in an hour.
const smallEvents = 100

// runs counts what runs cost on Temporal: one with nothing to deliver, and one
// with little. The large one is that of scale.
func (b *bench) runs(ctx context.Context) error {
	if err := b.useWorker(ctx); err != nil {
		return err
	}
	c, err := b.welcome(ctx, "benchruns", 0, nil)
	if err != nil {
		return err
	}
	if _, err := c.product.Report(ctx, smallEvents); err != nil {
		return err
	}
	export, err := b.export(ctx, c, gzipped)
	if err != nil {
		return err
	}
	small, err := b.runNow(ctx, c, export)
	if err != nil {
		return err
	}
	b.noteRun(runSmall, small)
	for {
		idle, err := b.runDue(ctx, export)
		if err != nil {
			return err
		}
		if len(idle.activities) == 1 || len(b.book.section(sectionRuns)) > maxRuns {
			b.noteRun(runIdle, idle)
			return nil
		}
		b.noteRun("small, of Auditferry's own events", idle) // such as that access was granted
	}
}

// maxRuns bounds how long an idle run is waited for; after that the figure shows
// that there is none.
const maxRuns = 5

func (b *bench) noteRun(name string, ran temporalRun) {
	f := b.book.page(sectionRuns, name, "")
	f.samples = append(f.samples, sample{wall: ran.wall(), run: &ran})
}
