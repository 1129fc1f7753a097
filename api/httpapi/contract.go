package httpapi

import (
	"context"
	"errors"
	"fmt"
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
	routes   map[string]*routers.Route
}

func newContract() (*contract, error) {
	document, err := openapi3.NewLoader().LoadFromData(schemas.OpenAPI)
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	if err := document.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("check the OpenAPI document: %w", err)
	}
	c := &contract{document: document, routes: map[string]*routers.Route{}}
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			c.routes[routeKey(method, ginPath(path))] = &routers.Route{
				Spec: document, Path: path, PathItem: item, Method: method, Operation: operation,
			}
		}
	}
	return c, nil
}

func routeKey(method, path string) string { return method + " " + path }

// ginPath writes {name} as :name.
func ginPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// route is the operation that the request is for; nil when it is for none.
func (t *contract) route(c *gin.Context) *routers.Route {
	return t.routes[routeKey(c.Request.Method, c.FullPath())]
}

// needsCaller tells whether the operation is for known callers only.
func needsCaller(route *routers.Route) bool {
	security := route.Operation.Security
	return security == nil || len(*security) > 0
}

// check returns a *problem for a request that the document does not allow.
func (t *contract) check(c *gin.Context, route *routers.Route) error {
	if err := checkQuery(c, route); err != nil {
		return err
	}
	if err := checkBody(c, route); err != nil {
		return err
	}
	input := &openapi3filter.RequestValidationInput{
		Request:     c.Request,
		PathParams:  pathParams(c),
		QueryParams: c.Request.URL.Query(),
		Route:       route,
		Options: &openapi3filter.Options{
			AuthenticationFunc:                openapi3filter.NoopAuthenticationFunc, // it has been done
			ExcludeRequestBody:                route.Operation.OperationID == appendEvents,
			RejectWhenRequestBodyNotSpecified: true,
			SkipSettingDefaults:               true, // the service knows them too
			KeepValidatedValue:                true,
			MultiError:                        true,
			SchemaValidationOptions: []openapi3.SchemaValidationOption{
				openapi3.WithStringFormatValidator("uuid", openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForUUIDOfRFC9562)),
			},
		},
	}
	return problemOfViolation(openapi3filter.ValidateRequest(c.Request.Context(), input))
}

// checkQuery refuses parameters that the operation does not have: a misspelled
// one would otherwise be silently without effect.
func checkQuery(c *gin.Context, route *routers.Route) error {
	for name := range c.Request.URL.Query() {
		if route.Operation.Parameters.GetByInAndName(openapi3.ParameterInQuery, name) == nil {
			return newProblem(http.StatusBadRequest, "Leave out what is named in errors.",
				schemas.FieldError{Field: name, Message: "is not a query parameter of this call"})
		}
	}
	return nil
}

// checkBody refuses bodies of the wrong type or size, and bounds the one that
// will be read.
func checkBody(c *gin.Context, route *routers.Route) error {
	limit := int64(maxBody)
	if route.Operation.OperationID == appendEvents {
		limit = schemas.MaxAppendBytes
	}
	if c.Request.ContentLength > limit {
		return bodyTooLarge(limit)
	}
	body := route.Operation.RequestBody
	if body != nil && c.Request.ContentLength != 0 {
		mediaType, _, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
		if err != nil || body.Value.Content[mediaType] == nil {
			taken := make([]string, 0, len(body.Value.Content))
			for name := range body.Value.Content {
				taken = append(taken, name)
			}
			slices.Sort(taken)
			return newProblem(http.StatusUnsupportedMediaType, "Send the body as Content-Type: "+strings.Join(taken, " or ")+".")
		}
	}
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, limit)
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

// problemOfViolation puts what the validator found into the words of our
// problems. Values that are wrong in a well-formed body are 422, everything
// else that is wrong with a request is 400.
func problemOfViolation(err error) error {
	if err == nil {
		return nil
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return tooLarge
	}
	status := http.StatusUnprocessableEntity
	var fields []schemas.FieldError
	for _, violation := range flatten(err) {
		var request *openapi3filter.RequestError
		if !errors.As(violation, &request) {
			return fmt.Errorf("validate a request: %w", err)
		}
		if request.Parameter != nil {
			status = http.StatusBadRequest
			fields = append(fields, schemas.FieldError{Field: request.Parameter.Name, Message: reason(request)})
			continue
		}
		inBody := fieldsOfBody(request)
		if inBody == nil {
			return newProblem(http.StatusBadRequest, "The body is not what this call takes: "+reason(request)+".")
		}
		fields = append(fields, inBody...)
	}
	return newProblem(status, "Change the values named in errors and send the request again.", fields...)
}

func flatten(err error) []error {
	var many openapi3.MultiError
	if !errors.As(err, &many) {
		return []error{err}
	}
	var all []error
	for _, each := range many {
		var request *openapi3filter.RequestError
		if errors.As(each, &request) {
			all = append(all, each)
			continue
		}
		all = append(all, flatten(each)...)
	}
	return all
}

// fieldsOfBody is nil when the body as a whole is wrong.
func fieldsOfBody(request *openapi3filter.RequestError) []schemas.FieldError {
	var fields []schemas.FieldError
	for _, violation := range schemaErrors(request.Err) {
		field := strings.Join(violation.JSONPointer(), ".")
		if field == "" {
			field = "body"
		}
		fields = append(fields, schemas.FieldError{Field: field, Message: violation.Reason})
	}
	return fields
}

func schemaErrors(err error) []*openapi3.SchemaError {
	var many openapi3.MultiError
	if errors.As(err, &many) {
		var all []*openapi3.SchemaError
		for _, each := range many {
			all = append(all, schemaErrors(each)...)
		}
		return all
	}
	var one *openapi3.SchemaError
	if errors.As(err, &one) {
		return []*openapi3.SchemaError{one}
	}
	return nil
}

// reason is the innermost reason, which speaks of the value and not of the
// validator.
func reason(request *openapi3filter.RequestError) string {
	if violations := schemaErrors(request.Err); len(violations) > 0 {
		return violations[0].Reason
	}
	var parse *openapi3filter.ParseError
	switch {
	case errors.As(request.Err, &parse) && parse.Cause != nil:
		return parse.Cause.Error()
	case request.Err != nil:
		return request.Err.Error()
	default:
		return request.Reason
	}
}
