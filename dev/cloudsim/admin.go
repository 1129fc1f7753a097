package cloudsim

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// StorageBlobDataContributor is the role that the reference asks for.
const StorageBlobDataContributor = "Storage Blob Data Contributor"

// GCPExportPermissions are those of the custom role that the reference asks
// for.
func GCPExportPermissions() []string {
	return []string{permissionObjectsCreate, permissionObjectsDelete, permissionObjectsList, permissionBucketsGet}
}

var (
	roleARN = regexp.MustCompile(`^arn:aws:iam::\d{12}:role/[\w+=,.@/-]{1,512}$`)
	userARN = regexp.MustCompile(`^arn:aws:iam::\d{12}:user/[\w+=,.@/-]{1,512}$`)
)

// Grants returns what is granted now, including what has yet to take effect.
func (s *Server) Grants() Grants {
	g := s.grants.snapshot()
	g.dropReplaced(time.Now())
	return g
}

// Consent creates the app's service principal in a tenant, as the Accept
// button of the consent page does.
func (s *Server) Consent(tenantID, clientID string) error {
	if err := s.checkTenant(tenantID); err != nil {
		return err
	}
	if clientID != s.cfg.Azure.ClientID {
		return fmt.Errorf("no app has the client ID %q", clientID)
	}
	return s.grants.change(func(g *Grants) error {
		if !g.consented(tenantID, clientID) {
			g.Consents = append(g.Consents, Consent{TenantID: tenantID, ClientID: clientID, At: time.Now()})
		}
		return nil
	})
}

// RevokeConsent deletes the service principal, and with it its role
// assignments: consent given again makes another principal.
func (s *Server) RevokeConsent(tenantID, clientID string) error {
	return s.grants.change(func(g *Grants) error {
		g.Consents = slices.DeleteFunc(g.Consents, func(c Consent) bool {
			return c.TenantID == tenantID && c.ClientID == clientID
		})
		g.Assignments = slices.DeleteFunc(g.Assignments, func(a Assignment) bool {
			return a.TenantID == tenantID && a.ClientID == clientID
		})
		return nil
	})
}

// RoleAssignment is an order to assign an Azure role.
type RoleAssignment struct {
	TenantID  string `json:"tenant_id"`
	Member    string `json:"member"` // client ID, app name, or the name's characters before the underscore
	Role      string `json:"role"`
	Account   string `json:"account"`
	Container string `json:"container"` // empty: the whole account
}

// AssignRole gives a role to the app's service principal; it takes effect
// after the delay. It fails when the tenant has not consented, because then
// there is nobody to give it to. Assigning again starts the delay anew.
func (s *Server) AssignRole(order RoleAssignment, delay time.Duration) error {
	clientID, err := s.findMember(order.Member)
	if err != nil {
		return err
	}
	if order.Account == "" {
		return fmt.Errorf("a role assignment needs a storage account")
	}
	assignment := Assignment{
		TenantID: order.TenantID, ClientID: clientID, Role: order.Role,
		Account: order.Account, Container: order.Container, EffectiveAt: time.Now().Add(delay),
	}
	return s.grants.change(func(g *Grants) error {
		if !g.consented(order.TenantID, clientID) {
			return fmt.Errorf("tenant %s has no service principal %q; accept the consent first", order.TenantID, order.Member)
		}
		g.Assignments = slices.DeleteFunc(g.Assignments, assignment.same)
		g.Assignments = append(g.Assignments, assignment)
		return nil
	})
}

// RemoveAssignment takes a role back at once. An assignment that does not
// exist is no error.
func (s *Server) RemoveAssignment(order RoleAssignment) error {
	clientID, err := s.findMember(order.Member)
	if err != nil {
		return err
	}
	assignment := Assignment{
		TenantID: order.TenantID, ClientID: clientID, Role: order.Role,
		Account: order.Account, Container: order.Container,
	}
	return s.grants.change(func(g *Grants) error {
		g.Assignments = slices.DeleteFunc(g.Assignments, assignment.same)
		return nil
	})
}

func (a Assignment) same(other Assignment) bool {
	a.EffectiveAt = other.EffectiveAt
	return a == other
}

// BindServiceAccount gives a member, "serviceAccount:" and an email address,
// permissions on a bucket in place of those it had; they take effect after
// the delay.
func (s *Server) BindServiceAccount(bucket, member string, permissions []string, delay time.Duration) error {
	if bucket == "" || !strings.HasPrefix(member, "serviceAccount:") || len(permissions) == 0 {
		return fmt.Errorf("a binding needs a bucket, a member such as serviceAccount:name@project.iam.gserviceaccount.com, and permissions")
	}
	binding := Binding{
		Bucket: bucket, Member: member,
		Permissions: slices.Clone(permissions), EffectiveAt: time.Now().Add(delay),
	}
	return s.grants.change(func(g *Grants) error {
		g.Bindings = slices.DeleteFunc(g.Bindings, binding.same)
		g.Bindings = append(g.Bindings, binding)
		return nil
	})
}

// Unbind takes a member's permissions on a bucket back at once. A binding
// that does not exist is no error.
func (s *Server) Unbind(bucket, member string) error {
	binding := Binding{Bucket: bucket, Member: member}
	return s.grants.change(func(g *Grants) error {
		g.Bindings = slices.DeleteFunc(g.Bindings, binding.same)
		return nil
	})
}

func (b Binding) same(other Binding) bool {
	return b.Bucket == other.Bucket && b.Member == other.Member
}

// AllowImpersonation says whether the service's own Google identity may make
// tokens for the service account; it may until told otherwise.
func (s *Server) AllowImpersonation(allowed bool) error {
	return s.grants.change(func(g *Grants) error {
		g.ImpersonationDenied = !allowed
		return nil
	})
}

func (s *Server) checkTenant(tenantID string) error {
	if !s.cfg.Azure.hasTenant(tenantID) {
		return fmt.Errorf("there is no tenant %q", tenantID)
	}
	return nil
}

func (c AzureConfig) hasTenant(tenantID string) bool {
	if len(c.Tenants) > 0 {
		return slices.Contains(c.Tenants, tenantID)
	}
	return len(tenantID) == 36 && uuid.Validate(tenantID) == nil
}

// findMember searches as Azure's "Select members" does.
func (s *Server) findMember(member string) (clientID string, err error) {
	app := s.cfg.Azure
	search, _, _ := strings.Cut(app.AppName, "_")
	if member != "" && slices.Contains([]string{app.ClientID, app.AppName, search}, member) {
		return app.ClientID, nil
	}
	return "", fmt.Errorf("no service principal is called %q; search for %q", member, search)
}
