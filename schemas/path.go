package schemas

import (
	"fmt"
	"strings"
	"time"
)

// PathTemplate is the folder of an object below the destination's prefix. It
// may hold {YYYY}, {MM}, {DD} and {HH}: the UTC time at which the part's first
// event was recorded.
type PathTemplate string

// DefaultPathTemplate lays objects out as most query engines expect
// partitions.
const DefaultPathTemplate PathTemplate = "date={YYYY}-{MM}-{DD}/hour={HH}"

// MaxPathTemplateBytes keeps keys below what the clouds allow, together with
// MaxPrefixBytes and the object's own name.
const MaxPathTemplateBytes = 200

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
	expanded := t.Expand(time.Unix(0, 0))
	if strings.ContainsAny(expanded, "{}") {
		return bad("has an unknown variable; use {YYYY}, {MM}, {DD} and {HH}")
	}
	if err := checkPrefix(expanded); err != nil {
		return bad("%s", err)
	}
	return nil
}

// Expand fills the variables in.
func (t PathTemplate) Expand(at time.Time) string {
	at = at.UTC()
	return strings.NewReplacer(
		"{YYYY}", at.Format("2006"),
		"{MM}", at.Format("01"),
		"{DD}", at.Format("02"),
		"{HH}", at.Format("15"),
	).Replace(string(t))
}

// padSeq makes names sort like their numbers.
func padSeq(seq int64) string { return fmt.Sprintf("%012d", seq) }
