package actor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// Setup reads what the admin is to do in their cloud.
func (a Admin) Setup(ctx context.Context, integration uuid.UUID) (guide schemas.SetupGuide, err error) {
	err = a.call(ctx, http.MethodGet, fmt.Sprintf("/v1/integrations/%s/setup", integration), nil, &guide)
	return guide, err
}

// CheckAccess asks for a new access check, and if wanted to trust whoever owns
// the bucket now.
func (a Admin) CheckAccess(ctx context.Context, integration uuid.UUID, acceptOwner bool) (schemas.Operation, error) {
	return a.command(ctx, http.MethodPost, fmt.Sprintf("/v1/integrations/%s/check-access", integration),
		map[string]any{"accept_owner": acceptOwner})
}

// AccessAttempts reads what the access checks of an integration have tried,
// newest first, all pages.
func (a Admin) AccessAttempts(ctx context.Context, integration uuid.UUID) ([]schemas.AccessReport, error) {
	return all[schemas.AccessReport](ctx, a.caller, fmt.Sprintf("/v1/integrations/%s/access-attempts", integration))
}

// ProveOwnership sends what the challenge in the destination says.
func (a Admin) ProveOwnership(ctx context.Context, integration uuid.UUID, code string) (schemas.Operation, error) {
	return a.command(ctx, http.MethodPost, fmt.Sprintf("/v1/integrations/%s/ownership", integration), map[string]any{"code": code})
}

// all reads every page of a list.
func all[T any](ctx context.Context, c caller, path string, filters ...string) ([]T, error) {
	var items []T
	query := "?limit=200" + strings.Join(filters, "")
	for {
		var page struct {
			Items      []T    `json:"items"`
			NextCursor string `json:"next_cursor"`
		}
		err := c.call(ctx, http.MethodGet, path+query, nil, &page)
		if err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		if page.NextCursor == "" {
			return items, nil
		}
		query = "?limit=200" + strings.Join(filters, "") + "&cursor=" + url.QueryEscape(page.NextCursor)
	}
}

// Events lists the org's audit events of one action, newest first.
func (a Admin) Events(ctx context.Context, action string) ([]schemas.RecordedEvent, error) {
	return all[schemas.RecordedEvent](ctx, a.caller, "/v1/events", "&action="+url.QueryEscape(action))
}

// Keys lists the org's API keys, without their secrets.
func (a Admin) Keys(ctx context.Context) ([]schemas.APIKey, error) {
	var list struct {
		Items []schemas.APIKey `json:"items"`
	}
	err := a.call(ctx, http.MethodGet, "/v1/api-keys", nil, &list)
	return list.Items, err
}

// Status is what the API answers to any request at all of the admin's.
func (a Admin) Status(ctx context.Context, method, path string, in any) (int, error) {
	err := a.call(ctx, method, path, in, nil)
	var problem *Problem
	if errors.As(err, &problem) {
		return problem.Status, nil
	}
	return http.StatusOK, err
}
