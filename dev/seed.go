package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/dev/actor"
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

// seedEvents is how many audit events each organization begins with.
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
	vendor := actor.NewVendor(s.API.URL, s.API.OperatorKey)
	for _, name := range []string{"Acme", "Globex"} {
		org, err := seedOrg(ctx, vendor, name)
		if err != nil {
			return seeded{}, fmt.Errorf("%s: %w", name, err)
		}
		all.Orgs = append(all.Orgs, org)
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

func seedOrg(ctx context.Context, vendor actor.Vendor, name string) (seededOrg, error) {
	admin, product, err := vendor.Welcome(ctx, name, "admins@"+strings.ToLower(name)+".example")
	if err != nil {
		return seededOrg{}, err
	}
	viewerKey, err := vendor.NewKey(ctx, admin.Org.ID, schemas.RoleViewer)
	if err != nil {
		return seededOrg{}, err
	}
	if _, err := product.Report(ctx, seedEvents); err != nil {
		return seededOrg{}, err
	}
	return seededOrg{
		ID: admin.Org.ID, Name: name,
		AdminKey: admin.Key(), ViewerKey: viewerKey, IngestKey: product.Key(),
	}, nil
}

func readSeed(file string) (seeded, error) {
	var all seeded
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	return all, err
}

// people are an admin of both organizations, a viewer of one, someone who
// belongs to neither, an operator, and an operator who is also a viewer of one.
func people(acme, globex uuid.UUID) []stack.OIDCUser {
	return []stack.OIDCUser{
		{Login: "ada", Name: "Ada Admin", Email: "ada@acme.example", Orgs: map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin, globex: schemas.RoleAdmin}},
		{Login: "vic", Name: "Vic Viewer", Email: "vic@acme.example", Orgs: map[uuid.UUID]schemas.Role{acme: schemas.RoleViewer}},
		{Login: "otto", Name: "Otto Outsider", Email: "otto@elsewhere.example", Orgs: map[uuid.UUID]schemas.Role{}},
		{Login: "opal", Name: "Opal Operator", Email: "opal@auditferry.example", Orgs: map[uuid.UUID]schemas.Role{}, Operator: true},
		{Login: "omar", Name: "Omar Operator", Email: "omar@auditferry.example", Orgs: map[uuid.UUID]schemas.Role{acme: schemas.RoleViewer}, Operator: true},
	}
}
