package schemas

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Limits of a filter.
const (
	MaxFilterActions     = 100
	MaxFilterActionBytes = 200
)

// Filter chooses the events that an export delivers. The zero value lets every
// event pass. Those that do not are counted in the manifest.
type Filter struct {
	Actions       []string `json:"actions,omitempty"`        // that pass, such as user.login or document.*; empty: all
	ExceptActions []string `json:"except_actions,omitempty"` // that do not pass, whatever Actions says
	Outcome       Outcome  `json:"outcome,omitempty"`        // that passes; empty: both
}

// IsZero tells whether every event passes.
func (f Filter) IsZero() bool {
	return len(f.Actions) == 0 && len(f.ExceptActions) == 0 && f.Outcome == ""
}

// Equal tells whether both let the same events pass for the same reasons.
func (f Filter) Equal(other Filter) bool {
	return slices.Equal(f.Actions, other.Actions) && slices.Equal(f.ExceptActions, other.ExceptActions) && f.Outcome == other.Outcome
}

// Validate returns a *FieldError when the filter could not mean what it says, or
// several joined: one for each list, and one for the outcome.
func (f Filter) Validate() error {
	var outcome error
	if f.Outcome != "" && f.Outcome != OutcomeSuccess && f.Outcome != OutcomeFailure {
		outcome = &FieldError{"filter.outcome", "must be success or failure; leave it out for both"}
	}
	return errors.Join(checkActions("filter.actions", f.Actions), checkActions("filter.except_actions", f.ExceptActions), outcome)
}

func checkActions(field string, patterns []string) error {
	if len(patterns) > MaxFilterActions {
		return &FieldError{field, fmt.Sprintf("has %d entries; at most %d are possible", len(patterns), MaxFilterActions)}
	}
	for i, pattern := range patterns {
		name := strings.TrimSuffix(pattern, "*")
		bad := func(message string) error {
			return &FieldError{fmt.Sprintf("%s[%d]", field, i), message}
		}
		switch {
		case name == "":
			return bad("names no action; name one such as user.login, or a group of them such as document.*, or leave the list out")
		case strings.Contains(name, "*"):
			return bad("has a * before its end; only the end of a name can be left open, as in document.*")
		case len(pattern) > MaxFilterActionBytes:
			return bad(fmt.Sprintf("is %d bytes long; at most %d are possible", len(pattern), MaxFilterActionBytes))
		case strings.ContainsRune(name, 0):
			return bad("has a NUL character")
		}
	}
	return nil
}
