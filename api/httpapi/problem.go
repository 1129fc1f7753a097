package httpapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// problem is an RFC 9457 problem document. It is an error, so that whatever
// finds something wrong can return it.
type problem struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail"`
	RequestID string         `json:"request_id,omitempty"`
	Errors    []fieldProblem `json:"errors,omitempty"`
}

type fieldProblem struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

func (p *problem) Error() string { return p.Detail }

// problemTypes holds the stable part of every problem.
var problemTypes = map[int]struct{ name, title string }{
	http.StatusBadRequest:            {"malformed-request", "The request cannot be read"},
	http.StatusUnauthorized:          {"unauthenticated", "A valid API key is needed"},
	http.StatusForbidden:             {"forbidden", "The role may not do this"},
	http.StatusNotFound:              {"not-found", "There is no such thing"},
	http.StatusMethodNotAllowed:      {"method-not-allowed", "The method does not go with this address"},
	http.StatusConflict:              {"conflict", "Not in the present state"},
	http.StatusRequestEntityTooLarge: {"too-large", "The body is too large"},
	http.StatusUnsupportedMediaType:  {"unsupported-media-type", "The Content-Type is not taken"},
	http.StatusUnprocessableEntity:   {"invalid-values", "A value is wrong"},
	http.StatusInternalServerError:   {"internal", "Internal error"},
	http.StatusServiceUnavailable:    {"unavailable", "Not ready"},
}

func newProblem(status int, detail string, fields ...schemas.FieldError) *problem {
	kind := problemTypes[status]
	p := &problem{Type: "urn:auditferry:problem:" + kind.name, Title: kind.title, Status: status, Detail: detail}
	for _, field := range fields {
		p.Errors = append(p.Errors, fieldProblem(field))
	}
	return p
}

var statusOf = map[service.Kind]int{
	service.Unauthenticated: http.StatusUnauthorized,
	service.Forbidden:       http.StatusForbidden,
	service.NotFound:        http.StatusNotFound,
	service.Conflict:        http.StatusConflict,
	service.Invalid:         http.StatusUnprocessableEntity,
	service.Busy:            http.StatusServiceUnavailable,
}

// problemOf is the one place where errors become HTTP. Expected is false for
// an error that is the service's own fault; the problem then says nothing of
// it.
func problemOf(err error) (p *problem, expected bool) {
	var known *service.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p, true
	case errors.As(err, &known):
		return newProblem(statusOf[known.Kind], known.Detail, known.Fields...), true
	case errors.As(err, &tooLarge):
		return bodyTooLarge(tooLarge.Limit), true
	default:
		return newProblem(http.StatusInternalServerError, "Internal error."), false
	}
}

// fail answers with the problem that err is. A refusal is recorded first; one
// that cannot be is answered as an internal error.
func (a *api) fail(c *gin.Context, err error) {
	if unrecorded := a.recordRefused(c, err); unrecorded != nil {
		err = unrecorded
	}
	p, expected := problemOf(err)
	// Nobody reads the answer to a request that was given up, and there is no
	// fault behind it.
	givenUp := errors.Is(err, context.Canceled) && c.Request.Context().Err() != nil
	if !expected && !givenUp {
		a.log.Error("request failed", append(requestFields(c), zap.Error(err))...)
	}
	a.answer(c, p)
}

func (a *api) recordRefused(c *gin.Context, err error) error {
	ctx, caller := callerOf(c)
	request := service.Request{Method: c.Request.Method, Route: a.contract.call(c).Path}
	if last := len(c.Params) - 1; last >= 0 {
		request.ID = c.Params[last].Value
	}
	return a.service.RecordRefused(ctx, caller, request, err)
}

func (a *api) answer(c *gin.Context, p *problem) {
	answer := *p
	answer.RequestID = c.GetString(keyRequestID)
	if p.Status == http.StatusUnauthorized {
		c.Header("WWW-Authenticate", `Bearer realm="auditferry"`)
	}
	c.Abort()
	if c.Writer.Written() {
		panic(http.ErrAbortHandler) // the answer has begun; its reader must see that it is not whole
	}
	c.Header("Content-Type", "application/problem+json")
	c.JSON(p.Status, answer)
}
