package portal

import (
	"context"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/auditferry/auditferry/api/service"
)

func (p *Portal) registerNotices(pages gin.IRouter) {
	p.memberForm(pages, "/orgs/:org/notices", formPage{show: p.noticesPage, do: p.setNotices})
}

// noticesField is the field of the addresses, one in each line.
const noticesField = "notice_emails"

// formerField is the hidden field of what a form was filled from: of the
// addresses, or of a destination.
const formerField = "former"

// savedQuery says that the addresses have been saved. Whoever makes it up sees
// the addresses beside it, as they are.
const savedQuery = "saved"

// occasion is a mail that the addresses get.
type occasion struct{ Title, When string }

// occasions are grouped as a person meets them.
var occasions = []struct {
	Title string
	Mails []occasion
}{
	{"While an integration is set up or changed", []occasion{
		{"Credentials ready", "when there is something to do in your cloud, with the values and the steps"},
		{"Access verified", "when the destination accepts Auditferry’s writes for the first time, or again"},
		{"No access", "when the access check has given up, with what the cloud answered and what to do"},
		{"Destination updated", "when an update has been carried out, with what became of the linked exports"},
		{"Integration deleted", "when it has been deleted, with what became of the linked exports"},
	}},
	{"While exports run", []occasion{
		{"Export failing", "once, when a run has failed for good; retries that succeed send none"},
		{"Export still failing", "once a day while that goes on"},
		{"Export recovered", "when it delivers again"},
		{"Events expiring", "7 days, 3 days and 1 day before undelivered events are lost"},
		{"Events expired", "when that has happened"},
	}},
}

type noticesBody struct {
	Form      *form
	Emails    []string // as they are now, whatever has been typed
	Occasions any
}

func (p *Portal) noticesPage(ctx context.Context, v *visit, f *form) (*page, error) {
	org, err := p.service.OwnOrg(ctx, v.caller)
	if err != nil {
		return nil, err
	}
	now := strings.Join(org.NoticeEmails, "\n")
	f.filledFrom(formerField, now)
	if !f.Typed {
		f.Values.Set(noticesField, now)
	}
	shown := &page{
		Template: "notices", Title: "Members’ mails", Section: "notices",
		Body: noticesBody{f, org.NoticeEmails, occasions},
	}
	if !f.Typed && v.c.Query(savedQuery) != "" {
		shown.Done = &done{Ended: true, Text: "Addresses saved", Close: v.path("notices")}
	}
	return shown, nil
}

func (p *Portal) setNotices(ctx context.Context, v *visit, f *form) (string, error) {
	in := service.SetNoticeEmails{Emails: addresses(f.Get(noticesField)), Former: addresses(f.Get(formerField))}
	if _, err := p.service.SetNoticeEmails(ctx, v.caller, in); err != nil {
		return "", inLines(err, in.Emails)
	}
	return v.path("notices") + "?" + savedQuery + "=1", nil
}

// addresses reads what stands in the lines of a field. Lists that were made for
// a mail program have commas.
func addresses(text string) []string {
	emails := []string{}
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("\r\n,;", r) }) {
		if address := strings.TrimSpace(line); address != "" {
			emails = append(emails, address)
		}
	}
	return emails
}

// namedRecipients is how many recipients of mails are named in a sentence.
const namedRecipients = 2

// mailsTo is who gets the mails of the visit's organization, in words; "" is
// nobody.
func (p *Portal) mailsTo(ctx context.Context, v *visit) (string, error) {
	org, err := p.service.OwnOrg(ctx, v.caller)
	return recipients(org.NoticeEmails), err
}

func recipients(addresses []string) string {
	named := addresses[:min(len(addresses), namedRecipients)]
	if more := len(addresses) - len(named); more > 0 {
		return strings.Join(named, ", ") + " and " + plural(more, "other")
	}
	return strings.Join(named, " and ")
}
