package temporalclient_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/auditferry/auditferry/dev/stack"
)

// A real Temporal server that all tests of the package share.
var (
	address string
	server  client.Client
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	s, err := stack.Start(context.Background(), stack.Options{Services: []stack.Service{stack.Temporal}})
	if err != nil {
		return 0, err
	}
	defer func() {
		if stopped := s.Stop(); err == nil {
			err = stopped
		}
	}()
	address = s.Temporal.Address
	server, err = client.Dial(client.Options{HostPort: address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		return 0, err
	}
	defer server.Close()
	return m.Run(), nil
}
