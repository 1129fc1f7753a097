package stack

import (
	"context"
	"errors"
	"fmt"
)

// Attach returns a stack whose servers somebody else runs on this machine's
// well-known ports, as docker-compose.yml does. Dir is for what the caller
// adds to it; Stop ends only that.
func Attach(ctx context.Context, dir string) (*Stack, error) {
	s := &Stack{dir: dir, options: Options{Dir: dir}, failed: make(chan error, 1)}
	s.ports.fixed = true
	at := make(map[Port]int, len(fixedPorts))
	for name := range fixedPorts {
		var err error
		if at[name], err = fixedPort(name); err != nil {
			return nil, err
		}
	}
	s.apiPort = at[PortAPI]
	s.Database = databaseServer(at[PortPostgres])
	s.Temporal = TemporalServer{Address: address(at[PortTemporal]), UI: "http://" + address(at[PortTemporalUI])}
	s.S3 = s3Server(at[PortS3], at[PortS3IAM])
	s.Azurite = azuriteServer(at[PortAzurite])
	s.Mail = mailServer(address(at[PortSMTP]), address(at[PortMail]))
	s.OIDC = s.oidcServer(at[PortOIDC])
	s.API = APIServer{URL: s.publicURL(), OperatorKey: operatorKey}
	s.CloudAdmin = "http://" + address(at[PortClouds])
	if err := s.useGCS(ctx, at[PortGCS]); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// AwaitAPI waits until the API of an attached stack serves.
func (s *Stack) AwaitAPI(ctx context.Context) error {
	if err := poll(ctx, nil, answers(s.API.URL+"/readyz")); err != nil {
		return fmt.Errorf("wait for the API: %w", err)
	}
	return nil
}
