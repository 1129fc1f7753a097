package httpapi

import (
	"context"

	"github.com/auditferry/auditferry/api/service"
)

func (h handlers) GetSetup(ctx context.Context, r GetSetupRequestObject) (GetSetupResponseObject, error) {
	ctx, caller := callerOf(ctx)
	guide, err := h.service.Setup(ctx, caller, r.IntegrationId)
	return GetSetup200JSONResponse(guide), err
}

func (h handlers) PreviewSetup(ctx context.Context, r PreviewSetupRequestObject) (PreviewSetupResponseObject, error) {
	_, caller := callerOf(ctx)
	guide, err := h.service.SetupPreview(caller, service.SetupPreview{
		Cloud:       r.Params.Cloud,
		Destination: r.Params.Destination,
		RoleARN:     value(r.Params.RoleArn),
		BucketOwner: value(r.Params.BucketOwner),
		TenantID:    value(r.Params.TenantId),
	})
	return PreviewSetup200JSONResponse(guide), err
}

func (h handlers) ListAccessAttempts(ctx context.Context, r ListAccessAttemptsRequestObject) (ListAccessAttemptsResponseObject, error) {
	ctx, caller := callerOf(ctx)
	list, err := h.service.AccessAttempts(ctx, caller, r.IntegrationId, pageOf(r.Params.Cursor, r.Params.Limit))
	return ListAccessAttempts200JSONResponse{Items: list.Items, NextCursor: cursor(list.NextCursor)}, err
}

func (h handlers) ProveOwnership(ctx context.Context, r ProveOwnershipRequestObject) (ProveOwnershipResponseObject, error) {
	ctx, call := callOf(ctx, r.Params.IdempotencyKey)
	op, err := h.service.ProveOwnership(ctx, call, service.ProveOwnership{
		IntegrationID: r.IntegrationId,
		Code:          r.Body.Code,
	})
	return ProveOwnership202JSONResponse{accepted(op)}, err
}
