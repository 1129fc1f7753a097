package destination

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/auditferry/auditferry/schemas"
)

// row is one thing that a cloud answers, and what it means. Of a table the
// first row that matches counts, so special ones stand above general ones.
type row struct {
	codes  []string       // any of these
	steps  []schemas.Step // any of these; nil: whatever was tried
	status int            // the HTTP status; 0: any
	says   string         // what the cloud's own words hold; "": anything

	// kind is "" where the HTTP status tells: then it is denied for 401 and
	// 403, not_found for 404, throttled for 429 and unavailable for all else.
	kind schemas.ErrorKind
	// explanation and fix may hold the placeholders of the cloud's names, the
	// app's and the service account's among them, but never the external ID or
	// the consent URL: to see those is an act that is audited. An empty fix is
	// nothing but to wait.
	explanation, fix string
}

// answered is what a cloud said, in its own terms.
type answered struct {
	step   schemas.Step // what was tried
	status int          // HTTP; 0 if nothing came back
	code   string
	words  string
}

// verdict is what an answer means.
type verdict struct {
	kind        schemas.ErrorKind
	code        string // the cloud's own
	explanation string
	fix         string
	answer      string // the cloud's words, in one line
	// present tells that another object has the key, perhaps an equal one.
	present bool
}

// message is for whoever reads no more than an error: what it means, what to do,
// and the cloud's own words.
func (v verdict) message() string {
	parts := []string{v.explanation, v.fix}
	if v.answer != "" {
		parts = append(parts, "The answer was: "+v.answer)
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " ")
}

// explain looks an answer up. What has no row is shown with its code, and is
// worth another try.
func explain(rows []row, a answered, names map[string]string) verdict {
	v := verdict{kind: byStatus(a.status), code: a.code, answer: oneLine(a.words)}
	found := slices.IndexFunc(rows, func(r row) bool { return r.matches(a) })
	if found < 0 {
		v.explanation, v.fix = unknown(v.kind, v.code)
	} else {
		r := rows[found]
		if r.kind != "" {
			v.kind = r.kind
		}
		fill := filler(names)
		v.explanation, v.fix = fill.Replace(r.explanation), fill.Replace(r.fix)
	}
	if a.step == schemas.StepDelete {
		v.explanation += " Exports work without deleting; only the small marker object stays."
	}
	return v
}

func (r row) matches(a answered) bool {
	return (len(r.codes) == 0 || slices.Contains(r.codes, a.code)) &&
		(len(r.steps) == 0 || slices.Contains(r.steps, a.step)) &&
		(r.status == 0 || r.status == a.status) &&
		strings.Contains(a.words, r.says)
}

func filler(names map[string]string) *strings.Replacer {
	var pairs []string
	for name, value := range names {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...)
}

// taken is the verdict on a create-only write whose key is taken.
func taken(a answered) verdict {
	return verdict{
		kind: schemas.KindConflict, code: a.code, answer: oneLine(a.words), present: true,
		explanation: "Another object has this name already.",
	}
}

// byStatus sorts what has no kind of its own in a table. Servers' errors,
// redirects, broken connections and requests that are refused for reasons
// unknown may be over by the next try.
func byStatus(status int) schemas.ErrorKind {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return schemas.KindDenied
	case http.StatusNotFound:
		return schemas.KindNotFound
	case http.StatusTooManyRequests:
		return schemas.KindThrottled
	}
	return schemas.KindUnavailable
}

func unknown(kind schemas.ErrorKind, code string) (explanation, fix string) {
	switch kind {
	case schemas.KindDenied:
		explanation = "Access is not granted, or not effective yet."
		fix = "Compare what is granted with the setup guide. The cloud's own answer may tell more."
	case schemas.KindNotFound:
		explanation = "The destination does not exist."
		fix = "Create it, or correct the destination."
	case schemas.KindThrottled:
		explanation = "The cloud asks for fewer requests at the moment."
	default:
		explanation = "The cloud could not be reached, or failed."
		if code != "" {
			explanation = "The cloud did not do what it was asked for."
		}
	}
	if code != "" {
		explanation += " It answered with the code " + code + ", which Auditferry does not know."
	}
	return explanation, fix
}

// looked is the error of a check that asked whose the bucket is, wherever that
// was asked.
type looked struct{ err error }

func (l *looked) Error() string { return "find out whose the bucket is: " + l.err.Error() }

func (l *looked) Unwrap() error { return l.err }

// untold is the error of a check that may not be made, and is no reason to
// refuse the place.
type untold struct{ err error }

func (u *untold) Error() string { return "not told: " + u.err.Error() }

func (u *untold) Unwrap() error { return u.err }

// finding is an error of this package's own, with one of its codes.
type finding struct {
	code string
	err  error // what the cloud answered; may be nil
}

func (f *finding) Error() string {
	if f.err == nil {
		return f.code
	}
	return f.code + ": " + f.err.Error()
}

func (f *finding) Unwrap() error { return f.err }

// own tells an error of this package's own.
func own(err error) (f *finding, is bool) {
	is = errors.As(err, &f)
	return f, is
}

// operators is what stands where the service's own identity is refused; see
// Error.
const operators = "This is not yours to fix: the operators of the service have to look after it."

const (
	tooMany = "The cloud asks for fewer requests at the moment. They are repeated more slowly by themselves."
	failed  = "The cloud failed for the moment. The request is repeated by itself."
	damaged = "The bytes did not arrive as they were sent. They are sent again by themselves."
	changed = "If that is right, check access and accept the new owner. If it is not, correct the destination."

	// Neither the tenant nor the role of an integration can be changed.
	otherTenant = "delete the integration and create it again with the right tenant ID, as the tenant of an integration cannot be changed."
	otherRole   = "delete the integration and create it again with the right ARN, as the role of an integration cannot be changed."

	// operatorsLater is for what a new identity may be answered, too.
	operatorsLater = "Wait: a new service account takes some minutes to work. If it goes on for an hour, the operators of the service have to look after it."
)
