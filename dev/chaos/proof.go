package chaos

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/internal/manifest"
)

// proof is what an auditor finds in a bucket.
type proof struct {
	proven map[uuid.UUID]listing // what the manifests list of each export
	told   map[string]bool       // keys that are not listed, and that the auditor was told of
}

// listing is the sum of what is listed of one export.
type listing struct {
	objects int64
	rows    int64
}

// prove verifies an integration's bucket as an auditor would, from the manifests
// in it and the service's published keys alone. Nothing may be wrong. What moves
// and deletes have left behind is left over, and told as such.
func (p *play) prove(ctx context.Context, o *org, f *ferry, r *Result) (proof, error) {
	whole := o.folder(f.cloud, 0)
	whole.Prefix = ""
	report, err := actor.Verify(ctx, p.stack, whole)
	if err != nil {
		return proof{}, fmt.Errorf("verify %s: %w", whole, err)
	}
	r.Manifests += report.Manifests
	r.LeftOver += int(report.LeftOver)
	found := proof{proven: map[uuid.UUID]listing{}, told: map[string]bool{}}
	for _, finding := range report.Findings {
		switch {
		case finding.Class == manifest.LeftOver:
			found.told[finding.Object] = true
		case finding.Class == manifest.UnlistedObject:
			found.told[finding.Object] = true
			r.Unlisted++
			r.fail("verify %s: %s: %s", whole, finding.Object, finding.Message)
		case finding.Severity == manifest.Error:
			r.fail("verify %s: %s: %s", whole, finding.Class, finding.Message)
		}
	}
	for _, unread := range report.Unread {
		r.fail("verify %s: %s cannot be read: %s", whole, unread.Object, unread.Error)
	}
	for _, chain := range report.Chains {
		sum := found.proven[chain.ExportID]
		sum.objects += chain.Objects
		sum.rows += chain.Rows
		found.proven[chain.ExportID] = sum
	}
	return found, nil
}
