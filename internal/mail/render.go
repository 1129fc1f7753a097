package mail

import (
	"embed"
	"fmt"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"
	"unicode"
)

//go:embed templates
var templates embed.FS

var (
	textTemplate = texttemplate.Must(texttemplate.New("mail.txt.tmpl").
			Funcs(texttemplate.FuncMap{"number": number, "indent": indent}).
			ParseFS(templates, "templates/mail.txt.tmpl"))
	htmlTemplate = htmltemplate.Must(htmltemplate.ParseFS(templates, "templates/mail.html.tmpl"))
)

// content is what a mail says. It is worded once, and laid out twice.
type content struct {
	Subject    string
	Intro      []string // paragraphs
	Values     []value
	Steps      []step
	Closing    []string // paragraphs
	Link       string   // the page on which all of this can be seen
	LinkText   string
	Recipients string // why the reader gets this mail
}

// value is something to read off, or to copy.
type value struct{ Label, Value string }

// step is one thing for the reader to do.
type step struct {
	Text string
	Code string // to copy as it stands
	Link string
}

// message lays the content out. To and ID are left to whoever sends it.
func (c content) message() (Message, error) {
	c.Subject = oneLine(c.Subject)
	var text, html strings.Builder
	if err := textTemplate.Execute(&text, c); err != nil {
		return Message{}, fmt.Errorf("lay out the mail %q as text: %w", c.Subject, err)
	}
	if err := htmlTemplate.Execute(&html, c); err != nil {
		return Message{}, fmt.Errorf("lay out the mail %q as HTML: %w", c.Subject, err)
	}
	return Message{Subject: c.Subject, Text: text.String(), HTML: html.String()}, nil
}

// oneLine makes a subject of a text that has somebody's names in it.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r)
	}), " ")
}

// number counts as people do.
func number(i int) int { return i + 1 }

// indent puts code below its step.
func indent(code string) string {
	return "      " + strings.ReplaceAll(code, "\n", "\n      ")
}
