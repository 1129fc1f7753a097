package portal

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// visit is one request of a person who is signed in.
type visit struct {
	c       *gin.Context
	session session
	zone    *time.Location // in which the person reads times

	// caller is who the person is in the organization of the path, or as an
	// operator; org is that organization. Outside of both they are zero.
	caller service.Caller
	org    membership
}

// page is what a view shows.
type page struct {
	Template string
	Status   int // 0 is 200
	Title    string
	Crumbs   []crumb // above the title, without the page itself
	Section  string  // the entry of the menu that the page belongs to
	Body     any     // what the page's own template is about

	// Moving is for pages on which something is under way: they are asked for
	// their parts every other second, and without scripts they reload.
	Moving bool

	// Still is for pages that are not kept up to date unless they move: nothing
	// in them changes by itself, or they cost more to make than that is worth.
	Still bool

	// Done tells of the operation that the page was opened with.
	Done *done
}

// crumb is a step of the way to a page.
type crumb struct{ Title, Path string }

// view makes a page. Its errors are those of the service.
type view func(ctx context.Context, v *visit) (*page, error)

// command does what a button asks for and says which page comes next.
type command func(ctx context.Context, v *visit) (next string, err error)

// anyone serves a page for whoever is signed in.
func (p *Portal) anyone(view view) gin.HandlerFunc { return p.pageFor(p.visit, view) }

// member serves a page of an organization to those who belong to it.
func (p *Portal) member(view view) gin.HandlerFunc { return p.pageFor(p.memberVisit, view) }

// operator serves a page to operators.
func (p *Portal) operator(view view) gin.HandlerFunc { return p.pageFor(p.operatorVisit, view) }

// memberCommand carries out a button of an organization's page.
func (p *Portal) memberCommand(do command) gin.HandlerFunc {
	return guarded(p.memberVisit, func(v *visit) { p.carryOut(v, do) })
}

func (p *Portal) pageFor(admit admission, view view) gin.HandlerFunc {
	return guarded(admit, func(v *visit) { p.serve(v, view) })
}

// admission finds out who asks. False means that the request has been answered.
type admission func(*gin.Context) (*visit, bool)

func guarded(admit admission, then func(*visit)) gin.HandlerFunc {
	return func(c *gin.Context) {
		if v, ok := admit(c); ok {
			then(v)
		}
	}
}

func (p *Portal) visit(c *gin.Context) (*visit, bool) {
	current, ok := p.authenticated(c)
	if !ok {
		return nil, false
	}
	return &visit{c: c, session: current, zone: zoneOf(c)}, true
}

func (p *Portal) memberVisit(c *gin.Context) (*visit, bool) {
	v, ok := p.visit(c)
	if !ok {
		return nil, false
	}
	org, err := pathID(c, "org")
	if err == nil {
		v.org, err = v.session.membership(org)
	}
	if err == nil {
		v.caller, err = service.Member(v.session.Person, org, originOf(c))
	}
	if err != nil {
		p.fail(v, err)
		return nil, false
	}
	return v, true
}

func (p *Portal) operatorVisit(c *gin.Context) (*visit, bool) {
	v, ok := p.visit(c)
	if !ok {
		return nil, false
	}
	caller, err := service.Operator(v.session.Person, originOf(c))
	if err != nil {
		p.fail(v, err)
		return nil, false
	}
	v.caller = caller
	return v, true
}

// serve answers with a page, or with those of its parts that are kept up to
// date.
func (p *Portal) serve(v *visit, view view) {
	shown, err := view(v.c.Request.Context(), v)
	if err == nil && shown.Done == nil {
		shown.Done, err = p.doneOf(v.c.Request.Context(), v)
	}
	if err != nil {
		p.fail(v, err)
		return
	}
	if shown.Done != nil && !shown.Done.Ended {
		shown.Moving = true
	}
	if wantsParts(v.c) {
		p.answerParts(v, shown)
		return
	}
	p.render(v, shown)
}

// carryOut does a command and leads to the next page. What is sent again by a
// reload is that page then, and not the command.
func (p *Portal) carryOut(v *visit, do command) {
	next, err := do(v.c.Request.Context(), v)
	if err != nil {
		p.fail(v, err)
		return
	}
	v.c.Redirect(http.StatusSeeOther, next)
}

// originOf is what audit events say of where a request came from.
func originOf(c *gin.Context) schemas.EventContext {
	return service.Origin(c.ClientIP(), c.Request.UserAgent(), requestID(c))
}

// call is the caller with the idempotency key of the form that was sent, so
// that a button pressed twice acts once.
func (v *visit) call() service.Call {
	key := v.c.PostForm(keyField)
	if _, err := uuid.Parse(key); err != nil {
		key = ""
	}
	return service.Call{Caller: v.caller, IdempotencyKey: key}
}

// admin tells whether the person may give commands here.
func (v *visit) admin() bool { return v.caller.Role == schemas.RoleAdmin }

// path is the path of a page of the visit's organization.
func (v *visit) path(elements ...string) string {
	path := "/orgs/" + v.org.ID.String()
	for _, element := range elements {
		path += "/" + element
	}
	return path
}

// pathID reads an ID from the path. What is none cannot be that of anything.
func pathID(c *gin.Context, name string) (uuid.UUID, error) {
	id, err := uuid.Parse(c.Param(name))
	if err != nil {
		return uuid.Nil, errNoPage
	}
	return id, nil
}
