package httpapi

import (
	"context"

	"github.com/auditferry/auditferry/api/service"
)

func (h handlers) ListBackfills(ctx context.Context, r ListBackfillsRequestObject) (ListBackfillsResponseObject, error) {
	ctx, caller := callerOf(ctx)
	list, err := h.service.Backfills(ctx, caller, r.ExportId, pageOf(r.Params.Cursor, r.Params.Limit))
	return ListBackfills200JSONResponse{Items: list.Items, NextCursor: cursor(list.NextCursor)}, err
}

func (h handlers) GetBackfill(ctx context.Context, r GetBackfillRequestObject) (GetBackfillResponseObject, error) {
	ctx, caller := callerOf(ctx)
	backfill, err := h.service.Backfill(ctx, caller, r.ExportId, r.BackfillId)
	return GetBackfill200JSONResponse(backfill), err
}

func (h handlers) CreateBackfill(ctx context.Context, r CreateBackfillRequestObject) (CreateBackfillResponseObject, error) {
	ctx, call := callOf(ctx, r.Params.IdempotencyKey)
	op, err := h.service.CreateBackfill(ctx, call, service.CreateBackfill{
		ExportID:     r.ExportId,
		Range:        service.BackfillRange{FirstSeq: r.Body.FirstSeq, LastSeq: r.Body.LastSeq, From: r.Body.From, To: r.Body.To},
		Format:       r.Body.Format,
		Compression:  r.Body.Compression,
		PathTemplate: r.Body.PathTemplate,
		Filter:       r.Body.Filter,
	})
	return CreateBackfill202JSONResponse{accepted(op)}, err
}

func (h handlers) CancelBackfill(ctx context.Context, r CancelBackfillRequestObject) (CancelBackfillResponseObject, error) {
	ctx, call := callOf(ctx, r.Params.IdempotencyKey)
	op, err := h.service.CancelBackfill(ctx, call, service.CancelBackfill{ExportID: r.ExportId, BackfillID: r.BackfillId})
	return CancelBackfill202JSONResponse{accepted(op)}, err
}
