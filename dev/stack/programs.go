package stack

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/auditferry/auditferry/dev/tools"
)

// APIServer is Auditferry's api program.
type APIServer struct {
	URL         string
	OperatorKey string // an API key of role operator
	Process     *Process
}

// operatorKey is the first operator's API key of every stack.
const operatorKey = "af_operator_DevelopmentOnlyDevelopmentOnly00"

func (s *Stack) publicURL() string { return "http://" + address(s.apiPort) }

func (s *Stack) startAPI(ctx context.Context) error {
	path, err := tools.Build(ctx, s.book.lines("tools"), "./api")
	if err != nil {
		return err
	}
	process, err := s.run(ctx, program{
		name: "api", path: path, env: s.Env(API),
		ready: answers(s.publicURL() + "/readyz"),
	})
	if err != nil {
		return err
	}
	s.API = APIServer{URL: s.publicURL(), OperatorKey: operatorKey, Process: process}
	return nil
}

func (s *Stack) startWorker(ctx context.Context) error {
	_, err := s.StartWorker(ctx)
	return err
}

// StartWorker starts one more worker and waits until it polls. Env is added to
// its environment, over the stack's.
func (s *Stack) StartWorker(ctx context.Context, env ...string) (*Process, error) {
	path, err := tools.Build(ctx, s.book.lines("tools"), "./worker")
	if err != nil {
		return nil, err
	}
	name, known := "worker", PortWorker
	s.mu.Lock()
	if n := len(s.workers); n > 0 {
		name = fmt.Sprintf("worker-%d", n+1)
		known = "" // only the first has a port that people know
	}
	s.mu.Unlock()
	port, err := s.ports.take(known)
	if err != nil {
		return nil, err
	}
	listen := address(port)
	process, err := s.run(ctx, program{
		name: name, path: path,
		env:   merge(s.Env(Worker), append([]string{"AUDITFERRY_WORKER_LISTEN=" + listen}, env...)),
		ready: answers("http://" + listen + "/readyz"),
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workers = append(s.workers, process)
	return process, nil
}

// Workers are the worker processes, in the order of their start.
func (s *Stack) Workers() []*Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.workers)
}

// Env is the whole environment, as NAME=value, with which API or Worker runs
// against this stack. It holds what the servers that were started need, so it
// also serves to run a program by hand or in a debugger.
func (s *Stack) Env(program Service) []string {
	env := map[string]string{
		"AUDITFERRY_DATABASE_URL": s.via(program, Postgres, s.Database.URL),
		"AUDITFERRY_PUBLIC_URL":   s.publicURL(),
		"AUDITFERRY_LOG_FORMAT":   "console",
		"TEMPORAL_ADDRESS":        s.via(program, Temporal, s.Temporal.Address),
		"TEMPORAL_NAMESPACE":      "default",
	}
	switch program {
	case API:
		maps.Copy(env, map[string]string{
			"AUDITFERRY_MIGRATE_DATABASE_URL": s.Database.OwnerURL,
			"AUDITFERRY_LISTEN":               address(s.apiPort),
			"AUDITFERRY_OPERATOR_KEY":         operatorKey,
		})
		maps.Copy(env, s.portalEnv())
		if s.Clouds != nil {
			env["AUDITFERRY_AZURE_AUTHORITY_HOST"] = s.Clouds.Endpoints().Authority
		}
	case Worker:
		smtp := url.URL{Scheme: "smtp", Host: s.via(Worker, Mail, s.Mail.SMTP)}
		maps.Copy(env, map[string]string{
			"AUDITFERRY_ENVIRONMENT":     "development", // makes a signing key
			"AUDITFERRY_SMTP_URL":        smtp.String(),
			"AUDITFERRY_MAIL_FROM":       "Auditferry <noreply@auditferry.example>",
			"AUDITFERRY_OPERATOR_EMAILS": "operators@auditferry.example",
		})
		maps.Copy(env, s.cloudEnv())
	}
	var list []string
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	return s.plainEnv(merge(list, s.options.Env)...)
}

