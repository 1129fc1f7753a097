package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

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

// checkQuery refuses parameters that the operation does not have, and those
// that cannot be read: they would otherwise be silently without effect.
func checkQuery(c *gin.Context, operation *openapi3.Operation) error {
	query, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		return newProblem(http.StatusBadRequest, "The query cannot be read: "+err.Error()+".")
	}
	for name := range query {
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
		readAway(c, 2*limit)
		return bodyTooLarge(limit)
	}
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, limit)
	switch {
	case c.Request.ContentLength == 0:
		return nil
	case operation.RequestBody == nil:
		return checkNoBody(c.Request.Body)
	}
	if err := checkMediaType(c, operation.RequestBody.Value.Content); err != nil {
		return err
	}
	if operation.OperationID == appendEvents {
		return nil
	}
	return checkJSON(c)
}

// readAway takes the beginning of a body that nobody wants: a client that sends
// all before it reads would find the connection closed, and not learn why. One
// that asks first is answered without.
func readAway(c *gin.Context, atMost int64) {
	if c.GetHeader("Expect") == "" {
		_, _ = io.CopyN(io.Discard, c.Request.Body, atMost) // how it ends changes nothing
	}
}

// checkNoBody refuses members that somebody hoped for and that would be
// silently without effect. Only reading tells when a client has announced a
// body of unknown length, as some do for every POST.
func checkNoBody(body io.Reader) error {
	content, err := readBody(io.LimitReader(body, 1))
	if err == nil && len(content) > 0 {
		err = newProblem(http.StatusBadRequest, "This call takes no body; send none.")
	}
	return err
}

// readBody reads the body of a request.
func readBody(body io.Reader) ([]byte, error) {
	var content bytes.Buffer
	err := readInto(&content, body)
	return content.Bytes(), err
}

// readInto appends the body of a request to content. When it breaks off, that
// is the client's doing or the network's, and no fault of the service.
func readInto(content *bytes.Buffer, body io.Reader) error {
	_, err := content.ReadFrom(body)
	var tooLarge *http.MaxBytesError
	if err == nil || errors.As(err, &tooLarge) {
		return err
	}
	return newProblem(http.StatusBadRequest, "The body broke off. Send the request again.")
}

func checkMediaType(c *gin.Context, content openapi3.Content) error {
	mediaType, _, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err == nil && content[mediaType] != nil {
		return nil
	}
	taken := slices.Sorted(maps.Keys(content))
	return newProblem(http.StatusUnsupportedMediaType, "Send the body as Content-Type: "+strings.Join(taken, " or ")+".")
}

// checkJSON refuses what is not one JSON value in UTF-8: the validator reads the
// first one and does not look at what follows, and Go's decoder silently
// changes what is not UTF-8.
func checkJSON(c *gin.Context) error {
	body, err := readBody(c.Request.Body)
	if err != nil {
		return err
	}
	if len(body) > 0 && (!utf8.Valid(body) || !json.Valid(body)) {
		return newProblem(http.StatusBadRequest, "The body is not a JSON document in UTF-8.")
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
