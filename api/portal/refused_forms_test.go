package portal

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
)

var (
	problemText = regexp.MustCompile(`role="alert"><p>([^<]*)</p>`)
	fieldText   = regexp.MustCompile(`<p class="error" id="error-([^"]+)">([^<]*)</p>`)
)

// refused sends a form that has something wrong in it, and returns what is said
// about each field.
func (v *visitor) refused(path string, values url.Values) (a answer, fields map[string]string) {
	v.t.Helper()
	a = v.post(path, values)
	require.Equal(v.t, http.StatusUnprocessableEntity, a.status, a.body)
	fields = make(map[string]string)
	for _, found := range fieldText.FindAllStringSubmatch(a.body, -1) {
		fields[found[1]] = found[2]
	}
	return a, fields
}

// A form that comes again marks all that is wrong with it, says how much that
// is, and calls nothing as programs do.
func TestRefusedForms(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e, export, people := s.admins("ada")
	pages := "/orgs/" + e.org.String()
	edit := editForm(export)
	for name, value := range map[string]string{"name": "", "schedule.kind": "weekly", "schedule.at": "", "schedule.time_zone": "Nowhere/Land"} {
		edit.Set(name, value)
	}
	backwards := url.Values{rangeField: {rangeByTime}, "from": {"2026-02-01T00:00"}, "to": {"2026-01-01T00:00"}}
	putShape(backwards, shapeOf(export.Export))
	backwards.Set("path_template", "/a/")
	for name, c := range map[string]struct {
		path string
		form url.Values
		says string
		want map[string]string // with what the text begins
	}{
		"edit export": {
			e.at(e.org, "/orgs/:org/exports/:id/edit"), edit, "Nothing was done yet: 4 values below are wrong.",
			map[string]string{
				"name": "is required", "schedule.weekdays": "must name at least one day of the week", "schedule.at": "must be a time of day",
				"schedule.time_zone": "has the unknown zone",
			},
		},
		"add": {
			pages + "/audit-logging/add",
			url.Values{"name": {"Archive"}, "cloud": {"aws"}, "destination.aws": {"https://example.com/"}, "role_arn": {"x"}, "bucket_owner": {"12"}},
			"Nothing was done yet: 3 values below are wrong.",
			map[string]string{
				"destination.aws": "has the unknown scheme &#34;https&#34;; write s3://bucket/folder/", "role_arn": "must look like", "bucket_owner": "must be the 12 digits",
			},
		},
		"edit destination": {
			e.at(e.org, integrationRoute+"/edit"), url.Values{"destination": {"gs://"}}, "Nothing was done yet: 1 value below is wrong.",
			map[string]string{"destination": "names no bucket; write gs://bucket/folder/"},
		},
		"delete integration": {
			e.at(e.org, integrationRoute+"/delete"), url.Values{"confirm": {"x"}}, "Nothing was done yet: 1 value below is wrong.",
			map[string]string{"confirm": "must be the integration’s name"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, found := people[0].refused(c.path, c.form)
			require.Equal(t, c.says, problemText.FindStringSubmatch(a.body)[1])
			require.Len(t, found, len(c.want), "%v", found)
			for field, begins := range c.want {
				require.True(t, strings.HasPrefix(found[field], begins), "%s: %q", field, found[field])
			}
		})
	}
	_, err := s.service.CancelBackfill(t.Context(), adminOf(e.org), service.CancelBackfill{ExportID: e.export, BackfillID: e.backfill})
	require.NoError(t, err)
	_, found := people[0].refused(e.at(e.org, "/orgs/:org/exports/:id/backfill"), backwards)
	require.Equal(t, "must be earlier than the end of the range", found["from"])
	require.Contains(t, found, "path_template")
	require.Contains(t, people[0].get(pages+"/events?from=2026-02-01T00:00&to=2026-01-01T00:00").body, "must be earlier than the end of the range</p>")
}

// The preview leaves it to the fields to say what is wrong with them, and says it
// itself while nothing is marked.
func TestPreviewsOfRefusedForms(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e, export, people := s.admins("ada")
	path := e.at(e.org, "/orgs/:org/exports/:id/edit")
	form := editForm(export)
	form.Set(everyNumber, "x")
	form.Set("path_template", "/a/")
	const short = `<p class="quiet">Correct the marked fields to see the whole preview.</p>`
	a, fields := people[0].refused(path, form)
	require.Len(t, fields, 2)
	_, preview, _ := strings.Cut(a.body, "<h2>Preview</h2>")
	require.Equal(t, 1, strings.Count(preview, short), "once for both")
	require.NotContains(t, preview, "must be a whole number")

	form.Set("preview", "1")
	_, preview, _ = strings.Cut(people[0].post(path, form).body, "<h2>Preview</h2>")
	require.NotContains(t, preview, short)
	require.Contains(t, preview, `<p class="quiet">The interval must be a whole number`)
	require.NotContains(t, preview, `class="error"`)
}
