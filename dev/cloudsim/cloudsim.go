// Package cloudsim plays the customer's side of trust in the three clouds:
// AWS STS with role trust policies, Microsoft Entra ID with consent and role
// assignments, and Google's service account impersonation with IAM bindings.
// Stores themselves are not simulated; versitygw, Azurite and fake-gcs-server
// stand behind it.
//
// It refuses as the clouds refuse, in their words and formats, so that a
// program which only knows the clouds' SDKs cannot tell the difference. The
// product does not know that it exists: only endpoints differ.
//
// It is for development and tests on one machine. Everything listens on
// loopback, and whoever can reach it may play the cloud admin.
package cloudsim

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
)

// Config says which servers stand behind the simulator and who the service is.
// A cloud whose store is left out answers its token requests, and every
// request for data with 503.
type Config struct {
	// Dir keeps the certificate authority, the keys and what the cloud admin
	// granted, so that a restart changes nothing. Empty: a temporary directory
	// that Close removes.
	Dir    string
	Listen Listen
	AWS    AWSConfig
	Azure  AzureConfig
	GCP    GCPConfig
}

// Listen are the addresses to listen on. An empty one means 127.0.0.1 and a
// free port.
type Listen struct {
	STS       string // AWS STS, https
	S3        string // S3 in front of versitygw, http
	Authority string // Entra tokens and consent, https
	Blob      string // Azure Blob in front of Azurite, https
	Google    string // OAuth tokens and IAM credentials, https
	Storage   string // Cloud Storage in front of fake-gcs-server, http
	Page      string // the cloud admin's page and its JSON twin, http
}

// AWSConfig describes the service's IAM user and the versitygw pair.
type AWSConfig struct {
	ServiceUserARN  string // what trust policies name
	AccessKeyID     string // of the service user, known to STS alone
	SecretAccessKey string

	IAMEndpoint         string // URL of "versitygw iam"
	S3Endpoint          string // URL of the gateway
	RootAccessKeyID     string // of both
	RootSecretAccessKey string
}

// AzureConfig describes the service's multi-tenant apps and Azurite.
type AzureConfig struct {
	ClientID     string
	ClientSecret string
	AppName      string // name_suffix

	// Apps are further apps. The characters of a name before the underscore
	// are an app's own, because that is what admins search for.
	Apps []AzureApp

	BlobEndpoint string            // URL of Azurite without an account
	Accounts     map[string]string // storage account -> base64 key, as in AZURITE_ACCOUNTS
	Tenants      []string          // directories that exist; empty: every UUID is one
}

// AzureApp is a multi-tenant app of the service.
type AzureApp struct {
	ClientID     string
	ClientSecret string
	Name         string // name_suffix
}

// GCPConfig describes the service account that customers grant access to and
// fake-gcs-server. The identity that impersonates it is made by the
// simulator, see Endpoints.GoogleKeyFile.
type GCPConfig struct {
	ServiceAccount  string
	Project         string // of accounts that the service makes; empty: auditferry-dev
	StorageEndpoint string // URL of fake-gcs-server
}

// Endpoints is where the product finds the simulated clouds.
type Endpoints struct {
	STS            string
	S3             string // the gateway, with every request logged; optional to use
	Authority      string
	Blob           string // with {account}
	IAMCredentials string
	IAM            string // service accounts; the same server as IAMCredentials
	Storage        string
	Page           string

	CAFile        string // for SSL_CERT_FILE
	GoogleKeyFile string // for GOOGLE_APPLICATION_CREDENTIALS
}

// Server is a running simulator. Its methods are the cloud admin's side and
// may be called from several goroutines.
type Server struct {
	cfg       Config
	endpoints Endpoints
	ca        *authority
	grants    *grants
	log       *requestLog
	sessions  *sessions
	identity  *googleIdentity
	handlers  handlers

	servers   []*http.Server
	serving   sync.WaitGroup
	removeDir string
	stop      func()
}

// Start listens on every address and serves until Close. The context bounds
// the start only.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	s := &Server{cfg: cfg, log: &requestLog{}}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start cloud simulator: %w", err), s.Close())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	if s.cfg.Dir == "" {
		dir, err := os.MkdirTemp("", "cloudsim-")
		if err != nil {
			return err
		}
		s.cfg.Dir, s.removeDir = dir, dir
	}
	if err := os.MkdirAll(s.cfg.Dir, 0o755); err != nil { // #nosec G301 -- the CA certificate inside is for other users' processes too
		return err
	}
	var err error
	if s.ca, err = loadAuthority(s.cfg.Dir); err != nil {
		return err
	}
	if s.grants, err = loadGrants(s.cfg.Dir); err != nil {
		return err
	}
	return s.listen(ctx)
}

// Endpoints tells where the simulated clouds are.
func (s *Server) Endpoints() Endpoints { return s.endpoints }

// CertPool holds the simulator's certificate authority, for clients in the
// same process.
func (s *Server) CertPool() *x509.CertPool { return s.ca.pool() }

// HTTPClient trusts the simulator's certificate authority and nothing else.
func (s *Server) HTTPClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = s.ca.clientConfig()
	return &http.Client{Transport: transport}
}

// Close stops serving and removes the temporary directory if there is one. The
// keys of open AWS sessions stay in versitygw, which may be gone by now; the
// next start in the same directory takes them back.
func (s *Server) Close() error {
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.Close())
	}
	if s.stop != nil {
		s.stop()
	}
	s.serving.Wait()
	if s.removeDir != "" {
		errs = append(errs, os.RemoveAll(s.removeDir))
	}
	return errors.Join(errs...)
}
