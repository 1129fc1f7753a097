package mail_test

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// certificate is one for 127.0.0.1 that this process trusts.
var certificate tls.Certificate

func TestMain(m *testing.M) {
	code, err := trustingOurselves(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// trustingOurselves runs with a certificate authority file that holds the
// certificate of the httptest package.
func trustingOurselves(run func() int) (int, error) {
	donor := httptest.NewTLSServer(nil)
	donor.Close()
	certificate = donor.TLS.Certificates[0]
	dir, err := os.MkdirTemp("", "mail-test-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	file := filepath.Join(dir, "ca.pem")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: donor.Certificate().Raw})
	if err := os.WriteFile(file, ca, 0o600); err != nil {
		return 0, err
	}
	if err := os.Setenv("SSL_CERT_FILE", file); err != nil {
		return 0, err
	}
	return run(), nil
}

// smtpServer is as much of a mail server as one client needs.
type smtpServer struct {
	replies  map[string]string // overrides what it answers to a command; "." is the end of a message
	implicit bool              // TLS from the first byte
	startTLS bool              // offered
	mails    chan string
	seen     chan string // every command, those inside of TLS with "tls " before them
	addr     string
}

func startSMTP(t *testing.T, s *smtpServer) *smtpServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.mails, s.seen, s.addr = make(chan string, 10), make(chan string, 100), listener.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			s.serve(conn)
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		<-done // so every client has gone away
	})
	return s
}

func (s *smtpServer) serve(raw net.Conn) {
	defer raw.Close() //nolint:errcheck // the client closes as well
	if s.implicit {
		raw = tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{certificate}})
	}
	conn := textproto.NewConn(raw)
	_ = conn.PrintfLine("220 test")
	if s.talk(conn, s.implicit) {
		raw = tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{certificate}})
		s.talk(textproto.NewConn(raw), true)
	}
}

// talk answers one client until it goes away, or asks for TLS.
func (s *smtpServer) talk(conn *textproto.Conn, encrypted bool) (startTLS bool) {
	for {
		line, err := conn.ReadLine()
		if err != nil {
			return false
		}
		if encrypted {
			line = "tls " + line
		}
		s.seen <- line
		verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimPrefix(line, "tls ")), " ")
		reply := s.reply(verb, encrypted)
		_ = conn.PrintfLine("%s", reply)
		switch {
		case verb == "STARTTLS" || verb == "QUIT":
			return verb == "STARTTLS"
		case verb == "DATA" && strings.HasPrefix(reply, "354"):
			if err := s.take(conn); err != nil {
				return false
			}
		}
	}
}

func (s *smtpServer) take(conn *textproto.Conn) error {
	body, err := io.ReadAll(conn.DotReader())
	if err != nil {
		return err
	}
	reply := s.reply(".", false)
	if strings.HasPrefix(reply, "250") {
		s.mails <- string(body)
	}
	return conn.PrintfLine("%s", reply)
}

func (s *smtpServer) reply(verb string, encrypted bool) string {
	if reply, ok := s.replies[verb]; ok {
		return reply
	}
	switch verb {
	case "EHLO":
		if s.startTLS && !encrypted {
			return "250-test\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN"
		}
		return "250-test\r\n250 AUTH PLAIN LOGIN"
	case "AUTH":
		return "235 welcome"
	case "DATA":
		return "354 go on"
	case "STARTTLS":
		return "220 go on"
	case "QUIT":
		return "221 bye"
	default:
		return "250 ok"
	}
}
