package chaos

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

// client calls the API as somebody who means it: a call is repeated, with the
// same key, until it is answered.
type client struct {
	url string
	key string
}

// refusal is an answer that repeating would not change.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d: %s", r.status, r.text) }

const (
	callLimit = 20 * time.Second
	callPause = 300 * time.Millisecond
)

// call sends body, unless it is nil, and reads the answer into out, unless
// that is nil. A POST carries the key. The error is a *refusal, or says that ctx
// has ended.
func (c client) call(ctx context.Context, key, method, path, contentType string, body []byte, out any) error {
	for {
		err := c.try(ctx, method, path, contentType, key, body, out)
		refused, isRefusal := err.(*refusal) //nolint:errorlint // try's own
		switch {
		case err == nil:
			return nil
		case isRefusal && refused.status < 500 && refused.status != http.StatusTooManyRequests:
			return fmt.Errorf("%s %s: %w", method, path, refused)
		case !pause(ctx, callPause):
			return fmt.Errorf("%s %s: %w, after %w", method, path, ctx.Err(), err)
		}
	}
}

func (c client) try(ctx context.Context, method, path, contentType, key string, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return err
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
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end below
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 400 {
		return &refusal{response.StatusCode, string(answer)}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// command sends in as JSON.
func (c client) command(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	return c.call(ctx, uuid.NewString(), method, path, "application/json", body, out)
}

// pages reads every page of a list.
func pages[T any](ctx context.Context, c client, path string) ([]T, error) {
	var all []T
	for cursor := ""; ; {
		var page struct {
			Items      []T    `json:"items"`
			NextCursor string `json:"next_cursor"`
		}
		err := c.command(ctx, http.MethodGet, path+"?limit=200"+cursor, nil, &page)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.NextCursor == "" {
			return all, nil
		}
		cursor = "&cursor=" + page.NextCursor
	}
}
