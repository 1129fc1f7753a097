package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/auditferry/auditferry/internal/config"
	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/internal/postgres"
)

// health is a Temporal that is well, or is not.
type health struct {
	client.Client
	err error
}

func (h *health) CheckHealth(context.Context, *client.CheckHealthRequest) (*client.CheckHealthResponse, error) {
	return &client.CheckHealthResponse{}, h.err
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	address, temporal, failed := freeAddress(t), &health{}, make(chan error, 1)
	server, err := listenHealth(t.Context(), address, temporal, failed)
	require.NoError(t, err)

	status, _ := get(t, "http://"+address+"/healthz")
	require.Equal(t, http.StatusOK, status)
	status, _ = get(t, "http://"+address+"/readyz")
	require.Equal(t, http.StatusOK, status)

	temporal.err = errors.New("postgres://user:password@host is down")
	status, body := get(t, "http://"+address+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "Temporal does not answer\n", body)
	status, _ = get(t, "http://"+address+"/healthz")
	require.Equal(t, http.StatusOK, status, "a process that lives is not to be restarted")

	_, err = listenHealth(t.Context(), address, temporal, failed)
	require.ErrorContains(t, err, "listen for health checks")
	require.NoError(t, server.Close())
	select {
	case err := <-failed:
		require.NoError(t, err, "a server that is closed has not failed")
	case <-time.After(50 * time.Millisecond):
	}
}

// Every concern is there, and none lacks what it depends on.
func TestWire(t *testing.T) {
	t.Parallel()
	cfg := config.Worker{SMTPURL: "smtp://127.0.0.1:25", MailFrom: "noreply@example.com"}
	cfg.PublicURL = "https://audit.example.com"
	all, err := wire(t.Context(), cfg, &postgres.Store{}, &health{}, &manifest.Signer{})
	require.NoError(t, err)
	concerns := reflect.ValueOf(all)
	for n := range concerns.NumField() {
		name := concerns.Type().Field(n).Name
		require.False(t, concerns.Field(n).IsNil(), name)
		concern := concerns.Field(n).Elem()
		for m := range concern.NumField() {
			switch field := concern.Field(m); field.Kind() {
			case reflect.Pointer, reflect.Interface:
				require.False(t, field.IsNil(), "%s.%s", name, concern.Type().Field(m).Name)
			default:
			}
		}
	}

	cfg.SMTPURL = "http://127.0.0.1"
	_, err = wire(t.Context(), cfg, &postgres.Store{}, &health{}, &manifest.Signer{})
	require.ErrorContains(t, err, "SMTP URL")
}
