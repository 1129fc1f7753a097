package service

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/auditferry/auditferry/schemas"
)

const (
	maxName         = 100
	maxNoticeEmails = 20
	maxEmailBytes   = 254 // RFC 5321: a path of 256 with its angle brackets
)

func checkName(name string) error {
	bad := func(message string) error { return &schemas.FieldError{Field: "name", Message: message} }
	switch {
	case strings.IndexFunc(name, visible) < 0:
		return bad("is required")
	case utf8.RuneCountInString(name) > maxName:
		return bad(fmt.Sprintf("must have at most %d characters", maxName))
	case strings.TrimSpace(name) != name:
		return bad("must not begin or end with a space")
	case !printable(name):
		return bad("must not hold control characters")
	}
	return nil
}

// printable also keeps the character out that Postgres has no text for, NUL, and
// those that would turn around or break up the line of a mail or list in which
// the text stands.
func printable(text string) bool {
	return utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
	}) < 0
}

func visible(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }

func checkEmails(addresses []string) error {
	if len(addresses) > maxNoticeEmails {
		return &schemas.FieldError{Field: "notice_emails", Message: fmt.Sprintf("must hold at most %d addresses", maxNoticeEmails)}
	}
	wrong := func(i int, message string) error {
		return &schemas.FieldError{Field: fmt.Sprintf("notice_emails[%d]", i), Message: message}
	}
	for i, address := range addresses {
		// The parser also takes "Name <address>"; only the bare address is one
		// that mails can safely be sent to later.
		parsed, err := mail.ParseAddress(address)
		if err != nil || parsed.Address != address || len(address) > maxEmailBytes || !printable(address) {
			return wrong(i, "must be a mail address such as admin@acme.example")
		}
		if slices.ContainsFunc(addresses[:i], func(before string) bool { return strings.EqualFold(before, address) }) {
			return wrong(i, "is named before; every mail would come twice")
		}
	}
	return nil
}
