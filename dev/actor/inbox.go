package actor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/auditferry/auditferry/dev/stack"
)

// Inbox is the mail that the stack has caught.
type Inbox struct{ Stack *stack.Stack }

// Mail is one caught mail.
type Mail struct {
	ID      string `json:"messageId"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
	HTML    string `json:"html"`
	To      []struct {
		Address string `json:"address"`
	} `json:"to"`
}

// To reads all mail to an address, oldest first.
func (i Inbox) To(ctx context.Context, address string) ([]Mail, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, i.Stack.Mail.Mails, nil)
	if err != nil {
		return nil, fmt.Errorf("read the inbox: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read the inbox: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // read to its end below
	var all []Mail
	if err := json.NewDecoder(response.Body).Decode(&all); err != nil {
		return nil, fmt.Errorf("read the inbox: %w", err)
	}
	return slices.DeleteFunc(all, func(m Mail) bool {
		return len(m.To) != 1 || m.To[0].Address != address
	}), nil
}

// Await waits until as many mails with the words in their subject have come to
// the address, and returns them. More than that is an error.
func (i Inbox) Await(ctx context.Context, address, subject string, want int) (found []Mail, err error) {
	err = Until(ctx, func() (string, error) {
		all, err := i.To(ctx, address)
		if err != nil {
			return "", err
		}
		found = slices.DeleteFunc(all, func(m Mail) bool { return !strings.Contains(m.Subject, subject) })
		if len(found) > want {
			return "", fmt.Errorf("%d mails about %q came to %s instead of %d", len(found), subject, address, want)
		}
		if len(found) == want {
			return "", nil
		}
		return fmt.Sprintf("%d mails about %q to %s, has %d", want, subject, address, len(found)), nil
	})
	return found, err
}
