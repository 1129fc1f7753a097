package portal

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every class in the templates is in the style, and the other way around.
func TestClasses(t *testing.T) {
	t.Parallel()
	var (
		comments     = regexp.MustCompile(`(?s)/\*.*?\*/`)
		declarations = regexp.MustCompile(`\{[^{}]*\}`) // not a media query's braces, which have others in them
		classes      = regexp.MustCompile(`\.([a-z][a-z-]*)`)
		actions      = regexp.MustCompile(`\{\{.*?\}\}`)
		attributes   = regexp.MustCompile(`class="([^"]*)"`)
	)
	style, err := staticFiles.ReadFile("static/app.css")
	require.NoError(t, err)
	selectors := declarations.ReplaceAllString(comments.ReplaceAllString(string(style), ""), " ")
	styled := make(map[string]bool)
	for _, found := range classes.FindAllStringSubmatch(selectors, -1) {
		styled[found[1]] = true
	}

	// What templates take from values: how far a step is.
	used := map[string]bool{"done": true, "now": true, "later": true}
	for _, known := range statuses {
		used[known.Tone] = true
	}
	files, err := fs.Glob(templateFiles, "templates/*/*.html")
	require.NoError(t, err)
	for _, file := range append(files, "templates/layout.html") {
		text, err := templateFiles.ReadFile(file)
		require.NoError(t, err)
		for _, found := range attributes.FindAllStringSubmatch(actions.ReplaceAllString(string(text), " "), -1) {
			for _, class := range strings.Fields(found[1]) {
				if strings.HasSuffix(class, "-") {
					continue // a value completes it
				}
				require.True(t, styled[class], "%s: there is no rule for the class %s", file, class)
				used[class] = true
			}
		}
	}
	for class := range styled {
		require.True(t, used[class], "no template has the class %s", class)
	}
}
