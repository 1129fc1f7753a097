package cloudsim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// face is one of the simulator's servers.
type face struct {
	name    string
	address string
	secure  bool
	handler func() http.Handler // made once every endpoint is known
	url     *string             // where its URL goes
}

// listen opens every port first and builds the handlers second, because some
// of them tell clients where the others are.
func (s *Server) listen(ctx context.Context) error {
	faces := s.faces()
	listeners := make([]net.Listener, 0, len(faces))
	for _, f := range faces {
		l, err := s.open(ctx, f)
		if err != nil {
			for _, opened := range listeners {
				err = errors.Join(err, opened.Close())
			}
			return err
		}
		listeners = append(listeners, l)
	}
	if err := s.build(); err != nil {
		for _, opened := range listeners {
			err = errors.Join(err, opened.Close())
		}
		return err
	}
	for i, f := range faces {
		s.serve(listeners[i], f.handler())
	}
	return nil
}

func (s *Server) open(ctx context.Context, f face) (net.Listener, error) {
	address := f.address
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", f.name, err)
	}
	*f.url = "http://" + l.Addr().String()
	if f.secure {
		*f.url = "https://" + l.Addr().String()
		l = tls.NewListener(l, s.ca.serverConfig())
	}
	return l, nil
}

func (s *Server) serve(l net.Listener, handler http.Handler) {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		// Refused TLS handshakes are the client's news, not the terminal's.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	s.servers = append(s.servers, server)
	s.serving.Go(func() {
		// Only Close ends it; an error would have no reader.
		_ = server.Serve(l)
	})
}
