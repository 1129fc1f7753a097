package stack

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
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
	s3 := s3Server(port, iamPort)
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

func s3Server(port, iamPort int) S3Server {
	return S3Server{
		Endpoint: "http://" + address(port), IAMEndpoint: "http://" + address(iamPort), Region: "us-east-1",
		AccessKeyID: "STACKROOT", SecretAccessKey: "stack-root-secret",
	}
}

func (s *Stack) startAzurite(ctx context.Context) error {
	port, err := s.ports.take(PortAzurite)
	if err != nil {
		return err
	}
	args := []string{
		"--blobHost", "127.0.0.1", "--blobPort", strconv.Itoa(port),
		"--disableTelemetry", "--skipApiVersionCheck", "--disableProductStyleUrl", "--silent",
	}
	if s.volatile {
		args = append(args, "--inMemoryPersistence")
	} else {
		data, err := s.folder("azurite")
		if err != nil {
			return err
		}
		args = append(args, "--location", data)
	}
	args = append([]string{s.tools[tools.Azurite]}, args...)
	if s.options.Durable {
		script, err := s.durableAzurite()
		if err != nil {
			return err
		}
		args = append([]string{"--require", script}, args...)
	}
	azurite := azuriteServer(port)
	_, err = s.run(ctx, program{
		name: "azurite", path: "node", args: args,
		env: s.plainEnv("AZURITE_ACCOUNTS=" + AzuriteAccounts()),
		// It has no health page; any answer of its own will do.
		ready: answersWith(azurite.Endpoint+"/", http.StatusBadRequest),
	})
	if err != nil {
		return err
	}
	s.Azurite = azurite
	return nil
}

func azuriteServer(port int) AzuriteServer {
	return AzuriteServer{Endpoint: "http://" + address(port), Accounts: maps.Clone(azureAccounts)}
}

// AzuriteAccounts are the storage accounts that exist, as Azurite's variable
// AZURITE_ACCOUNTS wants them.
func AzuriteAccounts() string {
	var accounts []string
	for _, name := range slices.Sorted(maps.Keys(azureAccounts)) {
		accounts = append(accounts, name+":"+azureAccounts[name])
	}
	return strings.Join(accounts, ";")
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
	var prepare func() error
	if s.volatile {
		args = append(args, "-backend", "memory")
	} else {
		data, err := s.folder("gcs")
		if err != nil {
			return err
		}
		args = append(args, "-backend", "filesystem", "-filesystem-root", data)
		prepare = func() error { return sweepGCS(data) }
	}
	_, err = s.run(ctx, program{
		name: "gcs", path: s.tools[tools.FakeGCS], args: args, prepare: prepare,
		ready: answers(endpoint + "/_internal/healthcheck"),
	})
	if err != nil {
		return err
	}
	return s.useGCS(ctx, port)
}

func (s *Stack) useGCS(ctx context.Context, port int) error {
	endpoint := "http://" + address(port)
	client, err := storage.NewClient(ctx, option.WithEndpoint(endpoint+"/storage/v1/"), option.WithoutAuthentication())
	if err != nil {
		return fmt.Errorf("make the GCS client: %w", err)
	}
	s.onStop(client.Close)
	s.gcs, s.GCS = client, GCSServer{Endpoint: endpoint}
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
