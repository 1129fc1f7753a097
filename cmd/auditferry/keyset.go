package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/auditferry/auditferry/internal/manifest"
)

const (
	keySetTimeout  = 30 * time.Second
	maxKeySetBytes = 1 << 20
	whereKeysAre   = "the service publishes them at https://<its host>/.well-known/jwks.json"
)

// loadKeys reads the service's public keys from a URL or a file.
func loadKeys(ctx context.Context, from string) (manifest.KeySet, error) {
	read := readKeyFile
	if strings.Contains(from, "://") {
		read = fetchKeys
	}
	text, err := read(ctx, from)
	if err != nil {
		return manifest.KeySet{}, err
	}
	keys, err := manifest.ParseJWKS(text)
	if err != nil {
		return manifest.KeySet{}, fmt.Errorf("--keys %s: %w", from, err)
	}
	return keys, nil
}

func readKeyFile(_ context.Context, file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the key set: %w; %s", err, whereKeysAre)
	}
	return text, nil
}

func fetchKeys(ctx context.Context, from string) ([]byte, error) {
	at, err := url.Parse(from)
	if err != nil {
		return nil, &usageError{"verify", fmt.Sprintf("--keys is no URL: %v", err)}
	}
	if err := checkKeyURL(at); err != nil {
		return nil, &usageError{"verify", "--keys: " + err.Error()}
	}
	client := http.Client{
		Timeout: keySetTimeout,
		CheckRedirect: func(next *http.Request, before []*http.Request) error {
			if len(before) > 5 {
				return errors.New("too many redirects")
			}
			return checkKeyURL(next.URL)
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch the key set: %w", err)
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("fetch the key set: %w", err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read to its end, or is not needed
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch the key set: %s answered %s; %s", from, answer.Status, whereKeysAre)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxKeySetBytes))
	if err != nil {
		return nil, fmt.Errorf("fetch the key set: %w", err)
	}
	return text, nil
}

// checkKeyURL lets no key in that somebody on the way could have exchanged: all
// that is proven rests on the keys.
func checkKeyURL(at *url.URL) error {
	if at.Scheme == "https" {
		return nil
	}
	if host := at.Hostname(); at.Scheme == "http" && (host == "localhost" || net.ParseIP(host).IsLoopback()) {
		return nil
	}
	return fmt.Errorf("%s is not safe from change on its way; use https, or a file", at)
}
