package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// acked is a batch of events that the API has acknowledged. Each event carries
// a number of the vendor's own, by which it is found again.
type acked struct {
	first, last int64 // the vendor's numbers
	schemas.Appended
}

// ingest reports events, batch after batch, until stop. A batch is repeated
// with its key until it is answered, and now and then once more afterwards, as
// when the answer was lost on its way; it must be the same answer then.
func (o *org) ingest(ctx context.Context, stop <-chan struct{}, chance *rand.Rand) error {
	for next := int64(1); ; {
		select {
		case <-stop:
			return nil
		case <-time.After(between(chance, 50*time.Millisecond, 1500*time.Millisecond)):
		}
		size := 1 + chance.Int64N(250)
		lines := events(o.name, next, size)
		key := uuid.NewString()
		answer, err := o.append(ctx, key, lines)
		if err != nil {
			return err
		}
		if chance.IntN(10) == 0 {
			again, err := o.append(ctx, key, lines)
			if err != nil {
				return err
			}
			if again.FirstSeq != answer.FirstSeq || again.LastSeq != answer.LastSeq {
				return fmt.Errorf("the batch of %s was answered with %d to %d, and repeated with %d to %d",
					o.name, answer.FirstSeq, answer.LastSeq, again.FirstSeq, again.LastSeq)
			}
		}
		if answer.LastSeq-answer.FirstSeq+1 != size {
			return fmt.Errorf("%d events of %s were recorded as %d to %d", size, o.name, answer.FirstSeq, answer.LastSeq)
		}
		o.mu.Lock()
		o.acked = append(o.acked, acked{next, next + size - 1, answer})
		o.mu.Unlock()
		next += size
	}
}

func (o *org) append(ctx context.Context, key string, lines []byte) (answer schemas.Appended, err error) {
	err = o.product.call(ctx, key, http.MethodPost, "/v1/events", "application/x-ndjson", lines, &answer)
	return answer, err
}

// acknowledged counts the events that the API has taken so far.
func (o *org) acknowledged() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.acked) == 0 {
		return 0
	}
	return int(o.acked[len(o.acked)-1].last)
}

// newest is the highest seq that was acknowledged.
func (o *org) newest() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.acked) == 0 {
		return 0
	}
	return o.acked[len(o.acked)-1].LastSeq
}

// marker is how an event carries the vendor's number.
func marker(org string, n int64) string { return fmt.Sprintf("%s#%d", org, n) }

func events(org string, first, n int64) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	for i := first; i < first+n; i++ {
		_ = encoder.Encode(map[string]any{ // maps of strings and numbers into memory
			"occurred_at": time.Now().UTC().Format(time.RFC3339Nano),
			"action":      []string{"document.read", "document.edited", "user.signed_in"}[i%3],
			"actor":       map[string]any{"type": "user", "id": fmt.Sprint(i % 97), "name": "Zoë", "email": "zoe@example.com"},
			"targets":     []any{map[string]any{"type": "document", "id": fmt.Sprint(i), "name": "文書"}},
			"outcome":     "success",
			"context":     map[string]any{"ip": "192.0.2.17", "user_agent": "Mozilla/5.0 (X11; Linux x86_64)", "request_id": marker(org, i)},
			"metadata":    map[string]any{"noise": fmt.Sprintf("%x", uint64(i)*0x9e3779b97f4a7c15)}, // #nosec G115 -- to be mixed up
		})
	}
	return out.Bytes()
}
