package schemas

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// PathTemplate is the folder of an object below the destination's prefix. It
// may hold the variables of PathVariables.
type PathTemplate string

// DefaultPathTemplate lays objects out as most query engines expect
// partitions.
const DefaultPathTemplate PathTemplate = "date={YYYY}-{MM}-{DD}/hour={HH}"

// MaxPathTemplateBytes keeps keys below what the clouds allow, together with
// MaxPrefixBytes and the object's own name.
const MaxPathTemplateBytes = 200

// PathVariable is what a path template can hold.
type PathVariable struct {
	Name    string // with its braces
	Meaning string
	expand  func(slug string, at time.Time) string
}

// PathVariables are all variables of a path template.
var PathVariables = []PathVariable{
	{"{YYYY}", "year", func(_ string, at time.Time) string { return at.Format("2006") }},
	{"{MM}", "month, 01 to 12", func(_ string, at time.Time) string { return at.Format("01") }},
	{"{DD}", "day of the month, 01 to 31", func(_ string, at time.Time) string { return at.Format("02") }},
	{"{HH}", "hour, 00 to 23", func(_ string, at time.Time) string { return at.Format("15") }},
	{"{export}", "the export's slug", func(slug string, _ time.Time) string { return slug }},
}

// Validate returns a *FieldError when the template has an unknown variable or
// could leave the destination's folder.
func (t PathTemplate) Validate() error {
	bad := func(format string, args ...any) error {
		return &FieldError{"path_template", fmt.Sprintf(format, args...)}
	}
	if len(t) > MaxPathTemplateBytes {
		return bad("is %d bytes long; at most %d are possible", len(t), MaxPathTemplateBytes)
	}
	if strings.HasPrefix(string(t), "/") || strings.HasSuffix(string(t), "/") {
		return bad("must not begin or end with a slash")
	}
	if strings.HasPrefix(string(t), "_") {
		return bad("must not begin with an underscore; such folders are the service's own")
	}
	if first, _, _ := strings.Cut(string(t), "/"); first == BackfillFolder {
		return bad("must not begin with the folder %s, which is for backfills", BackfillFolder)
	}
	expanded := t.Expand(strings.Repeat("x", MaxSlugBytes), time.Unix(0, 0))
	if strings.ContainsAny(expanded, "{}") {
		return bad("has an unknown variable; use %s", pathVariableNames())
	}
	if len(expanded) > MaxPathTemplateBytes {
		return bad("can become %d bytes long when its variables are filled in; at most %d are possible", len(expanded), MaxPathTemplateBytes)
	}
	if err := checkPrefix(expanded); err != nil {
		return bad("%s", err)
	}
	return nil
}

func pathVariableNames() string {
	names := make([]string, len(PathVariables))
	for i, variable := range PathVariables {
		names[i] = variable.Name
	}
	return strings.Join(slices.Insert(names, len(names)-1, "or"), " ")
}

// Expand fills the variables in: the slug of the export, and the UTC time at
// which the part's first event was recorded.
func (t PathTemplate) Expand(slug string, at time.Time) string {
	at = at.UTC()
	var pairs []string
	for _, variable := range PathVariables {
		pairs = append(pairs, variable.Name, variable.expand(slug, at))
	}
	return strings.NewReplacer(pairs...).Replace(string(t))
}

// padSeq makes names sort like their numbers.
func padSeq(seq int64) string { return fmt.Sprintf("%012d", seq) }
