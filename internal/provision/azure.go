package provision

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/auditferry/auditferry/schemas"
)

// ErrPoolExhausted says that every app of a pool belongs to some other org.
var ErrPoolExhausted = errors.New("every Azure app of the pool is in use by another organization")

// AzureApp gives every integration the same multi-tenant app. Exclusive may be
// true only where the service has a single org.
type AzureApp struct {
	Authority string // host that admins consent at; "" is Microsoft's public cloud
	ClientID  string
	Name      string // as the customer's tenant shows it, name_suffix
	Exclusive bool
}

// Provision makes the page on which the integration's tenant lets the app in.
func (a AzureApp) Provision(_ context.Context, i schemas.Integration) (issued Issued, made bool, err error) {
	return issue(i, App{ClientID: a.ClientID, Name: a.Name}.credentials(a.Authority, i), a.Exclusive)
}

// Revoke has nothing to take back: the app serves other integrations.
func (a AzureApp) Revoke(context.Context, schemas.Integration) error { return nil }

// AzurePool gives every org a multi-tenant app of its own. Draw remembers whose
// an app is, for good: what a customer granted to it may outlive the
// integration.
type AzurePool struct {
	Authority string // as for AzureApp
	Apps      []App
	Draw      Draw
}

// App is one multi-tenant app of a pool.
type App struct{ ClientID, Name string }

// Draw chooses among a pool's credentials those that are, or become, the own
// ones of this integration's org; ok is false when none is left. Asked again
// for the same integration, it chooses the same.
type Draw func(ctx context.Context, i schemas.Integration, pool []schemas.Credentials) (drawn schemas.Credentials, ok bool, err error)

// Provision draws an app, or gives ErrPoolExhausted.
func (a AzurePool) Provision(ctx context.Context, i schemas.Integration) (issued Issued, made bool, err error) {
	pool := make([]schemas.Credentials, len(a.Apps))
	for n, app := range a.Apps {
		pool[n] = app.credentials(a.Authority, i)
	}
	drawn, ok, err := a.Draw(ctx, i, pool)
	if err != nil {
		return Issued{}, false, fmt.Errorf("draw an Azure app: %w", err)
	}
	if !ok {
		return Issued{}, false, fmt.Errorf("%w; add an app to the file that AUDITFERRY_AZURE_APP_POOL_FILE names, and restart the workers", ErrPoolExhausted)
	}
	return issue(i, drawn, true)
}

// Revoke leaves the app with its org, where it serves the next integration.
func (a AzurePool) Revoke(context.Context, schemas.Integration) error { return nil }

const azurePublicAuthority = "https://login.microsoftonline.com"

// credentials lead to Entra's page on which an admin lets an app into their
// tenant.
// https://learn.microsoft.com/entra/identity/enterprise-apps/grant-admin-consent
func (a App) credentials(authority string, i schemas.Integration) schemas.Credentials {
	if authority == "" {
		authority = azurePublicAuthority
	}
	return schemas.Credentials{Azure: &schemas.AzureCredentials{
		ConsentURL: fmt.Sprintf("%s/%s/adminconsent?client_id=%s",
			strings.TrimSuffix(authority, "/"), i.Grant.TenantID, url.QueryEscape(a.ClientID)),
		MultiTenantAppName: a.Name,
	}}
}
