package portal

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// errNoPage is for addresses at which there is nothing, or nothing that the
// person may know of.
var errNoPage = &service.Error{Kind: service.NotFound, Detail: "There is no page at this address, or it belongs to an organization that you are not a member of."}

func isNotFound(err error) bool {
	var known *service.Error
	return errors.As(err, &known) && known.Kind == service.NotFound
}

// notice is a page that says one thing and where to go from there.
type notice struct {
	Status    int
	Title     string
	Text      string
	Link      string // "" is none
	LinkTitle string
	RequestID string // for whoever asks what happened; "" where nothing is to be found out
	Again     *form  // what was sent to this address, to be sent again by a button; nil is nothing
}

// leadingTo is the notice with a link that signs in and ends at a path of ours.
func (n notice) leadingTo(next string) notice {
	n.Link = loginPath(next)
	return n
}

// The notices about signing in.
var (
	tooManySignIns = notice{
		Status: http.StatusTooManyRequests, Title: "Too many sign-ins",
		Text: "Too many people have tried to sign in from your network address just now. Wait a minute and try again.",
		Link: "/", LinkTitle: "Try again",
	}
	providerSilent = notice{
		Status: http.StatusServiceUnavailable, Title: "Sign-in does not work at the moment",
		Text: "Your identity provider cannot be reached. Exports go on without it. Try again in a minute.",
		Link: "/", LinkTitle: "Try again",
	}
	signInStale = notice{
		Status: http.StatusBadRequest, Title: "This sign-in is too old",
		Text: "It was begun in another browser, or too long ago, or it has been used already. Begin again.",
		Link: "/", LinkTitle: "Sign in",
	}
	signInRefused = notice{
		Status: http.StatusForbidden, Title: "You were not signed in",
		Text: "Your identity provider did not let you in, or did not say who you are. Try again, or ask whoever manages sign-in in your organization.",
		Link: "/", LinkTitle: "Try again",
	}
	tooManyOrgs = notice{
		Status: http.StatusForbidden, Title: "You belong to too many organizations",
		Text: "Your identity provider names more organizations than a browser can keep for this site. Ask whoever manages it to name only those whose exports you look after.",
		Link: "/", LinkTitle: "Try again",
	}
	sessionOver = notice{
		Status: http.StatusUnauthorized, Title: "You are signed out",
		Text: "Your session has ended, and nothing was changed. This page keeps what you have sent: sign in in another tab, then come back and send it again.",
		Link: loginPath("/account"), LinkTitle: "Sign in in another tab",
	}
	signedOutNotice = notice{
		Status: http.StatusOK, Title: "You are signed out",
		Text: "On a shared computer, sign out of your identity provider too: until then it may sign you in again without asking.",
		Link: "/", LinkTitle: "Sign in",
	}
)

// noticeOf is what an error looks like to the person. Expected is false for an
// error that is the service's own fault; the page then says nothing of it.
func noticeOf(err error) (n notice, expected bool) {
	n = notice{Link: "/", LinkTitle: "Go to the first page"}
	var known *service.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		n.Status, n.Title = http.StatusRequestEntityTooLarge, "That is too much for one form"
		n.Text = "The form was not read to its end, and nothing was changed. Shorten what you have typed and send it again."
		return n, true
	case !errors.As(err, &known):
		n.Status, n.Title = http.StatusInternalServerError, "Something went wrong here"
		n.Text = "The page could not be made, and that is our fault. Nothing that you sent is half-done: either it shows when you look again, or it was not carried out. Try again in a minute."
		return n, false
	}
	n.Text = known.Detail
	switch known.Kind {
	case service.NotFound:
		n.Status, n.Title = http.StatusNotFound, "There is nothing here"
	case service.Forbidden:
		n.Status, n.Title = http.StatusForbidden, "You may not do this"
	case service.Invalid:
		n.Status, n.Title = http.StatusUnprocessableEntity, "A value is wrong"
		if len(known.Fields) > 0 {
			n.Text = "Nothing was changed."
		}
		for _, field := range known.Fields {
			n.Text += " " + field.Error() + "."
		}
	case service.Busy:
		n.Status, n.Title = http.StatusServiceUnavailable, "That has to wait a little"
	default:
		n.Status, n.Title = http.StatusConflict, "That cannot be done now"
	}
	return n, true
}

