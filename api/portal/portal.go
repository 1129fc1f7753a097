// Package portal serves the pages on which admins set up integrations and
// exports, and operators provision: server-rendered, over the same service as
// the API, and complete without scripts. Where scripts run they copy, open
// dialogs and keep what moves up to date.
//
// Every page of an organization has the organization in its path, so that two
// tabs can never act for one another. What a person may do is decided by the
// service alone; the pages only leave out what it would refuse.
package portal

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// Provider signs people in.
type Provider interface {
	// Begin begins a sign-in; the person goes to its URL.
	Begin(ctx context.Context) (schemas.SignIn, error)
	// Finish says who came back from the provider with the code.
	Finish(ctx context.Context, begun schemas.SignIn, code string) (schemas.Person, error)
}

// Options is what the portal is served with.
type Options struct {
	Service  *service.Service
	Provider Provider
	Log      *zap.Logger

	// SessionKey encrypts the session cookies: 32 random bytes. Another key
	// ends all sessions.
	SessionKey []byte

	// SessionLifetime is how long a person stays signed in. What they are in
	// which organization is asked of the provider at sign-in alone.
	SessionLifetime time.Duration

	// Secure is for a portal that people reach by https: cookies are not sent
	// otherwise.
	Secure bool

	// TemporalUI is the address at which operators see a namespace's workflows,
	// such as https://temporal.example/namespaces/auditferry; "" has no links.
	TemporalUI string
}

// Portal serves the pages.
type Portal struct {
	service    *service.Service
	provider   Provider
	log        *zap.Logger
	sessions   sessions
	signIns    *limiter
	templates  templates
	files      files
	temporalUI string
}

// New makes the portal. It fails when a template or the session key is wrong.
func New(o Options) (*Portal, error) {
	sessions, err := newSessions(o.SessionKey, o.SessionLifetime, o.Secure)
	if err != nil {
		return nil, err
	}
	files, err := loadFiles()
	if err != nil {
		return nil, err
	}
	templates, err := loadTemplates(files)
	if err != nil {
		return nil, err
	}
	return &Portal{
		service:    o.Service,
		provider:   o.Provider,
		log:        o.Log,
		sessions:   sessions,
		signIns:    newLimiter(),
		templates:  templates,
		files:      files,
		temporalUI: o.TemporalUI,
	}, nil
}

// Register adds the pages to a router.
func (p *Portal) Register(router gin.IRouter) {
	pages := router.Group("/", secured, p.sameOrigin())
	pages.GET("/static/:name", p.serveFile)

	pages.GET("/login", p.signIn)
	pages.GET("/login/callback", p.signedIn)
	pages.GET("/signed-out", p.signedOut)
	pages.POST("/logout", p.signOut)

	p.registerHome(pages)
	p.registerSettings(pages)
	p.registerIntegrations(pages)
	p.registerExports(pages)
	p.registerRuns(pages)
	p.registerLedger(pages)
	p.registerEvents(pages)
	p.registerKeys(pages)
	p.registerNotices(pages)
	p.registerOperators(pages)
}

// contentPolicy lets a page load nothing but our own style, script and
// pictures, and talk to nobody else. Forms that lead to the identity provider
// do so by a link.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secured sets the headers of every answer, and bounds what is read of every
// request.
func secured(c *gin.Context) {
	secure(c.Writer.Header())
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxForm)
	c.Next()
}

func secure(h http.Header) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store") // pages show what only their reader may see
}

// sameOrigin refuses what another site makes a browser send in a person's name.
func (p *Portal) sameOrigin() gin.HandlerFunc {
	protection := http.NewCrossOriginProtection()
	return func(c *gin.Context) {
		if err := protection.Check(c.Request); err != nil {
			p.Fail(c, &service.Error{Kind: service.Forbidden, Detail: "This request came from another site, and was not carried out. Open the page here and try again."})
			return
		}
		c.Next()
	}
}
