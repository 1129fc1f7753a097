package portal

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"github.com/auditferry/auditferry/schemas"
)

// signIn sends the person to the identity provider. It is where everybody is
// sent who is not signed in, with the page that they wanted.
func (p *Portal) signIn(c *gin.Context) {
	next := ownPath(c.Query("next"))
	if !p.signIns.allow(c.ClientIP()) {
		p.show(c, tooManySignIns.leadingTo(next))
		return
	}
	begun, err := p.provider.Begin(c.Request.Context())
	if err != nil {
		p.log.Error("sign-in cannot begin", zap.Error(err))
		p.show(c, providerSilent.leadingTo(next))
		return
	}
	until := time.Now().Add(attemptLifetime)
	if err := p.sessions.put(c, attemptCookie, attempt{SignIn: begun, Next: next, Ends: until}, until); err != nil {
		p.Fail(c, err)
		return
	}
	c.Redirect(http.StatusSeeOther, begun.URL)
}

// signedIn is where the identity provider sends the person back.
func (p *Portal) signedIn(c *gin.Context) {
	var begun attempt
	known := p.sessions.get(c, attemptCookie, &begun) && time.Now().Before(begun.Ends)
	if !p.signIns.allow(c.ClientIP()) {
		p.show(c, tooManySignIns.leadingTo(ownPath(begun.Next)))
		return
	}
	if !known || subtle.ConstantTimeCompare([]byte(c.Query("state")), []byte(begun.State)) == 0 {
		p.show(c, signInStale.leadingTo(ownPath(begun.Next))) // another tab may have begun since, and is yet to come back
		return
	}
	p.sessions.clear(c, attemptCookie)
	if reason := c.Query("error"); reason != "" {
		p.log.Warn("the identity provider let nobody in", zap.String("error", reason), zap.String("description", c.Query("error_description")))
		p.show(c, signInRefused.leadingTo(begun.Next))
		return
	}
	if err := p.admit(c, begun); err != nil {
		p.log.Warn("sign-in failed", zap.Error(err))
		switch {
		case errors.Is(err, errTooMuch):
			p.show(c, tooManyOrgs)
		case errors.Is(err, errProvider) && !errors.Is(err, schemas.ErrSignInRefused):
			p.show(c, providerSilent.leadingTo(begun.Next))
		case errors.Is(err, errProvider):
			p.show(c, signInRefused.leadingTo(begun.Next))
		default:
			p.Fail(c, err)
		}
		return
	}
	c.Redirect(http.StatusSeeOther, begun.Next)
}

// errProvider is behind what goes wrong between the portal and the identity
// provider.
var errProvider = errors.New("the identity provider has signed nobody in")

func (p *Portal) admit(c *gin.Context, begun attempt) error {
	ctx := c.Request.Context()
	code := c.Query("code")
	if code == "" {
		return fmt.Errorf("%w: it sent no code: %w", errProvider, schemas.ErrSignInRefused)
	}
	person, err := p.provider.Finish(ctx, begun.SignIn, code)
	if err != nil {
		return fmt.Errorf("%w: %w", errProvider, err)
	}
	orgs, err := p.service.OrgsOf(ctx, person)
	if err != nil {
		return err
	}
	p.log.Info("signed in", zap.String("subject", person.Subject), zap.Int("orgs", len(orgs)), zap.Bool("operator", person.Operator))
	now, err := p.service.Clock(ctx)
	if err != nil {
		return err
	}
	return p.sessions.begin(c, now, person, orgs)
}

// signOut ends the session, or all sessions of the person.
func (p *Portal) signOut(c *gin.Context) {
	ctx := c.Request.Context()
	if current, found := p.sessions.current(c); found {
		ended, err := p.service.SessionEnded(ctx, current.ref()) // it ends nothing any more
		if err == nil && !ended {
			err = p.service.EndSession(ctx, current.ref(), c.PostForm("everywhere") != "")
		}
		if err != nil {
			p.Fail(c, err)
			return
		}
	}
	p.sessions.clear(c, sessionCookie)
	c.Redirect(http.StatusSeeOther, "/signed-out")
}

func (p *Portal) signedOut(c *gin.Context) { p.show(c, signedOutNotice) }

// authenticated gives the session of the request. False means that the request
// has been answered: who wanted to see a page is sent to sign in, and comes
// back to it.
func (p *Portal) authenticated(c *gin.Context) (session, bool) {
	current, found := p.sessions.current(c)
	if found {
		ended, err := p.service.SessionEnded(c.Request.Context(), current.ref())
		if err != nil {
			p.Fail(c, err)
			return session{}, false
		}
		found = !ended
	}
	switch {
	case found:
		return current, true
	case wantsParts(c):
		c.Status(http.StatusUnauthorized) // the script loads the whole page, and thereby signs in
	case c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead:
		c.Redirect(http.StatusSeeOther, loginPath(c.Request.URL.RequestURI()))
	default:
		p.keepForm(c)
	}
	return session{}, false
}

// keepForm answers a form whose session is over with a notice that holds what
// was sent.
func (p *Portal) keepForm(c *gin.Context) {
	sent, err := readForm(c)
	if err != nil {
		p.Fail(c, err)
		return
	}
	over := sessionOver
	over.Again = sent
	p.show(c, over)
}

// loginPath signs a person in, and ends at a path of ours.
func loginPath(next string) string { return "/login?next=" + url.QueryEscape(next) }

// maxNext is longer than any address of ours, and short enough for a cookie.
const maxNext = 1 << 10

// ownPath is a path of the portal; whatever else it is asked to be, it is the
// beginning. Browsers take // and /\ for the beginning of another host.
func ownPath(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > maxNext || u.IsAbs() || u.Host != "" || !strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "//") || strings.ContainsAny(raw, "\\\r\n\t") {
		return "/"
	}
	return raw
}
