package pictures

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/schemas"
)

// longOrg is an organization in which everything is as long as it may be: with
// places to break a line, and without.
type longOrg struct {
	admin actor.Admin
	prod  actor.Product

	integration, export, run uuid.UUID
	event                    int64
}

const (
	longOrgName     = "International Federation of Chartered Accountants, Auditors and Tax Advisers of Central Europe (IFC)"
	longIntegration = "Tamper-evident_long-term_archive_of_group_accounting_and_financial_supervision_Frankfurt_am_Main_(1)"
	longExport      = "Everything that the supervisory authority asks us to keep for ten years, in the form it asks for"
	longKey         = "Gateway-of-the-production-cluster-in-the-second-data-center-of-the-Luxembourg-branch-(blue,-standby)"
	longAddress     = "information-security-and-data-protection-officers-of-the-group@mailing-lists.central-services.ifc-europe.example"
	longAction      = "organization.subsidiary.department.project.repository.branch.protection_rule.required_review.dismissal_restriction.updated"
)

var longFolder = strings.Repeat("business-unit-central-europe/records-to-be-kept-for-ten-years/", 4) + "audit"

// makeLong fills it.
func (o *Scene) makeLong(ctx context.Context) (err error) {
	admin, prod := o.long.admin, o.long.prod
	const bucket = "long"
	place := o.cloud(bucket).Destination(schemas.GCP, longFolder)
	if err := o.cloud(bucket).Prepare(ctx, place); err != nil {
		return err
	}
	id, op, err := admin.Integrate(ctx, longIntegration, place, schemas.Grant{})
	if err != nil {
		return err
	}
	o.long.integration = id
	if err := o.handIn(ctx, admin, id, op, bucket, true); err != nil {
		return err
	}
	if err := admin.AwaitAccess(ctx, id); err != nil {
		return err
	}
	if o.long.event, err = prod.ReportOne(ctx, longEvent()); err != nil {
		return err
	}
	o.long.export, err = schedule(ctx, admin, longExport, id, daily("02:00"), map[string]any{
		"path_template": "exports-of-the-central-archive/{export}/year={YYYY}/month={MM}/day={DD}/hour={HH}/events-of-the-organization-and-all-of-its-subsidiaries",
		"filter":        map[string]any{"actions": []string{longAction, "document.*", "user.*", "role.granted", "report.exported"}},
	})
	if err != nil {
		return err
	}
	if err := admin.Done(ctx)(admin.RunNow(ctx, o.long.export)); err != nil {
		return err
	}
	o.long.run, err = awaitRun(ctx, admin, o.long.export, "has delivered", func(r schemas.Run) bool { return r.Status == schemas.RunSucceeded })
	if err != nil {
		return err
	}
	status, err := admin.Status(ctx, http.MethodPost, "/v1/api-keys", map[string]any{"name": longKey, "role": schemas.RoleIngest})
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("making an API key with a long name answers %d", status)
	}
	return err
}

func longEvent() map[string]any {
	return map[string]any{
		"occurred_at": time.Now().UTC().Format(time.RFC3339Nano),
		"action":      longAction,
		"actor": map[string]any{
			"type": "user", "id": "urn:ifc:directory:central-europe:frankfurt:employees:7f3a5c0e9b1d4e6f8a2c:service-desk",
			"name": "Dr. Maximiliane-Alexandra von und zu Hohenlohe-Waldenburg-Schillingsfürst", "email": longAddress,
		},
		"targets": []any{
			map[string]any{"type": "branch_protection_rule", "id": strings.Repeat("0123456789abcdef", 8), "name": longExport},
			map[string]any{"type": "repository", "id": "42", "name": longIntegration},
		},
		"outcome": "failure",
		"reason":  strings.Repeat("The reviewers whom the rule names may dismiss no review of their own. ", 6),
		"context": map[string]any{
			"ip": "2001:db8:85a3:8d3:1319:8a2e:370:7348", "request_id": strings.Repeat("r-0a1b2c3d", 6),
			"user_agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_7_1) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
		},
		"metadata": map[string]any{"diff": strings.Repeat("+required_approving_review_count:2;", 12)},
	}
}
