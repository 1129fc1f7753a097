// Package mail words the mails to admins and operators, and sends them over
// SMTP.
package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
)

// timeout bounds the sending of one mail. Some servers make unknown clients
// wait on purpose.
const timeout = time.Minute

// Message is one mail to one person.
type Message struct {
	To      string // a plain address, without a name
	Subject string // one line
	Text    string
	HTML    string

	// ID is the same whenever the same mail is sent again, so that mail
	// programs can recognize a doubled one. Letters, digits and / _ . + = -.
	ID string
}

// Sender sends over one SMTP server. It is safe for concurrent use.
type Sender struct {
	host    string
	dial    gomail.DialContextFunc
	options []gomail.Option
	from    *netmail.Address
}

// New reads where and how to send:
//
//	smtp://user:password@host:587              STARTTLS if the server offers it
//	smtp://user:password@host:587?tls=required STARTTLS or nothing
//	smtps://user:password@host:465             TLS from the first byte
//
// User and password may be left out; they are never sent in the clear. From is
// an address, with a name or without. Nothing is connected to yet.
func New(rawURL, from string) (*Sender, error) {
	address, err := netmail.ParseAddress(from)
	if err != nil {
		return nil, fmt.Errorf("read the sender's address %q: %w", from, err)
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		// The parser's error quotes the URL, and that may hold a password.
		return nil, errors.New("read the SMTP URL: it is not a URL such as smtp://user:password@host:587")
	}
	options, err := smtpOptions(u)
	if err != nil {
		return nil, fmt.Errorf("read the SMTP URL: %w", err)
	}
	return &Sender{host: u.Hostname(), dial: dialer(u.Scheme), options: options, from: address}, nil
}

// dialer does the TLS of smtps itself; the library then finds the connection
// encrypted, as after STARTTLS.
func dialer(scheme string) gomail.DialContextFunc {
	if scheme == "smtps" {
		return (&tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12}}).DialContext
	}
	return (&net.Dialer{}).DialContext
}

func smtpOptions(u *url.URL) ([]gomail.Option, error) {
	if u.Hostname() == "" {
		return nil, errors.New("it names no host")
	}
	port := map[string]string{"smtp": "587", "smtps": "465"}[u.Scheme]
	if port == "" {
		return nil, fmt.Errorf("its scheme is %q; use smtp or smtps", u.Scheme)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return nil, fmt.Errorf("its port %q does not exist", port)
	}
	policy := gomail.TLSOpportunistic
	switch u.Query().Get("tls") {
	case "required":
		policy = gomail.TLSMandatory
	case "":
	default:
		return nil, errors.New("tls may only be \"required\", or left out")
	}
	if u.Scheme == "smtps" {
		policy = gomail.TLSOpportunistic // mandatory would mean STARTTLS inside of TLS
	}
	options := []gomail.Option{gomail.WithTimeout(timeout), gomail.WithPort(int(number)), gomail.WithTLSPolicy(policy)}
	if u.User != nil {
		password, _ := u.User.Password()
		options = append(options,
			// Of the methods the server offers, the best that is safe on this
			// connection: none that shows the password without TLS.
			gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(u.User.Username()),
			gomail.WithPassword(password),
		)
	}
	return options, nil
}

// Send hands one message to the mail server. When it returns nil the server
// has taken the message over. Permanent tells whether a retry is of no use;
// after any other error the message may have been taken over as well.
func (s *Sender) Send(ctx context.Context, m Message) error {
	message, err := s.compose(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client, err := gomail.NewClient(s.host, append(slices.Clip(s.options), gomail.WithDialContextFunc(s.dialUntilDone(ctx)))...)
	if err != nil {
		return fmt.Errorf("prepare to send mail over %s: %w", s.host, err)
	}
	err = client.DialAndSendWithContext(ctx, message)
	// Once the server has taken the message, a goodbye that fails is no reason
	// to send it again.
	if err != nil && !message.IsDelivered() {
		return fmt.Errorf("send mail over %s: %w", s.host, errors.Join(err, ctx.Err()))
	}
	return nil
}

// dialUntilDone dials connections that close when ctx is done. The library
// looks at its context while connecting only, and forgets the connection when
// the server does not get as far as taking mails.
func (s *Sender) dialUntilDone(ctx context.Context) gomail.DialContextFunc {
	return func(dialing context.Context, network, address string) (net.Conn, error) {
		conn, err := s.dial(dialing, network, address)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = conn.Close() }) // closed already, as a rule
		}
		return conn, err
	}
}

var messageID = regexp.MustCompile(`^[A-Za-z0-9/_.+=-]{1,200}$`)

// compose refuses whatever could end one header and begin another.
func (s *Sender) compose(m Message) (*gomail.Msg, error) {
	to, err := netmail.ParseAddress(m.To)
	if err != nil || to.Address != m.To {
		return nil, &refusal{fmt.Sprintf("%q is not a mail address", m.To)}
	}
	if m.Subject == "" || strings.ContainsFunc(m.Subject, unicode.IsControl) {
		return nil, &refusal{fmt.Sprintf("%q is not a subject of one line", m.Subject)}
	}
	if !messageID.MatchString(m.ID) {
		return nil, &refusal{fmt.Sprintf("%q is not a message ID", m.ID)}
	}
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	message.FromMailAddress(s.from)
	message.SetAddrHeaderFromMailAddress(gomail.HeaderTo, to)
	message.Subject(m.Subject)
	message.SetDate()
	_, domain, _ := strings.Cut(s.from.Address, "@")
	message.SetMessageIDWithValue(m.ID + "@" + domain)
	// Out-of-office replies to a program help nobody.
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	message.SetBodyString(gomail.TypeTextPlain, m.Text)
	message.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return message, nil
}

// refusal is our own refusal to send something malformed.
type refusal struct{ reason string }

func (r *refusal) Error() string { return "mail refused: " + r.reason }

// Permanent tells whether sending the same message to the same address again
// is of no use: it is malformed, or the server refused the recipient or the
// message with a 5xx answer. A refused login or sender is not: that is for the
// operators to mend, and then every mail that waits goes out.
func Permanent(err error) bool {
	var own *refusal
	if errors.As(err, &own) {
		return true
	}
	var answer *gomail.SendError
	if !errors.As(err, &answer) || answer.ErrorCode() < 500 {
		return false
	}
	switch answer.Reason {
	case gomail.ErrSMTPRcptTo, gomail.ErrSMTPData, gomail.ErrSMTPDataClose:
		return true
	default:
		return false
	}
}
