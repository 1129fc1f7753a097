package mail_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/mail"
)

func hello() mail.Message {
	return mail.Message{
		To: "admin@acme.example", Subject: "Zugriff gewähren", Text: "Grüße\n", HTML: "<p>Grüße</p>\n",
		ID: "notice/integration-ready/0192f0c0-0000-7000-8000-000000000003.1f",
	}
}

func send(t *testing.T, s *smtpServer, m mail.Message) error {
	t.Helper()
	sender, err := mail.New("smtp://"+s.addr, "Auditferry <no-reply@ferry.example>")
	require.NoError(t, err)
	return sender.Send(t.Context(), m)
}

func TestSend(t *testing.T) {
	t.Parallel()
	s := startSMTP(t, &smtpServer{})
	require.NoError(t, send(t, s, hello()))

	message, err := netmail.ReadMessage(strings.NewReader(<-s.mails))
	require.NoError(t, err)
	require.Equal(t, "<notice/integration-ready/0192f0c0-0000-7000-8000-000000000003.1f@ferry.example>", message.Header.Get("Message-ID"))
	require.Equal(t, "<admin@acme.example>", message.Header.Get("To"))
	require.Equal(t, `"Auditferry" <no-reply@ferry.example>`, message.Header.Get("From"))
	require.Equal(t, "auto-generated", message.Header.Get("Auto-Submitted"))
	require.Contains(t, message.Header.Get("Content-Type"), "multipart/alternative")
	body, err := io.ReadAll(message.Body)
	require.NoError(t, err)
	plain, html := strings.Index(string(body), "text/plain"), strings.Index(string(body), "text/html")
	require.True(t, 0 <= plain && plain < html, "the last part is the one that mail programs prefer")
}

// Whoever sends has to know whether to try again.
func TestPermanent(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		replies   map[string]string
		permanent bool
	}{
		"no such mailbox":       {map[string]string{"RCPT": "550 5.1.1 no such user"}, true},
		"message refused":       {map[string]string{".": "554 5.7.1 looks like spam"}, true},
		"data refused":          {map[string]string{"DATA": "554 5.5.1 no valid recipients"}, true},
		"try later":             {map[string]string{"RCPT": "451 4.7.1 greylisted"}, false},
		"message, later":        {map[string]string{".": "452 4.3.1 disk full"}, false},
		"sender not configured": {map[string]string{"MAIL": "550 5.7.1 not your domain"}, false},
		"server is closing":     {map[string]string{"EHLO": "421 4.3.2 going down", "HELO": "421 4.3.2 going down"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSMTP(t, &smtpServer{replies: test.replies})
			err := send(t, s, hello())
			require.Error(t, err)
			require.Equal(t, test.permanent, mail.Permanent(err), "%v", err)
			require.Empty(t, s.mails)
		})
	}
	require.False(t, mail.Permanent(nil))
	require.False(t, mail.Permanent(errors.New("anything else")))
}

// A mail that the server has taken is not sent again because of the goodbye.
func TestSendIsDoneWhenTheServerHasTheMail(t *testing.T) {
	t.Parallel()
	s := startSMTP(t, &smtpServer{replies: map[string]string{"QUIT": "554 no"}})
	require.NoError(t, send(t, s, hello()))
	require.Len(t, s.mails, 1)
}

// No value that comes from somebody else can add a header or a recipient.
func TestSendRefusesInjection(t *testing.T) {
	t.Parallel()
	s := startSMTP(t, &smtpServer{})
	for name, change := range map[string]func(*mail.Message){
		"recipient with a header": func(m *mail.Message) { m.To = "a@acme.example\r\nBcc: b@acme.example" },
		"two recipients":          func(m *mail.Message) { m.To = "a@acme.example, b@acme.example" },
		"recipient with a name":   func(m *mail.Message) { m.To = "A <a@acme.example>" },
		"no recipient":            func(m *mail.Message) { m.To = "" },
		"subject of two lines":    func(m *mail.Message) { m.Subject = "Hello\r\nBcc: b@acme.example" },
		"subject with a newline":  func(m *mail.Message) { m.Subject = "Hello\n" },
		"no subject":              func(m *mail.Message) { m.Subject = "" },
		"ID with a header":        func(m *mail.Message) { m.ID = "x>\r\nBcc: b@acme.example" },
		"no ID":                   func(m *mail.Message) { m.ID = "" },
	} {
		m := hello()
		change(&m)
		err := send(t, s, m)
		require.Error(t, err, name)
		require.True(t, mail.Permanent(err), name)
	}
	require.Empty(t, s.seen, "nothing was even connected to")
}

