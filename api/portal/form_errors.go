package portal

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// fieldError says what is wrong with one field of a form.
func fieldError(field, message string) error {
	return &service.Error{
		Kind: service.Invalid, Detail: "A value is wrong.",
		Fields: []schemas.FieldError{{Field: field, Message: message}},
	}
}

// inForm is err with its fields as a form has them. Errors that are not about
// fields stay as they are.
func inForm(err error, translate func(*schemas.FieldError)) error {
	var known *service.Error
	if !errors.As(err, &known) || len(known.Fields) == 0 {
		return err
	}
	told := *known
	told.Fields = slices.Clone(known.Fields)
	for i := range told.Fields {
		translate(&told.Fields[i])
	}
	return &told
}

// renamed is err with another name for a field: the one that it has in a form.
func renamed(err error, from, to string) error {
	return inForm(err, func(field *schemas.FieldError) {
		if field.Field == from {
			field.Field = to
		}
	})
}

// quoted makes errors about an entry of a list, such as names[3], ones about the
// field that holds the list, and quotes the entry: a person would have to count.
// What goes before the quotation.
func quoted(err error, list, what string, entries []string) error {
	return inForm(err, func(field *schemas.FieldError) {
		if !strings.HasPrefix(field.Field, list+"[") {
			return
		}
		for n, entry := range entries {
			if field.Field == fmt.Sprintf("%s[%d]", list, n) {
				field.Message = what + "“" + entry + "” " + field.Message
			}
		}
		field.Field = list
	})
}

// inLines is err about the lines of addresses.
func inLines(err error, emails []string) error {
	return quoted(err, noticesField, "the address ", emails)
}

// aboutEntries is err about the lines of a filter.
func aboutEntries(err error, filter schemas.Filter) error {
	err = quoted(err, "filter.actions", "", filter.Actions)
	return quoted(err, "filter.except_actions", "", filter.ExceptActions)
}

// together is the first of some errors, with what all of them find wrong. A
// field that several find wrong has the message of the first.
func together(all ...error) error {
	var first *service.Error
	for _, err := range all {
		var known *service.Error
		switch {
		case err == nil:
		case first == nil && (!errors.As(err, &known) || known.Kind != service.Invalid):
			return err
		case first == nil:
			first = &service.Error{Kind: known.Kind, Detail: known.Detail, Fields: slices.Clone(known.Fields)}
		case errors.As(err, &known) && known.Kind == service.Invalid:
			for _, field := range known.Fields {
				if !slices.ContainsFunc(first.Fields, func(f schemas.FieldError) bool { return f.Field == field.Field }) {
					first.Fields = append(first.Fields, field)
				}
			}
		}
	}
	if first == nil {
		return nil
	}
	return first
}

// complaints are what is wrong in sentences, for where no field stands beside
// them. Where the form says it beside its fields, they say no more than that. It
// is false for errors that no change of what was typed, and no patience, can
// mend.
func complaints(f *form, err error) ([]string, bool) {
	var known *service.Error
	if !errors.As(err, &known) {
		return nil, false
	}
	switch {
	case known.Kind == service.Busy:
		return []string{known.Detail}, true
	case known.Kind == service.Invalid && len(f.Errors) > 0:
		return []string{"Correct the marked fields to see the whole preview."}, true
	case known.Kind == service.Invalid:
		told := make([]string, len(known.Fields))
		for i, field := range known.Fields {
			told[i] = fieldNames[field.Field] + " " + field.Message + "."
		}
		return told, true
	default:
		return nil, false
	}
}

// fieldNames are those by which the form of an export calls its fields.
var fieldNames = map[string]string{
	"name":                  "The name",
	"schedule.kind":         "The kind of schedule",
	everyNumber:             "The interval",
	"schedule.at":           "The time of day",
	"schedule.weekdays":     "The list of days",
	"schedule.cron":         "The cron expression",
	"schedule.time_zone":    "The time zone",
	"schedule.jitter":       "The spread",
	"format":                "The format",
	"compression":           "The compression",
	"path_template":         "The path",
	"filter.actions":        "The list of actions",
	"filter.except_actions": "The list of actions to leave out",
	"filter.outcome":        "The outcome",
}