// Fail answers a request with a page that says what went wrong. It is for what
// happens outside of the portal's own pages, too: addresses without a page.
func (p *Portal) Fail(c *gin.Context, err error) {
	secure(c.Writer.Header())
	current, found := p.sessions.current(c)
	v := &visit{c: c, zone: zoneOf(c)}
	if found {
		v.session = current
	}
	p.fail(v, err)
}

// NotFound answers for addresses at which there is nothing.
func (p *Portal) NotFound(c *gin.Context) { p.Fail(c, errNoPage) }

// NotAllowed answers for addresses that only forms are sent to, or that nothing
// can be sent to.
func (p *Portal) NotAllowed(c *gin.Context) {
	secure(c.Writer.Header())
	p.show(c, notice{
		Status: http.StatusMethodNotAllowed, Title: "This address is no page",
		Text: "It is where the buttons of a page lead to, and does nothing when it is opened by itself. Go to the page, and press the button there.",
		Link: "/", LinkTitle: "Go to the first page",
	})
}

// fail answers a visit with the page that an error is. Refusals are recorded in
// the organization's audit log first.
func (p *Portal) fail(v *visit, err error) {
	c := v.c
	if v.caller.OrgID != nil {
		request := service.Request{Method: c.Request.Method, Route: c.FullPath(), ID: lastParam(c)}
		if unrecorded := p.service.RecordRefused(c.Request.Context(), v.caller, request, err); unrecorded != nil {
			err = unrecorded
		}
	}
	shown, expected := noticeOf(err)
	if !expected {
		shown.RequestID = requestID(c)
		if !errors.Is(err, context.Canceled) || c.Request.Context().Err() == nil {
			p.log.Error("page failed", zap.String("request_id", shown.RequestID), zap.String("route", c.FullPath()), zap.Error(err))
		}
	}
	shown.Link, shown.LinkTitle = wayOn(v, shown)
	p.renderNotice(v, shown)
}

// wayOn is where to go from an error: back, when another try may do; otherwise
// to the pages that the address is about.
func wayOn(v *visit, n notice) (path, title string) {
	switch n.Status {
	case http.StatusConflict, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge, http.StatusServiceUnavailable:
		if referer := ownReferer(v.c.Request); referer != "" {
			return referer, "Back"
		}
	}
	switch {
	case v.org.Name != "":
		return v.path("audit-logging"), "Go to the pages of " + v.org.Name
	case v.caller.Role == schemas.RoleOperator:
		return "/operator", "Go to the operators’ pages"
	default:
		return n.Link, n.LinkTitle
	}
}

// show answers somebody who is not signed in.
func (p *Portal) show(c *gin.Context, n notice) {
	p.renderNotice(&visit{c: c, zone: zoneOf(c)}, n)
}

func (p *Portal) renderNotice(v *visit, n notice) {
	v.c.Abort()
	if n.Status == http.StatusTooManyRequests || n.Status == http.StatusServiceUnavailable {
		v.c.Header("Retry-After", "60") // the pages say: in a minute
	}
	if wantsParts(v.c) {
		v.c.Status(n.Status)
		return
	}
	p.render(v, &page{Template: "notice", Status: n.Status, Title: n.Title, Body: n})
}

// lastParam is the last ID in the path; "" when there is none.
func lastParam(c *gin.Context) string {
	if last := len(c.Params) - 1; last >= 0 {
		return c.Params[last].Value
	}
	return ""
}
