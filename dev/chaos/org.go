package chaos

import (
	"context"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/schemas"
)

// org is one org with the people around it.
type org struct {
	name    string
	admin   actor.Admin
	client  client // the admin's
	product client
	clouds  actor.CloudAdmin
	ferries []*ferry

	mu       sync.Mutex
	acked    []acked
	commands map[string]int // given, by kind
	refused  map[string]int // that the state did not allow, by kind
}

// ferry is an integration, and its exports.
type ferry struct {
	cloud       schemas.Cloud
	integration uuid.UUID
	place       int // which of folders it was last sent to
	exports     []*export
	extras      int // exports that were made during the play
}

// export is one export as its admin knows it.
type export struct {
	id      uuid.UUID
	name    string
	deleted bool
}

// folders are where an integration's destination moves around. It comes back to
// places that it has left.
var folders = []string{"audit", "archive", "vault"}

var compressions = []schemas.Compression{schemas.CompressionGzip, schemas.CompressionZstd, schemas.CompressionNone}

func (o *org) folder(cloud schemas.Cloud, n int) schemas.Destination {
	return o.clouds.Destination(cloud, folders[n%len(folders)])
}

func (o *org) mail() string { return "ada@" + o.name + ".example" }

// settleIn makes the orgs, with an export to each of the three clouds.
func (p *play) settleIn(ctx context.Context) error {
	vendor := actor.NewVendor(p.stack.API.URL, p.stack.API.OperatorKey)
	accounts := []string{"acmeaudit", "acmearchive", "globexaudit"}
	for n := range p.Orgs {
		o := &org{name: fmt.Sprintf("org%d", n+1), commands: map[string]int{}, refused: map[string]int{}}
		o.clouds = actor.CloudAdmin{Stack: p.stack, Name: o.name, Account: accounts[n%len(accounts)]}
		admin, product, err := vendor.Welcome(ctx, o.name, o.mail())
		if err != nil {
			return err
		}
		o.admin = admin
		o.client = client{p.stack.API.URL, admin.Key()}
		o.product = client{p.stack.API.URL, product.Key()}
		p.orgs = append(p.orgs, o)
		for c, cloud := range schemas.Clouds() {
			compression := compressions[(n+c)%len(compressions)]
			if err := o.embark(ctx, cloud, compression); err != nil {
				return fmt.Errorf("%s to %s: %w", o.name, cloud, err)
			}
		}
	}
	p.say("%d orgs export to three clouds each. The seed is %d.", p.Orgs, p.Seed)
	return nil
}

// embark makes an integration that may write to all its folders, and an export.
func (o *org) embark(ctx context.Context, cloud schemas.Cloud, compression schemas.Compression) error {
	f := &ferry{cloud: cloud}
	var places []schemas.Destination
	for n := range folders {
		places = append(places, o.folder(cloud, n))
	}
	if err := o.clouds.Prepare(ctx, places...); err != nil {
		return err
	}
	id, op, err := o.admin.Integrate(ctx, "To "+string(cloud), places[0], o.clouds.Grant(cloud))
	if err != nil {
		return err
	}
	f.integration = id
	if _, err := o.admin.Await(ctx, op); err != nil {
		return err
	}
	credentials, err := o.admin.Credentials(ctx, id)
	if err != nil {
		return err
	}
	if err := o.clouds.Allow(ctx, credentials, 0, places...); err != nil {
		return err
	}
	name := "Everything to " + string(cloud)
	made, op, err := o.admin.Export(ctx, name, id, schemas.MinInterval, compression)
	if err != nil {
		return err
	}
	if _, err := o.admin.Await(ctx, op); err != nil {
		return err
	}
	f.exports = append(f.exports, &export{id: made, name: name})
	o.ferries = append(o.ferries, f)
	return nil
}
