package httpapi

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/auditferry/auditferry/schemas"
)

// problemOfViolation puts what the validator found into the words of our
// problems. Values that are wrong in a well-formed body are 422, everything
// else that is wrong with a request is 400.
func problemOfViolation(err error) error {
	if err == nil {
		return nil
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
			fields = append(fields, schemas.FieldError{Field: request.Parameter.Name, Message: parameterReason(request)})
			continue
		}
		violations := schemaErrors(request.Err)
		if len(violations) == 0 {
			return newProblem(http.StatusBadRequest, bodyReason(request))
		}
		for _, v := range violations {
			fields = append(fields, fieldOf(v))
		}
	}
	return newProblem(status, "Change the values named in errors and send the request again.", fields...)
}

// flatten lists the violations of single parameters and of the body.
func flatten(err error) []error {
	many, isMany := err.(openapi3.MultiError) //nolint:errorlint // what a violation wraps is taken apart later
	if !isMany {
		return []error{err}
	}
	var all []error
	for _, each := range many {
		all = append(all, flatten(each)...)
	}
	return all
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

// unknownMember is how the validator names a member that the schema does not
// have; it stands nowhere else.
var unknownMember = regexp.MustCompile(`^property "(.*)" is unsupported$`)

// fieldOf names the value that is wrong and says what would be right.
func fieldOf(violation *openapi3.SchemaError) schemas.FieldError {
	path := violation.JSONPointer()
	if match := unknownMember.FindStringSubmatch(violation.Reason); match != nil {
		return schemas.FieldError{Field: fieldName(append(path, match[1])), Message: "is not known here; leave it out"}
	}
	if len(path) == 0 {
		path = []string{"body"}
	}
	return schemas.FieldError{Field: fieldName(path), Message: message(violation)}
}

// fieldName writes a path as the checks behind the validator do, such as
// filter.actions[0].
func fieldName(path []string) string {
	var name strings.Builder
	for i, step := range path {
		if _, err := strconv.Atoi(step); err == nil && i > 0 {
			name.WriteString("[" + step + "]")
			continue
		}
		if i > 0 {
			name.WriteByte('.')
		}
		name.WriteString(step)
	}
	return name.String()
}

// examples of what the formats of OpenAPI stand for.
var examples = map[string]string{
	"date":      "a day such as 2026-01-31",
	"date-time": "a time such as 2026-01-31T09:00:00Z",
	"uuid":      "an ID such as 0192f0c0-0000-7000-8000-000000000001",
}

// message completes a sentence that begins with the field's name.
func message(violation *openapi3.SchemaError) string {
	schema := violation.Schema
	switch violation.SchemaField {
	case "required":
		return "is required"
	case "enum":
		allowed := make([]string, len(schema.Enum))
		for i, value := range schema.Enum {
			allowed[i] = fmt.Sprint(value)
		}
		return "must be one of " + strings.Join(allowed, ", ")
	case "type", "nullable":
		return "must be of type " + strings.Join(schema.Type.Slice(), " or ")
	case "format":
		return "must be " + cmp.Or(examples[schema.Format], "of the form "+schema.Format)
	case "pattern":
		return "must be " + schema.Description
	case "minimum":
		return fmt.Sprintf("must be at least %v", *schema.Min)
	case "maximum":
		return fmt.Sprintf("must be at most %v", *schema.Max)
	case "minLength":
		if schema.MinLength == 1 {
			return "must not be empty"
		}
		return fmt.Sprintf("must have at least %d characters", schema.MinLength)
	case "maxLength":
		return fmt.Sprintf("must have at most %d characters", *schema.MaxLength)
	case "maxItems":
		return fmt.Sprintf("must have at most %d items", *schema.MaxItems)
	case "minProperties":
		return "must have at least one member"
	default:
		return "is wrong: " + violation.Reason
	}
}

func parameterReason(request *openapi3filter.RequestError) string {
	if violations := schemaErrors(request.Err); len(violations) > 0 {
		return message(violations[0])
	}
	if errors.Is(request.Err, openapi3filter.ErrInvalidRequired) {
		return "is required"
	}
	return "must be of type " + strings.Join(request.Parameter.Schema.Value.Type.Slice(), " or ")
}

func bodyReason(request *openapi3filter.RequestError) string {
	if errors.Is(request.Err, openapi3filter.ErrInvalidRequired) {
		return "The body is missing; this call needs one."
	}
	return "The body cannot be read: " + request.Error() + "."
}
