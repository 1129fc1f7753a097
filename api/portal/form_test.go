package portal

import (
	"bytes"
	"html/template"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFieldAttributes(t *testing.T) {
	t.Parallel()
	f := newForm(url.Values{"path.name": {`"><script>alert(1)</script>`}, "days": {"monday"}})
	f.Errors = map[string]string{"role": "is missing"}
	for text, want := range map[string]string{
		`<input{{.Input "path.name" true}}>`:          `<input id="path-name" name="path.name" aria-describedby="help-path.name" value="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;">`,
		`<input{{.Input "role" false}}>`:              `<input id="role" name="role" aria-invalid="true" aria-describedby="error-role" value="">`,
		`<textarea{{.Field "role" true}}></textarea>`: `<textarea id="role" name="role" aria-invalid="true" aria-describedby="help-role error-role"></textarea>`,
		`<input{{.Choice "days" "monday"}}>`:          `<input name="days" value="monday" checked>`,
		`<input{{.Choice "days" "tues&quot;day"}}>`:   `<input name="days" value="tues&amp;quot;day">`,
		`<input{{.Choice "role" "admin"}}>`:           `<input name="role" value="admin" aria-describedby="error-role">`,
	} {
		parsed, err := template.New("field").Parse(text)
		require.NoError(t, err)
		var html bytes.Buffer
		require.NoError(t, parsed.Execute(&html, f))
		assert.Equal(t, want, html.String())
	}
}
