package portal

import (
	"context"
	"strings"
)

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
