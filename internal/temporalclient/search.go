package temporalclient

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/auditferry/auditferry/schemas"
)

var (
	keyOrg         = temporal.NewSearchAttributeKeyKeyword(schemas.SearchOrg)
	keyIntegration = temporal.NewSearchAttributeKeyKeyword(schemas.SearchIntegration)
	keyExport      = temporal.NewSearchAttributeKeyKeyword(schemas.SearchExport)
)

// SearchAttributes are those by which operators find a workflow. What is nil
// is left out.
func SearchAttributes(org uuid.UUID, integration, export *uuid.UUID) temporal.SearchAttributes {
	set := []temporal.SearchAttributeUpdate{keyOrg.ValueSet(org.String())}
	if integration != nil {
		set = append(set, keyIntegration.ValueSet(integration.String()))
	}
	if export != nil {
		set = append(set, keyExport.ValueSet(export.String()))
	}
	return temporal.NewSearchAttributes(set...)
}

const (
	// A server with Elasticsearch takes up to a minute to make a new attribute
	// known to all of its processes.
	searchReadyTimeout = 2 * time.Minute
	searchReadyPoll    = 250 * time.Millisecond
)

// EnsureSearchAttributes registers our search attributes in the namespace that
// the environment names, and returns when they can be used. A server that lets
// nobody register any (Temporal Cloud) is fine as long as they exist; if they
// do not, the error says which are missing and how to add them.
func EnsureSearchAttributes(ctx context.Context, c client.Client) error {
	missing, err := missingSearchAttributes(ctx, c)
	if err != nil || len(missing) == 0 {
		return err
	}
	if err := register(ctx, c, missing); err != nil {
		return err
	}
	return awaitSearchAttributes(ctx, c)
}

// missingSearchAttributes asks with queries, because every client may query,
// while listing attributes is a right of administrators.
func missingSearchAttributes(ctx context.Context, c client.Client) ([]string, error) {
	var missing []string
	for _, name := range []string{schemas.SearchOrg, schemas.SearchIntegration, schemas.SearchExport} {
		_, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Query: fmt.Sprintf("%s = 'none'", name),
		})
		var invalid *serviceerror.InvalidArgument
		switch {
		case errors.As(err, &invalid):
			missing = append(missing, name)
		case err != nil:
			return nil, fmt.Errorf("look for search attribute %s: %w", name, err)
		}
	}
	return missing, nil
}

func register(ctx context.Context, c client.Client, names []string) error {
	options, err := environment()
	if err != nil {
		return err
	}
	types := make(map[string]enumspb.IndexedValueType, len(names))
	for _, name := range names {
		types[name] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace:        options.Namespace,
		SearchAttributes: types,
	})
	var exists *serviceerror.AlreadyExists // another program was quicker
	if err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("register search attributes in namespace %s (if this program may not, have an administrator add %s, each of type Keyword): %w",
			options.Namespace, strings.Join(names, ", "), err)
	}
	return nil
}

func awaitSearchAttributes(ctx context.Context, c client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, searchReadyTimeout)
	defer cancel()
	tick := time.NewTicker(searchReadyPoll)
	defer tick.Stop()
	for {
		missing, err := missingSearchAttributes(ctx, c)
		if err != nil || len(missing) == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for search attributes %s to become known: %w", strings.Join(missing, ", "), ctx.Err())
		case <-tick.C:
		}
	}
}
