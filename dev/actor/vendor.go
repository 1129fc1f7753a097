package actor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// Vendor operates the service.
type Vendor struct{ caller }

// NewVendor is the operator with the given key.
func NewVendor(apiURL, operatorKey string) Vendor { return Vendor{caller{apiURL, operatorKey}} }

// Welcome creates an org, with an API key for its admin and one for the product
// that reports its events.
func (v Vendor) Welcome(ctx context.Context, name string, noticeEmails ...string) (Admin, Product, error) {
	var org schemas.Org
	err := v.call(ctx, http.MethodPost, "/v1/orgs", map[string]any{"name": name, "notice_emails": noticeEmails}, &org)
	if err != nil {
		return Admin{}, Product{}, err
	}
	adminKey, err := v.NewKey(ctx, org.ID, schemas.RoleAdmin)
	if err != nil {
		return Admin{}, Product{}, err
	}
	ingestKey, err := v.NewKey(ctx, org.ID, schemas.RoleIngest)
	return Admin{caller: caller{v.url, adminKey}, Org: org}, Product{caller{v.url, ingestKey}}, err
}

// NewKey makes an API key for an org and returns its secret.
func (v Vendor) NewKey(ctx context.Context, org uuid.UUID, role schemas.Role) (secret string, err error) {
	var created struct {
		Secret string `json:"secret"`
	}
	path := fmt.Sprintf("/v1/orgs/%s/api-keys", org)
	err = v.call(ctx, http.MethodPost, path, map[string]any{"name": string(role), "role": role}, &created)
	return created.Secret, err
}

// Key is the caller's API key.
func (c caller) Key() string { return c.key }

// ProvisioningRequest is an integration that waits for its credentials.
type ProvisioningRequest struct {
	OrgID           uuid.UUID           `json:"org_id"`
	OrgName         string              `json:"org_name"`
	IntegrationID   uuid.UUID           `json:"integration_id"`
	IntegrationName string              `json:"integration_name"`
	Cloud           schemas.Cloud       `json:"cloud"`
	Destination     schemas.Destination `json:"destination"`
	Grant           schemas.Grant       `json:"grant"`
	CreatedAt       time.Time           `json:"created_at"`
}

// ProvisioningRequests reads what waits for credentials, of all orgs, the
// oldest first.
func (v Vendor) ProvisioningRequests(ctx context.Context) ([]ProvisioningRequest, error) {
	return all[ProvisioningRequest](ctx, v.caller, "/v1/provisioning-requests")
}

// Provision hands an integration its credentials, where the provisioner is an
// external one. Exclusive says that no other org will ever be given the same.
func (v Vendor) Provision(ctx context.Context, integration schemas.Integration, credentials schemas.Credentials, exclusive bool) (schemas.Operation, error) {
	var op schemas.Operation
	err := v.call(ctx, http.MethodPost, fmt.Sprintf("/v1/integrations/%s/provisioning", integration.ID),
		map[string]any{"org_id": integration.OrgID, "credentials": credentials, "exclusive": exclusive}, &op)
	return op, err
}

// Product reports events.
type Product struct{ caller }

// batch is how many events go into one append.
const batch = 5_000

// Report appends n events, with all kinds of text in them, and returns the
// newest seq.
func (p Product) Report(ctx context.Context, n int) (lastSeq int64, err error) {
	for reported := 0; reported < n; {
		size := min(batch, n-reported)
		if lastSeq, err = p.append(ctx, lines(reported, size)); err != nil {
			return 0, err
		}
		reported += size
	}
	return lastSeq, nil
}

// ReportOne appends an event as it is, and returns its seq.
func (p Product) ReportOne(ctx context.Context, event map[string]any) (seq int64, err error) {
	line, err := json.Marshal(event)
	if err != nil {
		return 0, err
	}
	return p.append(ctx, line)
}

func (p Product) append(ctx context.Context, ndjson []byte) (lastSeq int64, err error) {
	var appended schemas.Appended
	err = p.send(ctx, http.MethodPost, "/v1/events", "application/x-ndjson", ndjson, &appended)
	return appended.LastSeq, err
}

func lines(from, n int) []byte {
	actions := []string{"document.read", "document.edited", "user.signed_in", "role.granted", "report.exported"}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	for i := from; i < from+n; i++ {
		event := map[string]any{
			"occurred_at": time.Now().UTC().Format(time.RFC3339Nano),
			"action":      actions[i%len(actions)],
			"actor":       map[string]any{"type": "user", "id": fmt.Sprint(i % 97), "name": "Zoë “Z” O'Neil\t\\", "email": "zoe@example.com"},
			"targets":     []any{map[string]any{"type": "document", "id": fmt.Sprint(i), "name": "Ünïcode — 文書 📄\nsecond line"}},
			"outcome":     []string{"success", "failure"}[i%2],
			"context":     map[string]any{"ip": "192.0.2.17", "user_agent": "Mozilla/5.0 (X11; Linux x86_64)", "request_id": fmt.Sprintf("r-%d", i)},
			"metadata":    map[string]any{"n": i, "path": `C:\temp\x`, "html": "<a href=\"/\">&</a>"},
		}
		_ = encoder.Encode(event) // maps of strings and numbers into memory
	}
	return out.Bytes()
}
