package httpapi

import (
	"context"

	"github.com/auditferry/auditferry/api/service"
)

func (h handlers) ListExports(ctx context.Context, r ListExportsRequestObject) (ListExportsResponseObject, error) {
	ctx, caller := callerOf(ctx)
	list, err := h.service.Exports(ctx, caller, pageOf(r.Params.Cursor, r.Params.Limit), value(r.Params.IncludeDeleted))
	return ListExports200JSONResponse{Items: list.Items, NextCursor: cursor(list.NextCursor)}, err
}

func (h handlers) GetExport(ctx context.Context, r GetExportRequestObject) (GetExportResponseObject, error) {
	ctx, caller := callerOf(ctx)
	export, err := h.service.Export(ctx, caller, r.ExportId)
	return GetExport200JSONResponse(export), err
}

func (h handlers) ListRuns(ctx context.Context, r ListRunsRequestObject) (ListRunsResponseObject, error) {
	ctx, caller := callerOf(ctx)
	list, err := h.service.Runs(ctx, caller, r.ExportId, pageOf(r.Params.Cursor, r.Params.Limit))
	return ListRuns200JSONResponse{Items: list.Items, NextCursor: cursor(list.NextCursor)}, err
}

func (h handlers) GetRun(ctx context.Context, r GetRunRequestObject) (GetRunResponseObject, error) {
	ctx, caller := callerOf(ctx)
	run, err := h.service.Run(ctx, caller, r.ExportId, r.RunId)
	return GetRun200JSONResponse{Run: run.Run, Objects: run.Objects}, err
}

func (h handlers) CreateExport(ctx context.Context, r CreateExportRequestObject) (CreateExportResponseObject, error) {
	ctx, call := callOf(ctx, r.Params.IdempotencyKey)
	op, err := h.service.CreateExport(ctx, call, service.CreateExport{
		Name:          r.Body.Name,
		IntegrationID: r.Body.IntegrationId,
		Schedule:      r.Body.Schedule,
		Format:        value(r.Body.Format),
		Compression:   value(r.Body.Compression),
		PathTemplate:  r.Body.PathTemplate,
		Filter:        value(r.Body.Filter),
		StartFrom:     value(r.Body.StartFrom),
	})
	return CreateExport202JSONResponse{accepted(op)}, err
}

func (h handlers) PreviewExport(ctx context.Context, r PreviewExportRequestObject) (PreviewExportResponseObject, error) {
	ctx, caller := callerOf(ctx)
	preview, err := h.service.PreviewExport(ctx, caller, service.PreviewExport{
		Name:          value(r.Body.Name),
		IntegrationID: r.Body.IntegrationId,
		Destination:   value(r.Body.Destination),
		Format:        value(r.Body.Format),
		Compression:   value(r.Body.Compression),
		PathTemplate:  r.Body.PathTemplate,
		Filter:        value(r.Body.Filter),
		Times:         value(r.Body.Times),
		Events:        value(r.Body.Events),
	})
	return PreviewExport200JSONResponse(preview), err
}

func (h handlers) EditExport(ctx context.Context, r EditExportRequestObject) (EditExportResponseObject, error) {
	ctx, call := callOf(ctx, nil)
	op, err := h.service.EditExport(ctx, call, service.EditExport{
		ExportID:     r.ExportId,
		Name:         r.Body.Name,
		Schedule:     r.Body.Schedule,
		Format:       r.Body.Format,
		Compression:  r.Body.Compression,
		PathTemplate: r.Body.PathTemplate,
		Filter:       r.Body.Filter,
		SpecVersion:  r.Body.SpecVersion,
	})
	return EditExport202JSONResponse{accepted(op)}, err
}

func (h handlers) PauseExport(ctx context.Context, r PauseExportRequestObject) (PauseExportResponseObject, error) {
	ctx, call := callOf(ctx, r.Params.IdempotencyKey)
	op, err := h.service.PauseExport(ctx, call, service.PauseExport{ExportID: r.ExportId})
	return PauseExport202JSONResponse{accepted(op)}, err
}

func (h handlers) ResumeExport(ctx context.Context, r ResumeExportRequestObject) (ResumeExportResponseObject, error) {
	ctx, call := callOf(ctx, r.Params.IdempotencyKey)
	op, err := h.service.ResumeExport(ctx, call, service.ResumeExport{
		ExportID: r.ExportId,
		Retarget: value(value(r.Body).Retarget),
	})
	return ResumeExport202JSONResponse{accepted(op)}, err
}

func (h handlers) RelinkExport(ctx context.Context, r RelinkExportRequestObject) (RelinkExportResponseObject, error) {
	ctx, call := callOf(ctx, r.Params.IdempotencyKey)
	op, err := h.service.RelinkExport(ctx, call, service.RelinkExport{
		ExportID:      r.ExportId,
		IntegrationID: r.Body.IntegrationId,
		SpecVersion:   r.Body.SpecVersion,
	})
	return RelinkExport202JSONResponse{accepted(op)}, err
}

func (h handlers) RunExport(ctx context.Context, r RunExportRequestObject) (RunExportResponseObject, error) {
	ctx, call := callOf(ctx, r.Params.IdempotencyKey)
	op, err := h.service.RunExport(ctx, call, service.RunExport{ExportID: r.ExportId})
	return RunExport202JSONResponse{accepted(op)}, err
}

func (h handlers) DeleteExport(ctx context.Context, r DeleteExportRequestObject) (DeleteExportResponseObject, error) {
	ctx, call := callOf(ctx, nil)
	op, err := h.service.DeleteExport(ctx, call, service.DeleteExport{ExportID: r.ExportId})
	return DeleteExport202JSONResponse{accepted(op)}, err
}
