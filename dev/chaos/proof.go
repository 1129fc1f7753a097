package chaos

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/internal/manifest"
)

// prove verifies each bucket of an org as an auditor would, from the manifests
// in it and the service's published keys alone, and holds what they list to the
// ledger. An object in no list is the tally's matter: those that a failed run
// left at a former place are told there.
func (p *play) prove(ctx context.Context, o *org, ledger map[uuid.UUID]listing, r *Result) error {
	for _, f := range o.ferries {
		whole := o.folder(f.cloud, 0)
		whole.Prefix = ""
		report, err := actor.Verify(ctx, p.stack, whole)
		if err != nil {
			return fmt.Errorf("verify %s: %w", whole, err)
		}
		r.Manifests += report.Manifests
		for _, finding := range report.Findings {
			if finding.Severity == manifest.Error && finding.Class != manifest.UnlistedObject {
				r.fail("verify %s: %s: %s", whole, finding.Class, finding.Message)
			}
		}
		for _, unread := range report.Unread {
			r.fail("verify %s: %s cannot be read: %s", whole, unread.Object, unread.Error)
		}
		proven := map[uuid.UUID]listing{}
		for _, chain := range report.Chains {
			sum := proven[chain.ExportID]
			sum.objects += chain.Objects
			sum.rows += chain.Rows
			proven[chain.ExportID] = sum
		}
		for _, e := range f.exports {
			if proven[e.id] != ledger[e.id] {
				r.fail("%s, %s: the manifests list %+v, the ledger %+v", o.name, e.name, proven[e.id], ledger[e.id])
			}
		}
	}
	return nil
}

// listing is the sum of what is listed of one export.
type listing struct {
	objects int64
	rows    int64
}
