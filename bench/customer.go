package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/schemas"
)

// customer is an organization with a log and an S3 bucket.
type customer struct {
	admin       actor.Admin
	product     actor.Product
	org         uuid.UUID
	log         loaded
	place       schemas.Destination
	integration uuid.UUID
}

// welcome makes an organization, loads its log and sets up its integration,
// all but the load in the way that an admin does.
func (b *bench) welcome(ctx context.Context, name string, events int64, made maker) (*customer, error) {
	admin, product, err := b.vendor.Welcome(ctx, name, "admin@"+name+".example")
	if err != nil {
		return nil, fmt.Errorf("make organization %s: %w", name, err)
	}
	c := &customer{admin: admin, product: product, org: admin.Org.ID}
	if events > 0 {
		b.say("Loading %d events", events)
		if c.log, err = b.load(ctx, c.org, events, made); err != nil {
			return nil, err
		}
		if err := b.settle(ctx, "audit_event"); err != nil {
			return nil, err
		}
	}
	return c, b.integrate(ctx, c, name)
}

func (b *bench) integrate(ctx context.Context, c *customer, name string) error {
	clouds := actor.CloudAdmin{Stack: b.stack, Name: name}
	c.place = clouds.Destination(schemas.AWS, "logs")
	if err := clouds.Prepare(ctx, c.place); err != nil {
		return fmt.Errorf("prepare %s: %w", c.place, err)
	}
	integration, op, err := c.admin.Integrate(ctx, name, c.place, clouds.Grant(schemas.AWS))
	if err == nil {
		_, err = c.admin.Await(ctx, op)
	}
	if err != nil {
		return fmt.Errorf("integrate %s: %w", c.place, err)
	}
	c.integration = integration
	credentials, err := c.admin.Credentials(ctx, integration)
	if err == nil {
		err = clouds.Allow(ctx, credentials, 0, c.place)
	}
	if err == nil {
		err = c.admin.AwaitAccess(ctx, integration)
	}
	if err != nil {
		return fmt.Errorf("grant access to %s: %w", c.place, err)
	}
	return nil
}

// output is how an export writes.
type output struct {
	format      schemas.Format
	compression schemas.Compression
}

func (o output) String() string { return fmt.Sprintf("%s, %s", o.format, o.compression) }

// refusal is the API's answer to what it does not offer.
type refusal struct{ problem actor.Problem }

func (r *refusal) Error() string { return "the API refuses it: " + r.problem.Error() }

// export makes an export of all that is retained, which does not become due by
// itself while the benchmarks run.
func (b *bench) export(ctx context.Context, c *customer, out output) (uuid.UUID, error) {
	b.exports++
	inThreeDays := time.Now().UTC().AddDate(0, 0, 3).Weekday().String()
	op, err := b.post(ctx, c, "/v1/exports", map[string]any{
		"name":           fmt.Sprintf("Bench %d", b.exports),
		"integration_id": c.integration,
		"schedule":       map[string]any{"kind": "weekly", "weekdays": []string{strings.ToLower(inThreeDays)}, "at": "00:00"},
		"format":         out.format,
		"compression":    out.compression,
		"start_from":     schemas.StartEarliest,
	})
	if err == nil {
		op, err = c.admin.Await(ctx, op)
	}
	if err != nil {
		return uuid.Nil, fmt.Errorf("create an export (%s): %w", out, err)
	}
	return *op.ExportID, nil
}

// post sends a command that dev/actor has no method for.
func (b *bench) post(ctx context.Context, c *customer, path string, in any) (op schemas.Operation, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return op, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.stack.API.URL+path, bytes.NewReader(body))
	if err != nil {
		return op, err
	}
	request.Header.Set("Authorization", "Bearer "+c.admin.Key())
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", uuid.NewString())
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return op, err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end below
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return op, err
	}
	if response.StatusCode >= http.StatusBadRequest {
		refused := &refusal{actor.Problem{Status: response.StatusCode, Title: string(answer)}}
		_ = json.Unmarshal(answer, &refused.problem) // if it is none, its text is the title
		return op, refused
	}
	return op, json.Unmarshal(answer, &op)
}
