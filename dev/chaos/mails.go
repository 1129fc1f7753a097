package chaos

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"
)

// mailbox remembers every mail that has been caught, also those that a killed
// mail server has forgotten.
type mailbox struct {
	url string

	mu    sync.Mutex
	mails []caught
}

// caught is one mail.
type caught struct {
	ID      string    `json:"id"` // the mail server's own
	Subject string    `json:"subject"`
	Time    time.Time `json:"time"` // of its arrival
	Headers struct {
		MessageID string `json:"message-id"` // stands for one occasion and one address
	} `json:"headers"`
}

// watch looks again and again, until ctx ends.
func (m *mailbox) watch(ctx context.Context) {
	for pause(ctx, time.Second) {
		m.look()
	}
}

// look reads the inbox. A server that is down is looked at again later.
func (m *mailbox) look() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url, nil)
	if err != nil {
		return
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return
	}
	defer response.Body.Close() //nolint:errcheck // read to its end below
	var now []caught
	if json.NewDecoder(response.Body).Decode(&now) != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, mail := range now {
		if !slices.ContainsFunc(m.mails, func(known caught) bool { return known.ID == mail.ID }) {
			m.mails = append(m.mails, mail)
		}
	}
}

// recordedWithin is how soon after a mail was taken Temporal is told so, if
// nothing comes in between.
const recordedWithin = 5 * time.Second

// doubled counts the mails beyond the first of their occasion and address, and
// how many of these came although nothing fell between the sending of the one
// before and the recording of it.
func (m *mailbox) doubled(j *journal) (doubled, unexplained int, subjects []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	byID := map[string][]caught{}
	for _, mail := range m.mails {
		byID[mail.Headers.MessageID] = append(byID[mail.Headers.MessageID], mail)
	}
	for _, same := range byID {
		slices.SortFunc(same, func(a, b caught) int { return a.Time.Compare(b.Time) })
		for i := range same[1:] {
			doubled++
			sent := same[i].Time
			if !j.disturbed(sent.Add(-recordedWithin), sent.Add(recordedWithin),
				"worker", "worker-2", "temporal", "mail", "worker-temporal", "worker-mail") {
				unexplained++
				subjects = append(subjects, same[i].Subject)
			}
		}
	}
	return doubled, unexplained, subjects
}

func (m *mailbox) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.mails)
}
