package actor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/dev/cloudsim"
	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/schemas"
)

// CloudAdmin administers an org's own clouds: buckets, roles, consents.
type CloudAdmin struct {
	Stack   *stack.Stack
	Name    string // lower-case letters and digits; what the org's things are called
	Account string // the org's Azure storage account, one of stack.Azurite's
}

// Destination is a place in the org's own storage.
func (c CloudAdmin) Destination(cloud schemas.Cloud, folder string) schemas.Destination {
	d := schemas.Destination{Cloud: cloud, Bucket: c.Name + "-audit", Prefix: folder}
	if cloud == schemas.Azure {
		d.Account = c.Account
	}
	return d
}

// Grant is what the admin says of the org's side when adding an integration.
func (c CloudAdmin) Grant(cloud schemas.Cloud) schemas.Grant {
	switch cloud {
	case schemas.AWS:
		return schemas.Grant{RoleARN: fmt.Sprintf("arn:aws:iam::123456789012:role/%s-audit", c.Name)}
	case schemas.Azure:
		return schemas.Grant{TenantID: uuid.NewSHA1(uuid.NameSpaceURL, []byte("tenant of "+c.Name)).String()}
	default:
		return schemas.Grant{}
	}
}

// Prepare makes the bucket and, on AWS, the role of the reference document's
// first two procedures: with its example policy for the folders, and with
// placeholders instead of whom to trust.
func (c CloudAdmin) Prepare(ctx context.Context, places ...schemas.Destination) error {
	for _, place := range places {
		if err := c.Stack.CreateBucket(ctx, place); err != nil {
			return err
		}
	}
	if places[0].Cloud != schemas.AWS {
		return nil
	}
	return c.Stack.Clouds.PutRole(ctx, cloudsim.Role{
		ARN:              c.Grant(schemas.AWS).RoleARN,
		TrustPolicy:      trustPolicy("arn:aws:iam::123456789012:root", "0000"),
		PermissionPolicy: permissionPolicy(places),
	})
}

// Allow does what the reference document tells the cloud's admin to do with the
// credentials. The grants take effect after the delay.
func (c CloudAdmin) Allow(ctx context.Context, credentials schemas.Credentials, delay time.Duration, places ...schemas.Destination) error {
	switch place := places[0]; place.Cloud {
	case schemas.AWS:
		return c.Stack.Clouds.PutRoleAfter(ctx, cloudsim.Role{
			ARN:              c.Grant(schemas.AWS).RoleARN,
			TrustPolicy:      trustPolicy(credentials.AWS.IAMUserARN, credentials.AWS.ExternalID),
			PermissionPolicy: permissionPolicy(places),
		}, delay)
	case schemas.Azure:
		if err := c.acceptConsent(ctx, credentials.Azure.ConsentURL); err != nil {
			return err
		}
		return c.Stack.Clouds.AssignRole(cloudsim.RoleAssignment{
			TenantID: c.Grant(schemas.Azure).TenantID, Member: credentials.Azure.MemberSearch(),
			Role:    cloudsim.StorageBlobDataContributor,
			Account: place.Account, Container: place.Bucket,
		}, delay)
	default:
		return c.Stack.Clouds.BindServiceAccount(place.Bucket, "serviceAccount:"+credentials.GCP.ServiceAccount,
			cloudsim.GCPExportPermissions(), delay)
	}
}

// AllowBut is Allow for a folder on AWS, with a policy that denies one action on
// the objects whose keys have one of the endings: patterns with * and ?.
func (c CloudAdmin) AllowBut(ctx context.Context, credentials schemas.Credentials, place schemas.Destination, action string, endings ...string) error {
	var objects []string
	for _, ending := range endings {
		objects = append(objects, fmt.Sprintf("%q", "arn:aws:s3:::"+place.Bucket+"/"+place.Key(ending)))
	}
	deny := fmt.Sprintf(`{"Action": [%q], "Effect": "Deny", "Resource": [%s]}`, action, strings.Join(objects, ", "))
	return c.SetRole(ctx, trustPolicy(credentials.AWS.IAMUserARN, credentials.AWS.ExternalID),
		permissionPolicy([]schemas.Destination{place}, deny))
}

// SetRole gives the role of the org's AWS account both its policies, at once.
func (c CloudAdmin) SetRole(ctx context.Context, trust, permission string) error {
	return c.Stack.Clouds.PutRole(ctx, cloudsim.Role{
		ARN: c.Grant(schemas.AWS).RoleARN, TrustPolicy: trust, PermissionPolicy: permission,
	})
}

// acceptConsent goes to the consent URL and clicks Accept.
func (c CloudAdmin) acceptConsent(ctx context.Context, consentURL string) error {
	ca, err := os.ReadFile(c.Stack.Clouds.Endpoints().CAFile)
	if err != nil {
		return fmt.Errorf("read the simulated clouds' CA: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	browser := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	defer browser.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, consentURL, nil)
	if err != nil {
		return fmt.Errorf("open the consent URL: %w", err)
	}
	response, err := browser.Do(request)
	if err != nil {
		return fmt.Errorf("accept the consent: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // the page is not read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("accept the consent: %s", response.Status)
	}
	return nil
}

func trustPolicy(principal, externalID string) string {
	return fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{
		"Effect": "Allow", "Principal": {"AWS": %q}, "Action": "sts:AssumeRole",
		"Condition": {"StringEquals": {"sts:ExternalId": %q}}}]}`, principal, externalID)
}

// permissionPolicy is the reference document's example, for one bucket and any
// number of its folders, and more statements.
func permissionPolicy(places []schemas.Destination, more ...string) string {
	var prefixes, objects []string
	for _, place := range places {
		prefixes = append(prefixes, fmt.Sprintf("%q", place.Key("*")))
		objects = append(objects, fmt.Sprintf("%q", "arn:aws:s3:::"+place.Bucket+"/"+place.Key("*")))
	}
	statements := append([]string{
		fmt.Sprintf(`{"Action": ["s3:ListBucket", "s3:GetBucketLocation"], "Effect": "Allow", "Resource": "arn:aws:s3:::%s",
			"Condition": {"StringLike": {"s3:prefix": [%s]}}}`, places[0].Bucket, strings.Join(prefixes, ", ")),
		fmt.Sprintf(`{"Action": ["s3:PutObject", "s3:DeleteObject"], "Effect": "Allow", "Resource": [%s]}`, strings.Join(objects, ", ")),
	}, more...)
	return fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [%s]}`, strings.Join(statements, ", "))
}
