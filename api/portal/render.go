package portal

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"github.com/auditferry/auditferry/schemas"
)

//go:embed templates
var templateFiles embed.FS

// templates holds a set for each page: the layout, the fragments that pages
// share, and the page's own file.
type templates map[string]*template.Template

func loadTemplates(files files) (templates, error) {
	shared, err := template.New("layout").Funcs(functions(files)).ParseFS(templateFiles, "templates/layout.html", "templates/shared/*.html")
	if err != nil {
		return nil, fmt.Errorf("read the templates: %w", err)
	}
	names, err := fs.Glob(templateFiles, "templates/pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("read the templates: %w", err)
	}
	all := make(templates)
	for _, file := range names {
		set, err := shared.Clone()
		if err == nil {
			set, err = set.ParseFS(templateFiles, file)
		}
		if err != nil {
			return nil, fmt.Errorf("read the template %s: %w", file, err)
		}
		all[strings.TrimSuffix(path.Base(file), ".html")] = set
	}
	return all, nil
}

// frame is what templates are about: the page and what stands around it.
type frame struct {
	*page
	Person   schemas.Person // zero for somebody who is not signed in
	Org      membership     // zero outside of an organization
	Orgs     []membership
	Base     string // path of the organization's pages
	Admin    bool   // commands may be given
	Operator bool
	Sections []section
	Zone     zone
	Path     string // of the page, to come back to
	Temporal string // address of the operators' view of workflows; "" when it is not for this person
}

// Live tells whether the script keeps the page up to date.
func (f frame) Live() bool {
	return f.Person.Subject != "" && f.Template != "notice" && (f.Moving || !f.Still)
}

// section is an entry of the menu.
type section struct{ Name, Title, Path string }

func (p *Portal) frame(v *visit, shown *page) frame {
	f := frame{
		page:     shown,
		Person:   v.session.Person,
		Org:      v.org,
		Orgs:     v.session.Orgs,
		Admin:    v.admin(),
		Operator: v.session.Person.Operator,
		Zone:     zone{v.zone},
		Path:     v.c.Request.URL.RequestURI(),
	}
	if v.org.Name != "" {
		f.Base = v.path()
		f.Sections = memberSections(v)
	}
	if v.caller.Role == schemas.RoleOperator {
		f.Sections = operatorSections()
	}
	if f.Operator {
		f.Temporal = p.temporalUI
	}
	return f
}

// render answers with a page. It is made as a whole first, so that one that
// cannot be made is not sent by half.
func (p *Portal) render(v *visit, shown *page) {
	var html bytes.Buffer
	set, known := p.templates[shown.Template]
	err := fmt.Errorf("there is no template %q", shown.Template)
	if known {
		err = set.ExecuteTemplate(&html, "layout.html", p.frame(v, shown))
	}
	if err != nil && shown.Template != "notice" {
		p.fail(v, fmt.Errorf("render the page %s: %w", shown.Template, err))
		return
	}
	if err != nil {
		p.log.Error("notice not rendered", zap.Error(err))
		v.c.String(http.StatusInternalServerError, "Internal error.")
		return
	}
	status := shown.Status
	if status == 0 {
		status = http.StatusOK
	}
	v.c.Header("Vary", "Accept")
	v.c.Data(status, "text/html; charset=utf-8", html.Bytes())
}

// requestID is the ID under which the request is found in the log.
func requestID(c *gin.Context) string { return c.GetString("request_id") }
