package httpapi

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:embed docs.html
var docsHTML string

var docsTemplate = template.Must(template.New("docs").Parse(docsHTML))

type docsGroup struct {
	Name, Description string
	Calls             []docsCall
}

type docsCall struct {
	Method, Path, Summary, Description string
	Parameters, Members                []docsValue
}

// docsValue is what a caller may send: a parameter, or a member of the body.
// Members of members have a path, such as schedule.kind.
type docsValue struct {
	Name, Kind, Description string
	Required                bool
}

// renderDocs makes the page for people from the contract. It never changes
// while the program runs.
func renderDocs(document *openapi3.T) ([]byte, error) {
	var groups []docsGroup
	for _, tag := range document.Tags {
		groups = append(groups, docsGroup{Name: tag.Name, Description: tag.Description, Calls: callsOf(document, tag.Name)})
	}
	var page bytes.Buffer
	err := docsTemplate.Execute(&page, map[string]any{
		"Title": document.Info.Title, "Description": document.Info.Description, "Groups": groups,
	})
	if err != nil {
		return nil, fmt.Errorf("render the documentation page: %w", err)
	}
	return page.Bytes(), nil
}

func callsOf(document *openapi3.T, tag string) []docsCall {
	var calls []docsCall
	for _, path := range document.Paths.InMatchingOrder() {
		item := document.Paths.Value(path)
		for method, operation := range item.Operations() {
			if slices.Contains(operation.Tags, tag) {
				calls = append(calls, docsCall{
					Method: method, Path: path, Summary: operation.Summary, Description: operation.Description,
					Parameters: queryOf(operation), Members: bodyOf(operation),
				})
			}
		}
	}
	slices.SortFunc(calls, func(a, b docsCall) int {
		return slices.Compare([]string{a.Path, a.Method}, []string{b.Path, b.Method})
	})
	return calls
}

func queryOf(operation *openapi3.Operation) []docsValue {
	var values []docsValue
	for _, parameter := range operation.Parameters {
		if p := parameter.Value; p.In == openapi3.ParameterInQuery {
			values = append(values, docsValue{p.Name, kindOf(p.Schema.Value), p.Description, p.Required})
		}
	}
	return values
}

// bodyOf describes the JSON form of a body; of an array, its items.
func bodyOf(operation *openapi3.Operation) []docsValue {
	if operation.RequestBody == nil {
		return nil
	}
	schema := operation.RequestBody.Value.Content.Get("application/json").Schema.Value
	if schema.Items != nil {
		schema = schema.Items.Value
	}
	return membersOf("", schema)
}

func membersOf(path string, schema *openapi3.Schema) []docsValue {
	var values []docsValue
	for name, property := range schema.Properties {
		member := property.Value
		values = append(values, docsValue{path + name, kindOf(member), descriptionOf(member), slices.Contains(schema.Required, name)})
		if member.Items != nil {
			values = append(values, membersOf(path+name+"[].", member.Items.Value)...)
		}
		values = append(values, membersOf(path+name+".", member)...)
	}
	slices.SortFunc(values, func(a, b docsValue) int { return cmp.Compare(a.Name, b.Name) })
	return values
}

// kindOf says which values are possible, as far as it can be said in two words.
func kindOf(schema *openapi3.Schema) string {
	switch {
	case len(schema.AllOf) > 0: // a named schema with a default
		return kindOf(schema.AllOf[0].Value)
	case len(schema.Enum) > 0:
		return strings.Trim(strings.ReplaceAll(fmt.Sprint(schema.Enum), " ", " | "), "[]")
	case schema.Format != "":
		return schema.Format
	default:
		return strings.Join(schema.Type.Slice(), " | ")
	}
}

func descriptionOf(schema *openapi3.Schema) string {
	if schema.Description == "" && len(schema.AllOf) > 0 {
		return schema.AllOf[0].Value.Description
	}
	return schema.Description
}
