package provision

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iam/v1"
	"google.golang.org/api/option"

	"github.com/auditferry/auditferry/schemas"
)

// GCPAccount gives every integration the same service account. Exclusive may be
// true only where the service has a single org.
type GCPAccount struct {
	Email     string
	Exclusive bool
}

// Provision names the service account.
func (g GCPAccount) Provision(_ context.Context, i schemas.Integration) (issued Issued, made bool, err error) {
	return issue(i, schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: g.Email}}, g.Exclusive)
}

// Revoke has nothing to take back: the account serves other integrations.
func (g GCPAccount) Revoke(context.Context, schemas.Integration) error { return nil }

// GCPAccounts gives every integration a service account of its own, in one
// project of the operator's. The worker itself needs two roles on that project:
// roles/iam.serviceAccountAdmin to make and delete the accounts, and
// roles/iam.serviceAccountTokenCreator to write as one of them. It is safe for
// concurrent use.
type GCPAccounts struct {
	project  string
	accounts *iam.ProjectsServiceAccountsService
}

// NewGCPAccounts prepares accounts in a project. Endpoint is the base URL of the
// IAM API; "" is Google's. Who the worker is comes from application default
// credentials, which are looked for when they are first needed.
func NewGCPAccounts(ctx context.Context, project, endpoint string) (*GCPAccounts, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = maxSilence
	return newGCPAccounts(ctx, project, endpoint, transport)
}

// maxSilence is how long a server may take to answer. Getting a token has no
// other limit, and everybody waits for the one who gets it.
const maxSilence = time.Minute

func newGCPAccounts(ctx context.Context, project, endpoint string, transport http.RoundTripper) (*GCPAccounts, error) {
	own := &applicationDefault{http: &http.Client{Transport: transport, CheckRedirect: neverRedirect}}
	options := []option.ClientOption{option.WithHTTPClient(&http.Client{
		Transport:     &oauth2.Transport{Source: own, Base: transport},
		CheckRedirect: neverRedirect,
	})}
	if endpoint != "" {
		options = append(options, option.WithEndpoint(endpoint))
	}
	service, err := iam.NewService(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("prepare the IAM client: %w", err)
	}
	return &GCPAccounts{project: project, accounts: service.Projects.ServiceAccounts}, nil
}

// neverRedirect keeps tokens with whom they are for. No API used here
// redirects, so whoever does is somebody else.
func neverRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Provision creates the integration's service account, unless it is there.
func (g *GCPAccounts) Provision(ctx context.Context, i schemas.Integration) (issued Issued, made bool, err error) {
	account, err := g.accounts.Create("projects/"+g.project, &iam.CreateServiceAccountRequest{
		AccountId:      accountID(i.ID),
		ServiceAccount: &iam.ServiceAccount{DisplayName: displayName(i.ID)},
	}).Context(ctx).Do()
	if status(err) == http.StatusConflict {
		account, err = g.existing(ctx, i)
	}
	if err != nil {
		return Issued{}, false, fmt.Errorf("create a service account in the project %s%s: %w", g.project, g.advice(err), err)
	}
	return issue(i, schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: account.Email}}, true)
}

// existing reads the account that has the integration's name already. One that
// somebody else made under this name may have rights that are not the
// integration's to use, and is refused.
func (g *GCPAccounts) existing(ctx context.Context, i schemas.Integration) (*iam.ServiceAccount, error) {
	account, err := g.accounts.Get(g.resource(i)).Context(ctx).Do()
	if err != nil {
		return nil, err
	}
	if want := displayName(i.ID); account.DisplayName != want {
		return nil, fmt.Errorf("%s exists and has the display name %q instead of %q: delete it if nothing uses it", account.Email, account.DisplayName, want)
	}
	return account, nil
}

// Revoke deletes the integration's service account. One that is gone, or was
// never made, is as well.
func (g *GCPAccounts) Revoke(ctx context.Context, i schemas.Integration) error {
	_, err := g.accounts.Delete(g.resource(i)).Context(ctx).Do()
	if err == nil || status(err) == http.StatusNotFound {
		return nil
	}
	return fmt.Errorf("delete a service account in the project %s%s: %w", g.project, g.advice(err), err)
}

// advice says what an operator can do about an answer of the IAM API.
func (g *GCPAccounts) advice(err error) string {
	switch status(err) {
	case http.StatusForbidden:
		return " (the worker's own identity needs roles/iam.serviceAccountAdmin and roles/iam.serviceAccountTokenCreator on the project, and the IAM API must be enabled there)"
	case http.StatusTooManyRequests:
		return " (if the project is full, raise its quota of service accounts, or delete some that nothing uses)"
	default:
		return ""
	}
}

// status is the HTTP status that the IAM API answered with; 0 if it did not.
func status(err error) int {
	var answer *googleapi.Error
	if errors.As(err, &answer) {
		return answer.Code
	}
	return 0
}

// resource is the full name of an integration's account. It names the project:
// with the wildcard "-" an absent account would be 403, not 404.
func (g *GCPAccounts) resource(i schemas.Integration) string {
	return fmt.Sprintf("projects/%[1]s/serviceAccounts/%[2]s@%[1]s.iam.gserviceaccount.com", g.project, accountID(i.ID))
}

// accountID is the account's name within the project, 28 of the 6 to 30 lower-case
// letters, digits and hyphens that it may have.
// https://docs.cloud.google.com/iam/docs/service-accounts-create
func accountID(integration uuid.UUID) string {
	const bytes, characters = 16, 25
	return "af-" + derive("auditferry service account ", integration, bytes)[:characters]
}

// displayName tells operators, and a repeated request, whose an account is.
func displayName(integration uuid.UUID) string { return "Auditferry " + integration.String() }

const cloudPlatformScope = "https://www.googleapis.com/auth/cloud-platform"

// applicationDefault is who the worker itself is at Google, found when first
// needed, so that one without Google Cloud needs no credentials there.
type applicationDefault struct {
	http *http.Client

	mu     sync.Mutex
	source oauth2.TokenSource
}

// Token gives a token that is valid now.
func (a *applicationDefault) Token() (*oauth2.Token, error) {
	source, err := a.find()
	if err != nil {
		return nil, err
	}
	return source.Token()
}

func (a *applicationDefault) find() (oauth2.TokenSource, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.source != nil {
		return a.source, nil
	}
	// The context stays with the token source for the life of the process.
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, a.http)
	found, err := google.FindDefaultCredentials(ctx, cloudPlatformScope)
	if err != nil {
		return nil, fmt.Errorf("find the worker's own Google credentials: %w", err)
	}
	a.source = oauth2.ReuseTokenSource(nil, found.TokenSource)
	return a.source, nil
}
