package httpapi

import (
	"context"

	"github.com/auditferry/auditferry/api/service"
)

func (h handlers) ListProvisioningRequests(ctx context.Context, r ListProvisioningRequestsRequestObject) (ListProvisioningRequestsResponseObject, error) {
	ctx, caller := callerOf(ctx)
	list, err := h.service.ProvisioningRequests(ctx, caller, pageOf(r.Params.Cursor, r.Params.Limit))
	items := make([]ProvisioningRequest, len(list.Items))
	for i, request := range list.Items {
		items[i] = ProvisioningRequest{
			OrgId:           request.OrgID,
			OrgName:         request.OrgName,
			IntegrationId:   request.IntegrationID,
			IntegrationName: request.IntegrationName,
			Cloud:           request.Cloud,
			Destination:     request.Destination.URL(),
			Grant:           request.Grant,
			CreatedAt:       request.CreatedAt,
		}
	}
	return ListProvisioningRequests200JSONResponse{Items: items, NextCursor: cursor(list.NextCursor)}, err
}

func (h handlers) ProvisionIntegration(ctx context.Context, r ProvisionIntegrationRequestObject) (ProvisionIntegrationResponseObject, error) {
	ctx, call := callOf(ctx, r.Params.IdempotencyKey)
	op, err := h.service.Provision(ctx, call, service.Provision{
		OrgID:         r.Body.OrgId,
		IntegrationID: r.IntegrationId,
		Credentials:   r.Body.Credentials,
		Exclusive:     value(r.Body.Exclusive),
	})
	return ProvisionIntegration202JSONResponse{accepted(op)}, err
}
