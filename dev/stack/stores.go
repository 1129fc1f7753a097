package stack

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"github.com/auditferry/auditferry/dev/tools"
)

// S3Server is versitygw with its IAM service. The root key may do everything
// in both.
type S3Server struct {
	Endpoint        string // URL of the S3 API, path style
	IAMEndpoint     string // URL of the IAM query API
	Region          string
	AccessKeyID     string
	SecretAccessKey string
}

// AzuriteServer is the Azure Blob emulator. It takes shared keys only; bearer
// tokens are the cloud simulator's matter.
type AzuriteServer struct {
	Endpoint string            // URL without an account; an account's is Endpoint + "/" + account
	Accounts map[string]string // storage account -> base64 key
}

// GCSServer is the Cloud Storage emulator. It checks no credentials.
type GCSServer struct {
	Endpoint string // URL without a path; the JSON API is at Endpoint + "/storage/v1/"
}

// azureAccounts are the storage accounts that exist: Azurite learns them at its
// start. The keys are 64 bytes as in Azure.
var azureAccounts = map[string]string{
	"acmeaudit":   "YWNtZWF1ZGl0IGtleSBmb3IgZGV2ZWxvcG1lbnQgb25seSwgbm90IGEgc2VjcmV0ISEhISEhISEhISEhISEhISEhIQ==",
	"acmearchive": "YWNtZWFyY2hpdmUga2V5IGZvciBkZXZlbG9wbWVudCBvbmx5LCBub3QgYSBzZWNyZXQuLi4uLi4uLi4uLi4uLg==",
	"globexaudit": "Z2xvYmV4YXVkaXQga2V5IGZvciBkZXZlbG9wbWVudCBvbmx5LCBub3QgYSBzZWNyZXQuLi4uLi4uLi4uLi4uLg==",
}

func (s *Stack) startS3(ctx context.Context) error {
	s3 := S3Server{Region: "us-east-1", AccessKeyID: "STACKROOT", SecretAccessKey: "stack-root-secret"}
	port, err := s.ports.take(PortS3)
	if err != nil {
		return err
	}
	iamPort, err := s.ports.take(PortS3IAM)
	if err != nil {
		return err
	}
	users, err := s.folder("s3", "iam")
	if err != nil {
		return err
	}
	data, err := s.folder("s3", "buckets")
	if err != nil {
		return err
	}
	s3.Endpoint, s3.IAMEndpoint = "http://"+address(port), "http://"+address(iamPort)
	socket := filepath.Join(s.dir, "s3", "iam.sock")
	common := func(port int) []string {
		return []string{
			"--access", s3.AccessKeyID, "--secret", s3.SecretAccessKey, "--region", s3.Region,
			"--port", address(port), "--health", "/health", "--quiet",
		}
	}
	_, err = s.run(ctx, program{
		name: "s3-iam", path: s.tools[tools.VersityGW],
		args:  append(common(iamPort), "iam", "--dir", users, "--private-ports", socket, "--quiet"),
		ready: answers(s3.IAMEndpoint + "/health"),
	})
	if err != nil {
		return err
	}
	_, err = s.run(ctx, program{
		name: "s3", path: s.tools[tools.VersityGW],
		// Without the cache a policy holds from the next request on.
		args:  append(common(port), "--iam-standalone-endpoint", socket, "--iam-cache-disable", "posix", data),
		ready: answers(s3.Endpoint + "/health"),
	})
	if err != nil {
		return err
	}
	s.S3 = s3
	return nil
}

func (s *Stack) startAzurite(ctx context.Context) error {
	port, err := s.ports.take(PortAzurite)
	if err != nil {
		return err
	}
	args := []string{
		s.tools[tools.Azurite], "--blobHost", "127.0.0.1", "--blobPort", strconv.Itoa(port),
		"--disableTelemetry", "--skipApiVersionCheck", "--disableProductStyleUrl", "--silent",
	}
	if s.throwAway {
		args = append(args, "--inMemoryPersistence")
	} else {
		data, err := s.folder("azurite")
		if err != nil {
			return err
		}
		args = append(args, "--location", data)
	}
	var accounts []string
	for name, key := range azureAccounts {
		accounts = append(accounts, name+":"+key)
	}
	endpoint := "http://" + address(port)
	_, err = s.run(ctx, program{
		name: "azurite", path: "node", args: args,
		env: s.plainEnv("AZURITE_ACCOUNTS=" + strings.Join(accounts, ";")),
		// It has no health page; any answer of its own will do.
		ready: answersWith(endpoint+"/", http.StatusBadRequest),
	})
	if err != nil {
		return err
	}
	s.Azurite = AzuriteServer{Endpoint: endpoint, Accounts: azureAccounts}
	return nil
}

func (s *Stack) startGCS(ctx context.Context) error {
	port, err := s.ports.take(PortGCS)
	if err != nil {
		return err
	}
	endpoint := "http://" + address(port)
	args := []string{
		"-scheme", "http", "-host", "127.0.0.1", "-port", strconv.Itoa(port),
		"-external-url", endpoint, "-public-host", address(port), "-log-level", "warn",
	}
	if s.throwAway {
		args = append(args, "-backend", "memory")
	} else {
		data, err := s.folder("gcs")
		if err != nil {
			return err
		}
		args = append(args, "-backend", "filesystem", "-filesystem-root", data)
	}
	_, err = s.run(ctx, program{
		name: "gcs", path: s.tools[tools.FakeGCS], args: args,
		ready: answers(endpoint + "/_internal/healthcheck"),
	})
	if err != nil {
		return err
	}
	s.gcs, err = storage.NewClient(ctx, option.WithEndpoint(endpoint+"/storage/v1/"), option.WithoutAuthentication())
	if err != nil {
		return fmt.Errorf("make the GCS client: %w", err)
	}
	s.onStop(s.gcs.Close)
	s.GCS = GCSServer{Endpoint: endpoint}
	return nil
}

// answers is ready when url gives 200.
func answers(url string) func(context.Context) error { return answersWith(url, http.StatusOK) }

func answersWith(url string, status int) func(context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			return err
		}
		if res.StatusCode != status {
			return fmt.Errorf("%s answers %s", url, res.Status)
		}
		return nil
	}
}
