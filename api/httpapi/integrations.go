package httpapi

import (
	"context"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// accepted is the answer to every command.
func accepted(op schemas.Operation) AcceptedJSONResponse {
	return AcceptedJSONResponse{Body: op, Headers: AcceptedResponseHeaders{Location: "/v1/operations/" + op.ID.String()}}
}

func (h handlers) ListIntegrations(ctx context.Context, r ListIntegrationsRequestObject) (ListIntegrationsResponseObject, error) {
	ctx, caller := callerOf(ctx)
	list, err := h.service.Integrations(ctx, caller, pageOf(r.Params.Cursor, r.Params.Limit), value(r.Params.IncludeDeleted))
	return ListIntegrations200JSONResponse{Items: list.Items, NextCursor: cursor(list.NextCursor)}, err
}

func (h handlers) GetIntegration(ctx context.Context, r GetIntegrationRequestObject) (GetIntegrationResponseObject, error) {
	ctx, caller := callerOf(ctx)
	integration, err := h.service.Integration(ctx, caller, r.IntegrationId)
	return GetIntegration200JSONResponse(integration), err
}

func (h handlers) GetCredentials(ctx context.Context, r GetCredentialsRequestObject) (GetCredentialsResponseObject, error) {
	ctx, caller := callerOf(ctx)
	credentials, err := h.service.Credentials(ctx, caller, r.IntegrationId)
	return GetCredentials200JSONResponse(credentials), err
}

func (h handlers) ListLinkedExports(ctx context.Context, r ListLinkedExportsRequestObject) (ListLinkedExportsResponseObject, error) {
	ctx, caller := callerOf(ctx)
	exports, err := h.service.LinkedExports(ctx, caller, r.IntegrationId, false)
	return ListLinkedExports200JSONResponse{Items: exports}, err
}

func (h handlers) CreateIntegration(ctx context.Context, r CreateIntegrationRequestObject) (CreateIntegrationResponseObject, error) {
	ctx, call := callOf(ctx, r.Params.IdempotencyKey)
	op, err := h.service.CreateIntegration(ctx, call, service.CreateIntegration{
		Name:        r.Body.Name,
		Cloud:       r.Body.Cloud,
		Destination: r.Body.Destination,
		RoleARN:     value(r.Body.RoleArn),
		BucketOwner: value(r.Body.BucketOwner),
		TenantID:    value(r.Body.TenantId),
	})
	return CreateIntegration202JSONResponse{accepted(op)}, err
}

func (h handlers) UpdateDestination(ctx context.Context, r UpdateDestinationRequestObject) (UpdateDestinationResponseObject, error) {
	ctx, call := callOf(ctx, r.Params.IdempotencyKey)
	op, err := h.service.UpdateDestination(ctx, call, service.UpdateDestination{
		IntegrationID: r.IntegrationId,
		Destination:   r.Body.Destination,
		BucketOwner:   value(r.Body.BucketOwner),
		Retarget:      value(r.Body.Retarget),
	})
	return UpdateDestination202JSONResponse{accepted(op)}, err
}

func (h handlers) CheckAccess(ctx context.Context, r CheckAccessRequestObject) (CheckAccessResponseObject, error) {
	ctx, call := callOf(ctx, r.Params.IdempotencyKey)
	op, err := h.service.CheckAccess(ctx, call, service.CheckAccess{
		IntegrationID: r.IntegrationId,
		AcceptOwner:   value(value(r.Body).AcceptOwner),
	})
	return CheckAccess202JSONResponse{accepted(op)}, err
}

func (h handlers) DeleteIntegration(ctx context.Context, r DeleteIntegrationRequestObject) (DeleteIntegrationResponseObject, error) {
	ctx, call := callOf(ctx, nil)
	op, err := h.service.DeleteIntegration(ctx, call, service.DeleteIntegration{
		IntegrationID: r.IntegrationId,
		DeleteExports: value(r.Params.DeleteExports),
	})
	return DeleteIntegration202JSONResponse{accepted(op)}, err
}
