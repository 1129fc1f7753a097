package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/auditferry/auditferry/internal/manifest"
)

const redrawEvery = 100 * time.Millisecond

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// bars shows one bar for each stage of a verification.
type bars struct {
	to    io.Writer
	stage manifest.Stage
	bar   *progressbar.ProgressBar
}

var stageNames = map[manifest.Stage]string{
	manifest.StageListing:   "Listing  ",
	manifest.StageManifests: "Manifests",
	manifest.StageObjects:   "Objects  ",
}

// show draws how far it has come.
func (b *bars) show(p manifest.Progress) {
	total, done := p.Total, p.Done
	if p.Stage == manifest.StageObjects {
		total, done = p.TotalBytes, p.Bytes
	}
	if p.Stage == manifest.StageListing {
		total = -1 // a spinner
	}
	if p.Stage != b.stage {
		b.end()
		b.stage = p.Stage
		b.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(b.to), progressbar.OptionSetDescription(stageNames[p.Stage]),
			progressbar.OptionShowBytes(p.Stage == manifest.StageObjects), progressbar.OptionShowCount(),
			progressbar.OptionThrottle(redrawEvery), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30),
			progressbar.OptionSetSpinnerChangeInterval(0), // else it is drawn by a goroutine that does not end with it
		)
	}
	_ = b.bar.Set64(min(done, max(total, done))) // a terminal that went away is no reason to stop
}

// end takes the bar away, so that the report stands alone.
func (b *bars) end() {
	if b.bar != nil {
		_ = b.bar.Clear()
		b.bar = nil
	}
}
