package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/auditferry/auditferry/schemas"
)

func (h handlers) GetOperation(ctx context.Context, r GetOperationRequestObject) (GetOperationResponseObject, error) {
	ctx, caller := callerOf(ctx)
	var wait time.Duration
	if r.Params.Wait != nil {
		var err error
		if wait, err = time.ParseDuration(*r.Params.Wait); err != nil {
			return nil, newProblem(http.StatusBadRequest, "Change the parameter named in errors.",
				schemas.FieldError{Field: "wait", Message: "must be a duration such as 30s"})
		}
	}
	op, err := h.service.Operation(ctx, caller, r.OperationId, wait)
	return GetOperation200JSONResponse(op), err
}
