package cloudsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const grantsFile = "grants.json"

// Grants is everything that the cloud admin has granted.
type Grants struct {
	Roles       []Role       `json:"roles"`
	Consents    []Consent    `json:"consents"`
	Assignments []Assignment `json:"assignments"`
	Bindings    []Binding    `json:"bindings"`

	DisabledApps   []DisabledApp `json:"disabled_apps"`
	ClosedAccounts []string      `json:"closed_accounts"` // storage accounts whose firewall keeps the service out

	// ServiceAccounts are Google's that were made here.
	ServiceAccounts []ServiceAccount `json:"service_accounts"`

	// ImpersonationDenied takes the token creator role away from the
	// service's own Google identity.
	ImpersonationDenied bool `json:"impersonation_denied"`

	// BucketOwners are the AWS accounts of S3 buckets that do not belong to
	// DefaultBucketOwner.
	BucketOwners map[string]string `json:"bucket_owners"`

	// BucketProjects are the project numbers of Cloud Storage buckets that are
	// not in DefaultBucketProject.
	BucketProjects map[string]string `json:"bucket_projects"`
}

// Role is an IAM role in a customer's AWS account. One that is to change is
// there twice: as it is, and as it will be.
type Role struct {
	ARN              string    `json:"arn"`
	TrustPolicy      string    `json:"trust_policy"`
	PermissionPolicy string    `json:"permission_policy"`
	EffectiveAt      time.Time `json:"effective_at"` // set by PutRole and PutRoleAfter
}

// Consent is an app's service principal in a customer's Entra tenant.
type Consent struct {
	TenantID string    `json:"tenant_id"`
	ClientID string    `json:"client_id"`
	At       time.Time `json:"at"`
}

// DisabledApp is a service principal that its tenant has switched off.
type DisabledApp struct {
	TenantID string `json:"tenant_id"`
	ClientID string `json:"client_id"`
}

// Assignment is an Azure role given to a service principal on a storage
// account or one container of it.
type Assignment struct {
	TenantID    string    `json:"tenant_id"`
	ClientID    string    `json:"client_id"`
	Role        string    `json:"role"`
	Account     string    `json:"account"`
	Container   string    `json:"container"` // empty: the whole account
	EffectiveAt time.Time `json:"effective_at"`
}

// Binding gives a member some permissions on a Cloud Storage bucket.
type Binding struct {
	Bucket      string    `json:"bucket"`
	Member      string    `json:"member"` // serviceAccount:<email>
	Permissions []string  `json:"permissions"`
	EffectiveAt time.Time `json:"effective_at"`
}

// grants keeps Grants in memory and in a file.
type grants struct {
	file string
	mu   sync.Mutex
	data Grants
}

func loadGrants(dir string) (*grants, error) {
	g := &grants{file: filepath.Join(dir, grantsFile)}
	raw, err := os.ReadFile(g.file)
	if errors.Is(err, fs.ErrNotExist) {
		return g, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &g.data); err != nil {
		return nil, fmt.Errorf("read %s: %w", g.file, err)
	}
	return g, nil
}

// change carries out one change and keeps it, or leaves everything as it was.
func (g *grants) change(apply func(*Grants) error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := g.data.clone()
	next.dropReplaced(time.Now())
	if err := apply(&next); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(g.file, raw, 0o600); err != nil {
		return err
	}
	g.data = next
	return nil
}

func (g *grants) snapshot() Grants {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.data.clone()
}

// clone copies the lists; an empty one is a list too, also in JSON.
func (g Grants) clone() Grants {
	g.Roles = append([]Role{}, g.Roles...)
	g.Consents = append([]Consent{}, g.Consents...)
	g.Assignments = append([]Assignment{}, g.Assignments...)
	g.Bindings = append([]Binding{}, g.Bindings...)
	g.DisabledApps = append([]DisabledApp{}, g.DisabledApps...)
	g.ClosedAccounts = append([]string{}, g.ClosedAccounts...)
	g.ServiceAccounts = append([]ServiceAccount{}, g.ServiceAccounts...)
	g.BucketOwners = cloneMap(g.BucketOwners)
	g.BucketProjects = cloneMap(g.BucketProjects)
	return g
}

func cloneMap(from map[string]string) map[string]string {
	to := make(map[string]string, len(from))
	maps.Copy(to, from)
	return to
}

func (g Grants) consented(tenantID, clientID string) bool {
	return slices.ContainsFunc(g.Consents, func(c Consent) bool {
		return c.TenantID == tenantID && c.ClientID == clientID
	})
}
