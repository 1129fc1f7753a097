package cloudsim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Consent creates the app's service principal in a tenant, as the Accept
// button of the consent page does.
func (s *Server) Consent(tenantID, clientID string) error {
	if err := s.checkTenant(tenantID); err != nil {
		return err
	}
	if _, exists := s.cfg.Azure.app(clientID); !exists {
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
		g.DisabledApps = slices.DeleteFunc(g.DisabledApps, func(d DisabledApp) bool {
			return d == DisabledApp{TenantID: tenantID, ClientID: clientID}
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
	var searches []string
	for _, app := range s.cfg.Azure.apps() {
		if member != "" && slices.Contains([]string{app.ClientID, app.Name, app.Search()}, member) {
			return app.ClientID, nil
		}
		searches = append(searches, fmt.Sprintf("%q", app.Search()))
	}
	return "", fmt.Errorf("no service principal is called %q; search for %s", member, strings.Join(searches, " or "))
}

// DisableApp says whether a tenant's administrator has switched the app's
// service principal off; its roles stay.
func (s *Server) DisableApp(tenantID, clientID string, disabled bool) error {
	off := DisabledApp{TenantID: tenantID, ClientID: clientID}
	return s.grants.change(func(g *Grants) error {
		if disabled && !g.consented(tenantID, clientID) {
			return fmt.Errorf("tenant %s has no service principal of app %q", tenantID, clientID)
		}
		g.DisabledApps = slices.DeleteFunc(g.DisabledApps, func(d DisabledApp) bool { return d == off })
		if disabled {
			g.DisabledApps = append(g.DisabledApps, off)
		}
		return nil
	})
}

// SetNetworkRules says whether a storage account's firewall lets the service
// in; it does until told otherwise.
func (s *Server) SetNetworkRules(account string, allowed bool) error {
	if _, exists := s.cfg.Azure.Accounts[account]; !exists {
		return fmt.Errorf("there is no storage account %q", account)
	}
	return s.grants.change(func(g *Grants) error {
		g.ClosedAccounts = slices.DeleteFunc(g.ClosedAccounts, func(closed string) bool { return closed == account })
		if !allowed {
			g.ClosedAccounts = append(g.ClosedAccounts, account)
		}
		return nil
	})
}

// apps are all of the service's apps, the first one first.
func (c AzureConfig) apps() []AzureApp {
	var all []AzureApp
	if c.ClientID != "" {
		all = append(all, AzureApp{ClientID: c.ClientID, ClientSecret: c.ClientSecret, Name: c.AppName})
	}
	return append(all, c.Apps...)
}

func (c AzureConfig) app(clientID string) (AzureApp, bool) {
	for _, app := range c.apps() {
		if app.ClientID == clientID {
			return app, true
		}
	}
	return AzureApp{}, false
}

// Search is what an admin types to find the app among the members.
func (a AzureApp) Search() string {
	before, _, _ := strings.Cut(a.Name, "_")
	return before
}

// checkApps finds apps that an admin could not tell apart.
func (c AzureConfig) checkApps() error {
	seen := map[string]bool{}
	for _, app := range c.apps() {
		if app.ClientID == "" || app.Search() == "" {
			return fmt.Errorf("app %q with client ID %q needs both", app.Name, app.ClientID)
		}
		if seen[app.ClientID] || seen[app.Search()] {
			return fmt.Errorf("app %q is not the only one with its client ID or with its name before the underscore", app.Name)
		}
		seen[app.ClientID], seen[app.Search()] = true, true
	}
	return nil
}
