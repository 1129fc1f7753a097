package portal

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/auditferry/auditferry/api/service"
)

// keyField is the form field with the idempotency key.
const keyField = "idempotency_key"

// maxForm is far above what any form of ours holds.
const maxForm = 64 << 10

// form is what a person has typed, and what was wrong with it.
type form struct {
	Key     string // idempotency key: one for each time that the form is shown
	Values  url.Values
	Errors  map[string]string // by field: completes a sentence that begins with the field's name
	Problem string            // what is wrong beside the fields
	Typed   bool              // the person has sent it; otherwise the values are what is so now
}

// newForm is a form with what is so now.
func newForm(values url.Values) *form {
	if values == nil {
		values = url.Values{}
	}
	return &form{Key: uuid.NewString(), Values: values}
}

// Get is the value of a field.
func (f *form) Get(name string) string { return f.Values.Get(name) }

// Text is a value without the space at its edges, which comes along when a
// person copies.
func (f *form) Text(name string) string { return strings.TrimSpace(f.Values.Get(name)) }

// Has tells whether a field, such as a box to check, has the value.
func (f *form) Has(name, value string) bool { return slices.Contains(f.Values[name], value) }

// Error is what is wrong with a field; "" is nothing.
func (f *form) Error(name string) string { return f.Errors[name] }

// filledFrom notes what is so now in a hidden field, which the service compares
// when the form is sent. A form that was typed keeps what it was filled from,
// until its person has been told that something else is so by now.
func (f *form) filledFrom(field, now string) {
	if !f.Typed || f.Problem != "" {
		f.Values.Set(field, now)
	}
}

// Input is the attributes of a text field: its ID, which is its name with a dash
// for each dot, its name and value, and what describes it. Help says that the
// page has a text for it with the ID "help-<name>".
func (f *form) Input(name string, help bool) template.HTMLAttr {
	return f.Field(name, help) + attribute("value", f.Get(name))
}

// Field is what Input is, for fields that hold their value in another way: text
// areas and selections.
func (f *form) Field(name string, help bool) template.HTMLAttr {
	attributes := attribute("id", strings.ReplaceAll(name, ".", "-")) + attribute("name", name)
	var described []string
	if help {
		described = append(described, "help-"+name)
	}
	if f.Error(name) != "" {
		attributes += attribute("aria-invalid", "true")
		described = append(described, "error-"+name)
	}
	if len(described) > 0 {
		attributes += attribute("aria-describedby", strings.Join(described, " "))
	}
	return attributes
}

// Choice is the attributes of a box or a radio button.
func (f *form) Choice(name, value string) template.HTMLAttr {
	attributes := attribute("name", name) + attribute("value", value)
	if f.Has(name, value) {
		attributes += " checked"
	}
	if f.Error(name) != "" {
		attributes += attribute("aria-describedby", "error-"+name)
	}
	return attributes
}

func attribute(name, value string) template.HTMLAttr {
	return template.HTMLAttr(" " + name + `="` + template.HTMLEscapeString(value) + `"`) //nolint:gosec // escaped here
}

// refuse notes what the service found wrong. It is false for errors that are
// not about what was typed.
func (f *form) refuse(err error) (status int, refused bool) {
	var known *service.Error
	if !errors.As(err, &known) {
		return 0, false
	}
	switch known.Kind {
	case service.Invalid:
		f.Errors = make(map[string]string)
		for _, field := range known.Fields {
			f.Errors[field.Field] = field.Message
		}
		return http.StatusUnprocessableEntity, true
	case service.Conflict:
		f.Problem = known.Detail
		return http.StatusConflict, true
	case service.Busy:
		f.Problem = known.Detail
		return http.StatusServiceUnavailable, true
	default:
		return 0, false
	}
}

// formPage is a page with one form: it is shown, and sent, and if something was
// wrong shown again with what was typed.
type formPage struct {
	// values is what is so now.
	values func(ctx context.Context, v *visit) (url.Values, error)
	// show makes the page around the form.
	show func(ctx context.Context, v *visit, f *form) (*page, error)
	// do carries the form out, and says which page comes next. It may note
	// errors in the form itself, and returns errAgain then.
	do func(ctx context.Context, v *visit, f *form) (next string, err error)
}

// errAgain is for forms that are to be shown again as they are: with errors, or
// because the person wants a preview.
var errAgain = errors.New("show the form again")

// memberForm serves a form page of an organization.
func (p *Portal) memberForm(router gin.IRoutes, path string, f formPage) {
	router.GET(path, p.member(f.shown))
	router.POST(path, guarded(p.memberVisit, func(v *visit) { p.submit(v, f) }))
}

// operatorForm serves a form page of the operators.
func (p *Portal) operatorForm(router gin.IRoutes, path string, f formPage) {
	router.GET(path, p.operator(f.shown))
	router.POST(path, guarded(p.operatorVisit, func(v *visit) { p.submit(v, f) }))
}

func (f formPage) shown(ctx context.Context, v *visit) (*page, error) {
	var values url.Values
	if f.values != nil {
		var err error
		if values, err = f.values(ctx, v); err != nil {
			return nil, err
		}
	}
	shown, err := f.show(ctx, v, newForm(values))
	if err == nil {
		shown.Still = true // nobody wants a form to change while they type
	}
	return shown, err
}

func (p *Portal) submit(v *visit, f formPage) {
	ctx := v.c.Request.Context()
	sent, err := readForm(v.c)
	if err != nil {
		p.fail(v, err)
		return
	}
	next, err := f.do(ctx, v, sent)
	if err == nil {
		v.c.Redirect(http.StatusSeeOther, next)
		return
	}
	p.again(v, f, sent, err)
}

// again shows a form once more, with what was typed and what is wrong with it.
// Errors that are about something else get a page of their own.
func (p *Portal) again(v *visit, f formPage, sent *form, err error) {
	status, refused := sent.refuse(err)
	switch {
	case errors.Is(err, errAgain):
		if len(sent.Errors) > 0 || sent.Problem != "" {
			status = http.StatusUnprocessableEntity
		}
	case !refused:
		p.fail(v, err)
		return
	}
	sent.Key = uuid.NewString() // what is sent next is another request
	shown, err := f.show(v.c.Request.Context(), v, sent)
	if err != nil {
		p.fail(v, err)
		return
	}
	shown.Status, shown.Still = status, true
	p.render(v, shown)
}

func readForm(c *gin.Context) (*form, error) {
	var tooLarge *http.MaxBytesError
	switch err := c.Request.ParseForm(); {
	case errors.As(err, &tooLarge):
		return nil, err
	case err != nil:
		return nil, &service.Error{Kind: service.Invalid, Detail: "The form could not be read: it was cut off on its way. Nothing was changed."}
	}
	return &form{Key: c.PostForm(keyField), Values: c.Request.PostForm, Typed: true}, nil
}

// ownReferer is the path of the page of ours that the request came from.
func ownReferer(r *http.Request) string {
	u, err := url.Parse(r.Referer())
	if err != nil || u.Host != r.Host || u.Path == "" {
		return ""
	}
	return ownPath(u.RequestURI())
}