// Invariant 7: the password is not sent in the clear, and is in no error.
func TestPasswordStaysSecret(t *testing.T) {
	t.Parallel()
	s := startSMTP(t, &smtpServer{})
	sender, err := mail.New("smtp://ferry:s3cret@"+s.addr, "no-reply@ferry.example")
	require.NoError(t, err)
	err = sender.Send(t.Context(), hello())
	require.Error(t, err)
	require.NotContains(t, err.Error(), "s3cret")
	require.False(t, mail.Permanent(err))
	require.Empty(t, s.commands("AUTH"))
}

func TestLogIn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		server smtpServer
		url    string
	}{
		"smtps":                  {smtpServer{implicit: true}, "smtps://ferry:s3cret@%s"},
		"STARTTLS when offered":  {smtpServer{startTLS: true}, "smtp://ferry:s3cret@%s"},
		"STARTTLS when required": {smtpServer{startTLS: true}, "smtp://ferry:s3cret@%s?tls=required"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSMTP(t, &test.server)
			sender, err := mail.New(fmt.Sprintf(test.url, s.addr), "no-reply@ferry.example")
			require.NoError(t, err)
			require.NoError(t, sender.Send(t.Context(), hello()))
			require.Len(t, s.mails, 1)
			require.Equal(t, []string{"tls AUTH PLAIN AGZlcnJ5AHMzY3JldA=="}, s.commands("AUTH"))
		})
	}
}

// A refused login is for the operators to mend; the mail waits.
func TestRefusedLogInIsNotPermanent(t *testing.T) {
	t.Parallel()
	s := startSMTP(t, &smtpServer{implicit: true, replies: map[string]string{"AUTH": "535 5.7.8 wrong"}})
	sender, err := mail.New("smtps://ferry:s3cret@"+s.addr, "no-reply@ferry.example")
	require.NoError(t, err)
	err = sender.Send(t.Context(), hello())
	require.ErrorContains(t, err, "535")
	require.False(t, mail.Permanent(err))
}

// commands lists what the server has been told with this verb.
func (s *smtpServer) commands(verb string) (told []string) {
	for len(s.seen) > 0 {
		if line := <-s.seen; strings.Contains(line, verb) {
			told = append(told, line)
		}
	}
	return told
}

func TestSendWithTLSRequired(t *testing.T) {
	t.Parallel()
	s := startSMTP(t, &smtpServer{}) // offers no STARTTLS
	sender, err := mail.New("smtp://"+s.addr+"?tls=required", "no-reply@ferry.example")
	require.NoError(t, err)
	require.Error(t, sender.Send(t.Context(), hello()))
	require.Empty(t, s.mails)
}

// A server that accepts a connection and then says nothing does not hold the
// sender for ever.
func TestSendStopsWithItsContext(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	sender, err := mail.New("smtp://"+listener.Addr().String(), "no-reply@ferry.example")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	require.Error(t, sender.Send(ctx, hello()))
	require.Less(t, time.Since(began), 10*time.Second)
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "mail.example.com:25", "http://mail.example.com", "smtp://", "smtp://mail.example.com:0",
		"smtp://mail.example.com:99999", "smtp://mail.example.com?tls=maybe", "smtp://user:s3cret@mail.example.com:x",
	} {
		_, err := mail.New(url, "no-reply@ferry.example")
		require.Error(t, err, url)
		require.NotContains(t, err.Error(), "s3cret")
	}
	for _, from := range []string{"", "nobody", "a@b.example, c@d.example"} {
		_, err := mail.New("smtp://mail.example.com", from)
		require.Error(t, err, from)
	}
	for _, url := range []string{"smtps://u:p@mail.example.com", "smtp://mail.example.com:25", "smtp://u:p@mail.example.com?tls=required"} {
		_, err := mail.New(url, "Auditferry <no-reply@ferry.example>")
		require.NoError(t, err, url)
	}
}
