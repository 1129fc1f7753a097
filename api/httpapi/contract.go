package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/gin-gonic/gin"

	"github.com/auditferry/auditferry/schemas"
)

const (
	// maxBody bounds the body of every call but the appending of events.
	maxBody = 1 << 20

	// appendEvents is the one operation whose body is too large to be checked
	// against a schema; the service checks it event by event.
	appendEvents = "AppendEvents"
)

// contract checks requests against the OpenAPI document before they reach a
// handler. It looks its operations up by gin's own route, so that the two
// cannot disagree about what a path means.
type contract struct {
	document *openapi3.T
	calls    map[string]call // by routeKey
}

// call is one operation of the document.
type call struct {
	*routers.Route
	public bool // needs no caller
}

func newContract() (*contract, error) {
	document, err := openapi3.NewLoader().LoadFromData(schemas.OpenAPI)
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	if err := document.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("check the OpenAPI document: %w", err)
	}
	c := &contract{document: document, calls: map[string]call{}}
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			c.calls[routeKey(method, ginPath(path))] = newCall(document, path, method, *operation)
		}
	}
	return c, nil
}

func newCall(document *openapi3.T, path, method string, operation openapi3.Operation) call {
	public := operation.Security != nil && len(*operation.Security) == 0
	// The validator would read whole bodies for the sake of authentication,
	// which has been done by then.
	operation.Security = openapi3.NewSecurityRequirements()
	return call{
		Route: &routers.Route{
			Spec: document, Path: path, PathItem: document.Paths.Value(path), Method: method, Operation: &operation,
		},
		public: public,
	}
}

func routeKey(method, path string) string { return method + " " + path }

// ginPath writes {name} as :name.
func ginPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// call is the operation that a routed request is for.
func (t *contract) call(c *gin.Context) call {
	return t.calls[routeKey(c.Request.Method, c.FullPath())]
}

// check returns a *problem for a request that the document does not allow.
func (t *contract) check(c *gin.Context, call call) error {
	if err := checkQuery(c, call.Operation); err != nil {
		return err
	}
	if err := checkBody(c, call.Operation); err != nil {
		return err
	}
	input := &openapi3filter.RequestValidationInput{
		Request:     c.Request,
		PathParams:  pathParams(c),
		QueryParams: c.Request.URL.Query(),
		Route:       call.Route,
		Options: &openapi3filter.Options{
			ExcludeRequestBody:  call.Operation.OperationID == appendEvents,
			SkipSettingDefaults: true, // the service knows them too
			KeepValidatedValue:  true,
			MultiError:          true,
			SchemaValidationOptions: []openapi3.SchemaValidationOption{
				openapi3.WithStringFormatValidator("uuid", openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForUUIDOfRFC9562)),
			},
		},
	}
	return problemOfViolation(openapi3filter.ValidateRequest(c.Request.Context(), input))
}

// checkQuery refuses parameters that the operation does not have: a misspelled
// one would otherwise be silently without effect.
func checkQuery(c *gin.Context, operation *openapi3.Operation) error {
	for name := range c.Request.URL.Query() {
		if operation.Parameters.GetByInAndName(openapi3.ParameterInQuery, name) == nil {
			return newProblem(http.StatusBadRequest, "Leave out what is named in errors.",
				schemas.FieldError{Field: name, Message: "is not a query parameter of this call"})
		}
	}
	return nil
}

// checkBody refuses bodies of the wrong type or size, and bounds the one that
// will be read.
func checkBody(c *gin.Context, operation *openapi3.Operation) error {
	limit := int64(maxBody)
	if operation.OperationID == appendEvents {
		limit = schemas.MaxAppendBytes
	}
	if c.Request.ContentLength > limit {
		return bodyTooLarge(limit)
	}
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, limit)
	switch {
	case c.Request.ContentLength == 0:
		return nil
	case operation.RequestBody == nil:
		// Members that somebody hoped for would be silently without effect.
		return newProblem(http.StatusBadRequest, "This call takes no body; send none.")
	}
	if err := checkMediaType(c, operation.RequestBody.Value.Content); err != nil {
		return err
	}
	if operation.OperationID == appendEvents {
		return nil
	}
	return checkJSON(c)
}

func checkMediaType(c *gin.Context, content openapi3.Content) error {
	mediaType, _, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err == nil && content[mediaType] != nil {
		return nil
	}
	taken := slices.Sorted(maps.Keys(content))
	return newProblem(http.StatusUnsupportedMediaType, "Send the body as Content-Type: "+strings.Join(taken, " or ")+".")
}

// checkJSON refuses what is not one JSON value: the validator reads the first
// one and does not look at what follows.
func checkJSON(c *gin.Context) error {
	body, err := io.ReadAll(c.Request.Body)
	if err != nil {
		return fmt.Errorf("read a request: %w", err)
	}
	if len(body) > 0 && !json.Valid(body) {
		return newProblem(http.StatusBadRequest, "The body is not a JSON document.")
	}
	c.Request.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

func bodyTooLarge(limit int64) *problem {
	return newProblem(http.StatusRequestEntityTooLarge, fmt.Sprintf("Send at most %d bytes in one request.", limit))
}

func pathParams(c *gin.Context) map[string]string {
	params := make(map[string]string, len(c.Params))
	for _, param := range c.Params {
		params[param.Key] = param.Value
	}
	return params
}
