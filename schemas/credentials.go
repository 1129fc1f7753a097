package schemas

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/google/uuid"
)

// Credentials is what an admin needs in order to grant access in their cloud.
// Exactly one member is set, the integration's cloud decides which. None of
// it is a secret.
type Credentials struct {
	AWS   *AWSCredentials   `json:"aws,omitempty"`
	Azure *AzureCredentials `json:"azure,omitempty"`
	GCP   *GCPCredentials   `json:"gcp,omitempty"`
}

// AWSCredentials go into the trust policy of the admin's IAM role.
type AWSCredentials struct {
	ExternalID string `json:"external_id"`
	IAMUserARN string `json:"iam_user_arn"`
}

// AzureCredentials lead the admin to consent, and name the service principal
// that gets the role. Azure's member search wants the name's characters before
// the underscore.
type AzureCredentials struct {
	ConsentURL         string `json:"consent_url"`
	MultiTenantAppName string `json:"multi_tenant_app_name"`
}

// GCPCredentials name the principal of the admin's custom IAM role.
type GCPCredentials struct {
	ServiceAccount string `json:"service_account"`
}

// CredentialsVersion tells what has been handed in for an integration from
// anything else, and from nothing: nil. Exclusive says that no other org has the
// same identity.
func CredentialsVersion(c *Credentials, exclusive bool) string {
	var handed Credentials
	if c != nil {
		handed = *c
	}
	exclusive = exclusive && c != nil || handed.AWS != nil // external IDs are never shared
	text, err := json.Marshal(handed)
	if err != nil {
		panic(err) // strings alone
	}
	sum := sha256.Sum256(fmt.Appendf(text, " %t", exclusive))
	return hex.EncodeToString(sum[:16])
}

