package manifest_test

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/manifest"
)

// What auditors are told is what there is: every class stands in the line of
// its exit status, and every member of the report is named.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/verify.md")
	require.NoError(t, err)
	source, err := os.ReadFile("finding.go")
	require.NoError(t, err)
	all := regexp.MustCompile(`Class += "([a-z_]+)"`).FindAllStringSubmatch(string(source), -1)
	require.NotEmpty(t, all)
	for _, class := range all {
		begin := "Notes are"
		if status := manifest.Class(class[1]).Status(); status != manifest.StatusClean {
			begin = fmt.Sprintf("| %d |", status)
		}
		line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(begin) + `.*$`).FindString(string(page))
		require.Contains(t, line, "`"+class[1]+"`")
	}
	for _, of := range []any{manifest.Report{}, manifest.Chain{}, manifest.Finding{}, manifest.Unread{}, manifest.KeyUse{}} {
		for i := range reflect.TypeOf(of).NumField() {
			member, _, _ := strings.Cut(reflect.TypeOf(of).Field(i).Tag.Get("json"), ",")
			require.Regexp(t, "`"+member+`(\[\])?`+"`", string(page))
		}
	}
}
