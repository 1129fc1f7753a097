package httpapi

import (
	"context"
	"io"
	"net/http"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/auditferry/auditferry/api/download"
	"github.com/auditferry/auditferry/api/service"
)

func (h handlers) GetLedger(ctx context.Context, r GetLedgerRequestObject) (GetLedgerResponseObject, error) {
	ctx, caller := callerOf(ctx)
	ledger, err := h.service.Ledger(ctx, caller, r.ExportId, periodOf(r.Params.From, r.Params.To))
	return GetLedger200JSONResponse{
		From:   openapi_types.Date{Time: ledger.From},
		To:     openapi_types.Date{Time: ledger.To},
		Days:   ledger.Days,
		Totals: ledger.Totals,
	}, err
}

func (h handlers) DownloadLedger(ctx context.Context, r DownloadLedgerRequestObject) (DownloadLedgerResponseObject, error) {
	ctx, caller := callerOf(ctx)
	file, err := h.service.LedgerFile(ctx, caller, r.ExportId,
		service.LedgerContent(r.Params.Content), periodOf(r.Params.From, r.Params.To))
	return ledgerFile{ctx, file}, err
}

func periodOf(from, to *openapi_types.Date) service.Period {
	var period service.Period
	if from != nil {
		period.From = &from.Time
	}
	if to != nil {
		period.To = &to.Time
	}
	return period
}

// ledgerFile is the answer that is a file.
type ledgerFile struct {
	ctx  context.Context
	file service.LedgerFile
}

// VisitDownloadLedgerResponse writes the file as its rows are read. Until the
// first block is sent, an error can still become a problem.
func (l ledgerFile) VisitDownloadLedgerResponse(w http.ResponseWriter) error {
	_, err := download.File{
		Name:      l.file.Name,
		MediaType: "text/csv; charset=utf-8; header=present",
		Write:     func(to io.Writer) error { return l.file.Write(l.ctx, to) },
	}.Send(w)
	return err
}
