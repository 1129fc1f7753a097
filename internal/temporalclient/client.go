// Package temporalclient makes the programs' Temporal clients and sends the
// Integration workflow its messages.
//
// There is no payload codec: no payload of ours carries a secret (invariant 7),
// so histories stay readable in Temporal UI, where operators need them.
package temporalclient

import (
	"fmt"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.uber.org/zap"
)

// Options is what a program decides about its client. Where the server is and
// how to authenticate stands in Temporal's own environment variables
// (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_TLS, TEMPORAL_API_KEY, ...)
// or its configuration file.
type Options struct {
	Log *zap.Logger // nil: the client logs nothing

	// Lazy puts the first connection off until the first call, so that a
	// program can start and serve what needs no Temporal while it is down.
	Lazy bool
}

// Dial makes a client. Unless it is lazy, the server has answered when Dial
// returns.
func Dial(o Options) (client.Client, error) {
	options, err := environment()
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	options.Logger = newLogger(o.Log)
	dial := client.Dial
	if o.Lazy {
		dial = client.NewLazyClient
	}
	c, err := dial(options)
	if err != nil {
		return nil, fmt.Errorf("connect to Temporal at %s: %w", options.HostPort, err)
	}
	return c, nil
}

// environment reads what Temporal's environment variables and configuration
// file say, with the defaults filled in.
func environment() (client.Options, error) {
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return client.Options{}, fmt.Errorf("read Temporal's environment variables: %w", err)
	}
	if options.HostPort == "" {
		options.HostPort = client.DefaultHostPort
	}
	if options.Namespace == "" {
		options.Namespace = client.DefaultNamespace
	}
	return options, nil
}
