// Package pictures makes organizations that show every state of the portal, and
// takes a picture of each of its pages.
package pictures

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/schemas"
)

// SceneEnv is what a stack of a scene is started with: Google's credentials
// come from an operator, so that there is something for one to do, and objects
// are small, so that runs have several.
func SceneEnv() []string {
	return []string{"AUDITFERRY_PROVISIONER_GCP=external", "AUDITFERRY_RECONCILE_EVERY=2s", "AUDITFERRY_EXPORT_PART_BYTES=16384"}
}

// Scene is an organization with something in every state, one with nothing, and
// one in which everything has a long name.
type Scene struct {
	Stack *stack.Stack
	Users []stack.OIDCUser // to be made known to the identity provider

	name   string
	vendor actor.Vendor
	admin  actor.Admin // of Acme
	prod   actor.Product
	empty  schemas.Org

	remembered int64 // the newest event that was recorded on a past day

	active, awaiting, provisioning, denied, warned, unproven, deleted uuid.UUID // integrations
	nightly, paused, moved, orphan, failing, late, stuck, discarded   uuid.UUID // exports
	goodRun, failedRun, lateRun, stuckRun                             uuid.UUID
	key, revokedKey                                                   uuid.UUID

	opMoved, opDeleted, opUnderWay, opBackfilling, opFailed schemas.Operation

	long longOrg
}

// NewScene makes the organizations; what they have in clouds, and how their
// people sign in, begins with name.
func NewScene(ctx context.Context, s *stack.Stack, name string) (*Scene, error) {
	o := &Scene{Stack: s, name: name, vendor: actor.NewVendor(s.API.URL, s.API.OperatorKey)}
	type made = func(context.Context) error
	for _, stage := range [][]made{
		{o.welcome},
		{o.remember, o.integrate},
		{o.fail}, // alone, since it has to know the numbers of the next events
		{o.deliver, o.pause, o.move, o.orphanOne, o.discard, o.fallBehind, o.await, o.provision, o.deny, o.warn, o.doubt, o.giveUp, o.makeKeys, o.makeLong},
		{o.forget},
		{o.catchUp, o.stall, o.goOn},
	} {
		group, ctx := errgroup.WithContext(ctx)
		for _, make := range stage {
			group.Go(func() error { return make(ctx) })
		}
		if err := group.Wait(); err != nil {
			return nil, fmt.Errorf("make the scene %s: %w", name, err)
		}
	}
	return o, nil
}

// The people of a scene, who sign in with its name behind theirs.
const (
	Admin    = "ada"
	Viewer   = "vic"
	Operator = "opal"
	Outsider = "otto"
)

// Login is how one of them signs in.
func (o *Scene) Login(who string) string { return who + "-" + o.name }

func (o *Scene) welcome(ctx context.Context) (err error) {
	if o.admin, o.prod, err = o.vendor.Welcome(ctx, "Acme", "security@acme.example", "audit@acme.example"); err != nil {
		return err
	}
	other, _, err := o.vendor.Welcome(ctx, "Globex", []string{}...)
	if err != nil {
		return err
	}
	o.empty = other.Org
	if o.long.admin, o.long.prod, err = o.vendor.Welcome(ctx, longOrgName, longAddress); err != nil {
		return err
	}
	acme, globex, long := o.admin.Org.ID, o.empty.ID, o.long.admin.Org.ID
	o.Users = []stack.OIDCUser{
		{Login: o.Login(Admin), Name: "Ada Admin", Email: "ada@acme.example", Orgs: map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin, globex: schemas.RoleAdmin, long: schemas.RoleAdmin}},
		{Login: o.Login(Viewer), Name: "Vic Viewer", Email: "vic@acme.example", Orgs: map[uuid.UUID]schemas.Role{acme: schemas.RoleViewer}},
		{Login: o.Login(Operator), Name: "Opal Operator", Email: "opal@auditferry.example", Operator: true},
		{Login: o.Login(Outsider), Name: "Otto Outsider", Email: "otto@elsewhere.example"},
	}
	return nil
}

func (o *Scene) makeKeys(ctx context.Context) error {
	if _, err := o.vendor.NewKey(ctx, o.admin.Org.ID, schemas.RoleViewer); err != nil {
		return err
	}
	keys, err := o.admin.Keys(ctx)
	if err != nil {
		return err
	}
	for _, key := range keys {
		switch key.Role {
		case schemas.RoleIngest:
			o.key = key.ID
		case schemas.RoleViewer:
			o.revokedKey = key.ID
		}
	}
	status, err := o.admin.Status(ctx, http.MethodDelete, "/v1/api-keys/"+o.revokedKey.String(), nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("revoking an API key answers %d", status)
	}
	return err
}