// sessionKey outlives the api program, so that a restart signs nobody out.
const sessionKey = "RGV2ZWxvcG1lbnRPbmx5RGV2ZWxvcG1lbnRPbmx5MDA="

// portalEnv makes api serve the pages, if there is somewhere to sign in.
func (s *Stack) portalEnv() map[string]string {
	if s.OIDC.Issuer == "" {
		return nil
	}
	return map[string]string{
		"AUDITFERRY_OIDC_ISSUER":        s.OIDC.Issuer,
		"AUDITFERRY_OIDC_CLIENT_ID":     s.OIDC.ClientID,
		"AUDITFERRY_OIDC_CLIENT_SECRET": s.OIDC.ClientSecret,
		"AUDITFERRY_OIDC_SCOPES":        "profile,email,orgs",
		"AUDITFERRY_SESSION_KEY":        sessionKey,
		"AUDITFERRY_TEMPORAL_UI_URL":    s.Temporal.UI + "/namespaces/default",
	}
}

// SharedIdentities is for Options.Env: without a pool of Azure apps and a
// project for service accounts all orgs share the one app and account.
func SharedIdentities() []string {
	return []string{"AUDITFERRY_AZURE_APP_POOL_FILE=", "AUDITFERRY_GCP_PROJECT="}
}

// cloudEnv points the product at the simulated clouds. Only endpoints and
// identities differ from a deployment's.
func (s *Stack) cloudEnv() map[string]string {
	if s.Clouds == nil {
		return nil
	}
	at := s.Clouds.Endpoints()
	return map[string]string{
		"AUDITFERRY_AWS_IAM_USER_ARN": serviceUserARN,
		"AUDITFERRY_AWS_STS_REGION":   s.S3.Region,
		"AUDITFERRY_AWS_STS_ENDPOINT": at.STS,
		"AUDITFERRY_AWS_S3_ENDPOINT":  s.via(Worker, S3, at.S3),
		"AWS_ACCESS_KEY_ID":           serviceUserKeyID,
		"AWS_SECRET_ACCESS_KEY":       serviceUserKey,
		"AWS_EC2_METADATA_DISABLED":   "true",

		"AUDITFERRY_AZURE_CLIENT_ID":      azureClientID,
		"AUDITFERRY_AZURE_CLIENT_SECRET":  azureClientSecret,
		"AUDITFERRY_AZURE_APP_NAME":       azureAppName,
		"AUDITFERRY_AZURE_AUTHORITY_HOST": at.Authority,
		"AUDITFERRY_AZURE_BLOB_ENDPOINT":  s.via(Worker, Azurite, at.Blob),
		"AUDITFERRY_AZURE_APP_POOL_FILE":  s.AzureAppPoolFile,

		"AUDITFERRY_GCP_SERVICE_ACCOUNT":          gcpServiceAccount,
		"AUDITFERRY_GCP_PROJECT":                  gcpProject,
		"AUDITFERRY_GCP_IAM_ENDPOINT":             at.IAM,
		"AUDITFERRY_GCP_IAM_CREDENTIALS_ENDPOINT": at.IAMCredentials,
		"AUDITFERRY_GCP_STORAGE_ENDPOINT":         s.via(Worker, GCS, at.Storage),
		"GOOGLE_APPLICATION_CREDENTIALS":          at.GoogleKeyFile,

		"SSL_CERT_FILE": at.CAFile,
	}
}

// merge returns env with the variables of over instead of its own of the same
// name, sorted.
func merge(env, over []string) []string {
	values := make(map[string]string, len(env)+len(over))
	for _, pair := range append(slices.Clone(env), over...) {
		name, _, _ := strings.Cut(pair, "=")
		values[name] = pair
	}
	return slices.Sorted(maps.Values(values))
}
