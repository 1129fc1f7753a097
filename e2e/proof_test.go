package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/dev/tools"
	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/schemas"
)

// proof plays what an auditor sees of an export's life: a range delivered once
// more, a move, and the end. Each place tells for itself that it is whole, and
// why nothing follows.
func proof(o *org) {
	newest := o.report(2_000)
	f := o.sail(schemas.GCP, schemas.CompressionZstd)
	f.awaitDelivered(newest)
	f.requireExactlyOnce()
	runs, err := o.admin.Runs(o.ctx, f.export.ID)
	require.NoError(o.t, err)
	o.record("export-with-manifest", newestRun(runs).WorkflowID)

	op, err := o.admin.Backfill(o.ctx, f.export.ID, 100, 1_500)
	o.done(op, err)
	backfills, err := o.admin.Backfills(o.ctx, f.export.ID)
	require.NoError(o.t, err)
	require.Len(o.t, backfills, 1)
	require.Equal(o.t, schemas.BackfillSucceeded, backfills[0].Status)
	o.record("backfill", schemas.BackfillWorkflowID(backfills[0].ID))
	again := f.places[0]
	again.Prefix = again.Key(backfills[0].Folder)
	report := f.requireVerified(again)
	require.Len(o.t, report.Chains, 1)
	require.EqualValues(o.t, 1_401, report.Chains[0].Rows)
	require.EqualValues(o.t, 100, report.Chains[0].FirstSeq)

	f.moveTo("archive", true)
	f.awaitDelivered(o.report(10))
	f.awaitClosed(f.places[0], schemas.ClosedByRetarget)
	o.record("closing", schemas.ClosingWorkflowID(f.integration))
	f.requireExactlyOnce()
	o.requireCommand(f.places[0], 0)

	op, err = o.admin.DeleteIntegration(o.ctx, f.integration, true)
	o.done(op, err)
	f.awaitClosed(f.places[1], schemas.ClosedByIntegrationDeleted)
	o.record("delete-closes-chains", schemas.IntegrationWorkflowID(f.integration))
	o.requireCommand(f.places[1], 0)
}

// formats plays exports of every format beside each other, with a filter each,
// to one folder.
func formats(o *org) {
	f := o.integrate(schemas.AWS)
	f.grant(0)
	filter := schemas.Filter{ExceptActions: []string{"auditferry.*"}}
	var exports []schemas.Export
	for format, compression := range map[schemas.Format]schemas.Compression{
		schemas.FormatCSV: schemas.CompressionGzip, schemas.FormatParquet: schemas.CompressionSnappy,
	} {
		id, op, err := o.admin.ExportAs(o.ctx, "All as "+string(format), f.integration, schemas.MinInterval, format, compression, filter)
		o.done(op, err)
		export, err := o.admin.ReadExport(o.ctx, id)
		require.NoError(o.t, err)
		exports = append(exports, export)
	}
	newest := o.report(1_000)
	for _, export := range exports {
		require.NoError(o.t, o.admin.AwaitDelivered(o.ctx, export.ID, newest))
	}
	report := f.requireVerified(f.places[0])
	require.Len(o.t, report.Chains, len(exports))
	for _, chain := range report.Chains {
		require.EqualValues(o.t, 1_000, chain.Rows, "what the product has reported, and nothing of the service's own")
		require.Equal(o.t, chain.LastSeq, chain.Rows+chain.Excluded)
	}
}

// awaitClosed waits until a place tells that the export delivers nothing more
// there.
func (f *ferry) awaitClosed(place schemas.Destination, reason schemas.CloseReason) {
	f.t.Helper()
	require.NoError(f.t, actor.Until(f.ctx, func() (string, error) {
		report, err := actor.Verify(f.ctx, f.Stack, place)
		for _, chain := range report.Chains {
			if chain.Closed == reason {
				return "", err
			}
		}
		return fmt.Sprintf("the chain in %s to be closed", place), err
	}))
}

// requireCommand runs the auditor's own command on a Cloud Storage folder, with
// the key set in a file, as without any way to the service.
func (o *org) requireCommand(place schemas.Destination, status int) {
	o.t.Helper()
	program, err := tools.Build(o.ctx, os.Stderr, "./cmd/auditferry")
	require.NoError(o.t, err)
	keys := o.t.TempDir() + "/jwks.json"
	require.NoError(o.t, os.WriteFile(keys, o.keySet(), 0o600))
	cmd := exec.CommandContext(o.ctx, program, "verify", "--keys", keys, "--json", "--gcs-endpoint", o.GCS.Endpoint, place.URL()) // #nosec G204 -- our own program
	out, err := cmd.Output()
	var stderr string
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Output returns it as it is
		stderr = string(exit.Stderr)
	}
	require.Equal(o.t, status, cmd.ProcessState.ExitCode(), "%s", stderr)
	var report struct {
		Verdict string `json:"verdict"`
	}
	require.NoError(o.t, json.NewDecoder(strings.NewReader(string(out))).Decode(&report))
	require.Equal(o.t, "clean", report.Verdict)
}

func (o *org) keySet() []byte {
	o.t.Helper()
	published, err := actor.KeySet(o.ctx, o.Stack)
	require.NoError(o.t, err)
	_, err = manifest.ParseJWKS(published)
	require.NoError(o.t, err)
	return published
}
