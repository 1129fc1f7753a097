package setup

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
	"unicode"
	"unicode/utf16"

	"github.com/auditferry/auditferry/schemas"
)

//go:embed templates
var templateFiles embed.FS

var templates = template.Must(template.New("").
	Funcs(template.FuncMap{"sh": shellQuote, "hcl": hclQuote, "join": strings.Join}).
	ParseFS(templateFiles, "templates/*.tmpl"))

// fill makes a document of the template that is named like it.
func fill(d schemas.SetupDocument, data any) (schemas.SetupDocument, error) {
	var b strings.Builder
	if err := templates.ExecuteTemplate(&b, d.Name+".tmpl", data); err != nil {
		return d, fmt.Errorf("fill in %s: %w", d.Name, err)
	}
	d.Content = b.String()
	return d, nil
}

// indentedJSON is how people read and paste JSON. An ampersand in a folder's
// name stays one; characters beyond Latin-1 are escaped, because IAM takes none
// in a policy.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html
func indentedJSON(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "    ")
	if err := e.Encode(v); err != nil {
		return "", err
	}
	var text strings.Builder
	for _, r := range b.String() {
		if r <= unicode.MaxLatin1 {
			text.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&text, `\u%04x`, unit)
		}
	}
	return text.String(), nil
}

// shellQuote makes one word of any text, for every POSIX shell. Here documents
// would look nicer, but the shell that macOS calls sh loses count of quotes
// and brackets when one stands inside of $( ).
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// hclQuote makes a string of Terraform's language, in which ${ and %{ begin
// templates.
func hclQuote(s string) string {
	return `"` + hclEscapes.Replace(s) + `"`
}

var hclEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "${", "$${", "%{", "%%{")
