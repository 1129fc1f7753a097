// Package actor holds the people and programs around Auditferry, as the demo
// and the whole-system tests play them: the vendor's operator, the product that
// reports events, an org's admin, the admin of its cloud, whoever reads its
// mail, and an auditor who counts what has been delivered. They know the
// product from outside only: its HTTP API, the clouds' consoles, the objects.
package actor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// caller speaks HTTP with one API key.
type caller struct {
	url string
	key string
}

// Problem is an answer that is not a success: an RFC 9457 document.
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Field   string `json:"field"`
		Message string `json:"message"`
	} `json:"errors"`
}

func (p *Problem) Error() string {
	text := fmt.Sprintf("%d %s: %s", p.Status, p.Title, p.Detail)
	for _, e := range p.Errors {
		text += fmt.Sprintf("; %s %s", e.Field, e.Message)
	}
	return text
}

// call sends in, unless it is nil, as JSON and reads the answer into out,
// unless that is nil. Posts carry an Idempotency-Key and are repeated when
// nothing or a 5xx came back, as a client that means it would do.
func (c caller) call(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	return c.send(ctx, method, path, "application/json", body, out)
}

const (
	tries     = 60
	tryPause  = 500 * time.Millisecond
	callLimit = time.Minute
)

func (c caller) send(ctx context.Context, method, path, contentType string, body []byte, out any) error {
	key := uuid.NewString()
	var err error
	for range tries {
		var again bool
		if again, err = c.try(ctx, method, path, contentType, key, body, out); !again {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(tryPause):
		}
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

func (c caller) try(ctx context.Context, method, path, contentType, key string, body []byte, out any) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	if len(body) > 0 {
		request.Header.Set("Content-Type", contentType)
	}
	if method == http.MethodPost {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return true, err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end below
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return true, err
	}
	if response.StatusCode >= 400 {
		problem := &Problem{Status: response.StatusCode, Title: string(answer)}
		_ = json.Unmarshal(answer, problem) // if it is none, its text is the title
		return response.StatusCode >= 500, problem
	}
	if out == nil {
		return false, nil
	}
	return false, json.Unmarshal(answer, out)
}
