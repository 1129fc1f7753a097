package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/schemas"
)

// seeded is what a new stack begins with. It is kept in a file, because the
// keys are shown only once.
type seeded struct {
	Orgs []seededOrg `json:"orgs"`
}

type seededOrg struct {
	ID        uuid.UUID `json:"id"`
	Name      string    `json:"name"`
	AdminKey  string    `json:"admin_key"`
	ViewerKey string    `json:"viewer_key"`
	IngestKey string    `json:"ingest_key"`
}

// seedEvents is how many audit events the first organization begins with.
const seedEvents = 1000

// seedDestinations are buckets that exist from the beginning, one per cloud.
func seedDestinations() []schemas.Destination {
	return []schemas.Destination{
		{Cloud: schemas.AWS, Bucket: "acme-audit", Prefix: "logs"},
		{Cloud: schemas.Azure, Account: "acmeaudit", Bucket: "acme-audit", Prefix: "logs"},
		{Cloud: schemas.GCP, Bucket: "acme-audit", Prefix: "logs"},
	}
}

// seed makes two organizations through the API, unless the file says that this
// was done before, and returns them.
func seed(ctx context.Context, s *stack.Stack, file string) (seeded, error) {
	all, err := readSeed(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return all, err
	}
	for _, d := range seedDestinations() {
		if err := s.CreateBucket(ctx, d); err != nil {
			return seeded{}, err
		}
	}
	api := apiClient{url: s.API.URL}
	for _, name := range []string{"Acme", "Globex"} {
		org, err := api.createOrg(ctx, s.API.OperatorKey, name)
		if err != nil {
			return seeded{}, fmt.Errorf("%s: %w", name, err)
		}
		all.Orgs = append(all.Orgs, org)
	}
	if err := api.appendEvents(ctx, all.Orgs[0].IngestKey, seedEvents); err != nil {
		return seeded{}, err
	}
	if err := s.OIDC.SetUsers(people(all.Orgs[0].ID, all.Orgs[1].ID)); err != nil {
		return seeded{}, err
	}
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return seeded{}, err
	}
	return all, os.WriteFile(file, data, 0o600)
}

func readSeed(file string) (seeded, error) {
	var all seeded
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	return all, err
}

// people are an admin of both organizations, a viewer of one, and someone who
// belongs to neither.
func people(acme, globex uuid.UUID) []stack.OIDCUser {
	return []stack.OIDCUser{
		{Login: "ada", Name: "Ada Admin", Email: "ada@acme.example", Orgs: map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin, globex: schemas.RoleAdmin}},
		{Login: "vic", Name: "Vic Viewer", Email: "vic@acme.example", Orgs: map[uuid.UUID]schemas.Role{acme: schemas.RoleViewer}},
		{Login: "otto", Name: "Otto Outsider", Email: "otto@elsewhere.example", Orgs: map[uuid.UUID]schemas.Role{}},
	}
}

// apiClient calls Auditferry's HTTP API.
type apiClient struct{ url string }

func (c apiClient) createOrg(ctx context.Context, operatorKey, name string) (seededOrg, error) {
	var created schemas.Org
	body := map[string]any{"name": name, "notice_emails": []string{"admins@" + strings.ToLower(name) + ".example"}}
	if err := c.post(ctx, operatorKey, "/v1/orgs", body, &created); err != nil {
		return seededOrg{}, err
	}
	org := seededOrg{ID: created.ID, Name: created.Name}
	for role, key := range map[schemas.Role]*string{
		schemas.RoleAdmin: &org.AdminKey, schemas.RoleViewer: &org.ViewerKey, schemas.RoleIngest: &org.IngestKey,
	} {
		var answer struct {
			Secret string `json:"secret"`
		}
		body := map[string]any{"name": "make dev", "role": role}
		if err := c.post(ctx, operatorKey, "/v1/orgs/"+org.ID.String()+"/api-keys", body, &answer); err != nil {
			return seededOrg{}, err
		}
		*key = answer.Secret
	}
	return org, nil
}

// appendEvents records n events of the last hour.
func (c apiClient) appendEvents(ctx context.Context, key string, n int) error {
	actions := []string{"user.login", "document.viewed", "document.deleted", "role.granted"}
	events := make([]map[string]any, n)
	for i := range events {
		events[i] = map[string]any{
			"occurred_at": time.Now().Add(-time.Hour * time.Duration(n-i) / time.Duration(n)).UTC(),
			"action":      actions[i%len(actions)],
			"actor":       map[string]any{"type": "user", "id": fmt.Sprintf("u%d", i%17), "email": fmt.Sprintf("user%d@acme.example", i%17)},
			"targets":     []map[string]any{{"type": "document", "id": fmt.Sprintf("d%d", i)}},
			"outcome":     schemas.OutcomeSuccess,
		}
	}
	return c.post(ctx, key, "/v1/events", events, nil)
}

func (c apiClient) post(ctx context.Context, key, path string, body, answer any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", uuid.NewString())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it was read to its end
	answered, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("POST %s: %w", path, err)
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("POST %s: %s: %s", path, res.Status, answered)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(answered, answer)
}
