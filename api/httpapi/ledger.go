package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"time"

	openapi_types "github.com/oapi-codegen/runtime/types"

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
	return download{ctx, file}, err
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

// download is the answer that is a file of unknown length.
type download struct {
	ctx  context.Context
	file service.LedgerFile
}

// downloadBlock is how much of a file is sent at a time.
const downloadBlock = 32 << 10

// VisitDownloadLedgerResponse writes the file as its rows are read. Until the
// first block is sent, an error can still become a problem.
func (d download) VisitDownloadLedgerResponse(w http.ResponseWriter) error {
	out := bufio.NewWriterSize(&patientWriter{to: w, begin: d.header}, downloadBlock)
	if err := d.file.Write(d.ctx, out); err != nil {
		return err
	}
	return out.Flush()
}

func (d download) header(h http.Header) {
	h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", d.file.Name))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}

// blockTimeout is how long a reader may take for one block of a file. A file as
// a whole may take longer than the server gives other answers.
const blockTimeout = 30 * time.Second

// patientWriter sends the header with the first block, and extends the time for
// the answer with every one.
type patientWriter struct {
	to    http.ResponseWriter
	begin func(http.Header)
	begun bool
}

func (p *patientWriter) Write(block []byte) (int, error) {
	if !p.begun {
		p.begun = true
		p.begin(p.to.Header())
	}
	if err := http.NewResponseController(p.to).SetWriteDeadline(time.Now().Add(blockTimeout)); err != nil {
		return 0, fmt.Errorf("extend the time for an answer: %w", err)
	}
	return p.to.Write(block)
}
