package stack

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/auditferry/auditferry/dev/tools"
	"github.com/auditferry/auditferry/schemas"
)

// TemporalServer is a Temporal development server. The namespace is "default",
// and the service's search attributes are registered.
type TemporalServer struct {
	Address string // of the gRPC frontend
	UI      string // URL
	Process *Process
}

var searchAttributes = []string{schemas.SearchOrg, schemas.SearchIntegration, schemas.SearchExport}

func (s *Stack) startTemporal(ctx context.Context) error {
	port, err := s.ports.take(PortTemporal)
	if err != nil {
		return err
	}
	ui, err := s.ports.take(PortTemporalUI)
	if err != nil {
		return err
	}
	args := []string{
		"server", "start-dev", "--ip", "127.0.0.1", "--port", strconv.Itoa(port), "--ui-port", strconv.Itoa(ui),
		"--log-level", "warn", "--color", "never",
	}
	for _, name := range searchAttributes {
		args = append(args, "--search-attribute", name+"=Keyword")
	}
	if !s.volatile {
		// What a write-ahead log has taken in outlives a kill -9, without a sync for
		// each transaction; only a machine that loses its power could lose some.
		args = append(args, "--db-filename", filepath.Join(s.dir, "temporal.db"),
			"--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL")
	}
	process, err := s.run(ctx, program{
		name: "temporal", path: s.tools[tools.Temporal], args: args,
		ready: func(ctx context.Context) error { return temporalReady(ctx, address(port)) },
	})
	if err != nil {
		return err
	}
	s.Temporal = TemporalServer{Address: address(port), UI: "http://" + address(ui), Process: process}
	return nil
}

// temporalReady also waits for the search attributes: a workflow started with
// one that is not there yet is refused.
func temporalReady(ctx context.Context, address string) error {
	c, err := client.DialContext(ctx, client.Options{HostPort: address, Logger: silent{}})
	if err != nil {
		return err
	}
	defer c.Close()
	known, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: client.DefaultNamespace})
	if err != nil {
		return err
	}
	for _, name := range searchAttributes {
		if known.GetCustomAttributes()[name] != enums.INDEXED_VALUE_TYPE_KEYWORD {
			return fmt.Errorf("search attribute %s is not registered yet", name)
		}
	}
	return nil
}

// silent keeps the failed attempts to reach a starting server out of the
// developer's terminal.
type silent struct{}

var _ log.Logger = silent{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}