var (
	iamUserARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:user/[\w+=,.@/-]{1,512}$`)
	awsAccount = regexp.MustCompile(`^\d{12}$`)
	iamRoleARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,512}$`)
	// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html;
	// its length is checked apart, as Go's expressions count to 1,000 only.
	externalID     = regexp.MustCompile(`^[\w+=,.@:/-]+$`)
	serviceAccount = regexp.MustCompile(`^[a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z0-9.:-]+\.iam\.gserviceaccount\.com$`)
	azureAppName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 .-]*_[A-Za-z0-9_-]+$`)
)

// Validate checks that the credentials are of this cloud and well formed. It
// returns a *FieldError, or several joined.
func (c Credentials) Validate(cloud Cloud) error {
	set := 0
	for _, is := range []bool{c.AWS != nil, c.Azure != nil, c.GCP != nil} {
		if is {
			set++
		}
	}
	if set != 1 {
		return &FieldError{"credentials", "must hold exactly one of aws, azure and gcp"}
	}
	switch {
	case cloud == AWS && c.AWS != nil:
		return c.AWS.validate()
	case cloud == Azure && c.Azure != nil:
		return c.Azure.validate()
	case cloud == GCP && c.GCP != nil:
		return c.GCP.validate()
	}
	return &FieldError{"credentials", "must be those of the integration's cloud, " + string(cloud)}
}

func (c AWSCredentials) validate() error {
	var id, user error
	if n := len(c.ExternalID); n < 2 || n > 1224 || !externalID.MatchString(c.ExternalID) {
		id = &FieldError{"credentials.aws.external_id", "must be 2 to 1,224 letters, digits and + = , . @ : / - _"}
	}
	if !iamUserARN.MatchString(c.IAMUserARN) {
		user = &FieldError{"credentials.aws.iam_user_arn", "must look like arn:aws:iam::123456789012:user/name"}
	}
	return errors.Join(id, user)
}

func (c AzureCredentials) validate() error {
	var consent, name error
	u, err := url.Parse(c.ConsentURL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Query().Get("client_id") == "" {
		consent = &FieldError{"credentials.azure.consent_url", "must be an https URL with a client_id"}
	}
	if !azureAppName.MatchString(c.MultiTenantAppName) {
		name = &FieldError{"credentials.azure.multi_tenant_app_name", "must be a name, an underscore and a suffix, such as auditferry_1700000000000"}
	}
	return errors.Join(consent, name)
}

func (c GCPCredentials) validate() error {
	if !serviceAccount.MatchString(c.ServiceAccount) {
		return &FieldError{"credentials.gcp.service_account", "must look like name@project.iam.gserviceaccount.com"}
	}
	return nil
}

// MemberSearch is what to type into Azure's member search: the app name's
// characters before the underscore.
func (c AzureCredentials) MemberSearch() string {
	name, _, _ := strings.Cut(c.MultiTenantAppName, "_")
	return name
}

// ClientID is the ID of the app that the consent URL asks consent for.
func (c AzureCredentials) ClientID() string {
	u, err := url.Parse(c.ConsentURL)
	if err != nil {
		return ""
	}
	return u.Query().Get("client_id")
}

// Identity names who writes with these credentials, as far as it matters who
// else does: the external ID on AWS, where every integration has the service's
// IAM user in common, and the app or service account elsewhere. It is "" for
// empty credentials.
func (c Credentials) Identity() string {
	switch {
	case c.AWS != nil:
		return "aws-external-id:" + c.AWS.ExternalID
	case c.Azure != nil:
		return "azure-app:" + strings.ToLower(c.Azure.ClientID())
	case c.GCP != nil:
		return "gcp-service-account:" + c.GCP.ServiceAccount
	default:
		return ""
	}
}

// Grant is what the admin tells us of their side: the role to assume (AWS) or
// the tenant to ask (Azure). GCP needs neither.
type Grant struct {
	RoleARN     string `json:"role_arn,omitempty"`
	BucketOwner string `json:"bucket_owner,omitempty"` // AWS account ID of the bucket, if it is not the role's
	TenantID    string `json:"tenant_id,omitempty"`
}

// BucketAccount is the AWS account that the bucket has to be of: the one that
// was named, or else the role's. It is "" elsewhere than on AWS.
func (g Grant) BucketAccount() string {
	if g.BucketOwner != "" {
		return g.BucketOwner
	}
	if parts := strings.Split(g.RoleARN, ":"); len(parts) > accountInARN {
		return parts[accountInARN]
	}
	return ""
}

const accountInARN = 4 // arn:partition:service:region:account:resource

// Validate checks that the grant has what the cloud needs and nothing else. It
// returns a *FieldError, or several joined, one for each field that is wrong.
func (g Grant) Validate(cloud Cloud) error {
	var role, owner, tenant error
	switch {
	case cloud != AWS && g.RoleARN != "":
		role = &FieldError{"role_arn", "belongs to AWS integrations only; leave it out"}
	case cloud == AWS && !iamRoleARN.MatchString(g.RoleARN):
		role = &FieldError{"role_arn", "must look like arn:aws:iam::123456789012:role/name; copy it from the role's page in the IAM console"}
	}
	switch {
	case cloud != AWS && g.BucketOwner != "":
		owner = &FieldError{"bucket_owner", "belongs to AWS integrations only; leave it out"}
	case g.BucketOwner != "" && !awsAccount.MatchString(g.BucketOwner):
		owner = &FieldError{"bucket_owner", "must be the 12 digits of the AWS account that the bucket is in; leave it out if that is the role's account"}
	}
	switch {
	case cloud != Azure && g.TenantID != "":
		tenant = &FieldError{"tenant_id", "belongs to Azure integrations only; leave it out"}
	case cloud == Azure && !isTenant(g.TenantID):
		tenant = &FieldError{"tenant_id", "must be a UUID such as 72f988bf-86f1-41af-91ab-2d7cd011db47; copy it from Microsoft Entra ID > Overview"}
	}
	return errors.Join(role, owner, tenant)
}

func isTenant(id string) bool {
	parsed, err := uuid.Parse(id)
	return err == nil && parsed != uuid.Nil && len(id) == 36
}
