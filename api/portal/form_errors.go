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
		case !errors.As(err, &known), first == nil && known.Kind != service.Invalid:
			return err
		case first == nil:
			first = &service.Error{Kind: known.Kind, Detail: known.Detail, Fields: slices.Clone(known.Fields)}
		case known.Kind == service.Invalid:
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
