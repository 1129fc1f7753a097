// Package httpapi serves the HTTP contract (schemas/openapi.yaml) over the
// service: generated routes, thin handlers, and one place that maps errors to
// HTTP.
package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"github.com/auditferry/auditferry/api/service"
)

// Authenticator finds out who holds a bearer token. Its error is a
// *service.Error of kind Unauthenticated when nobody does.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (service.Caller, error)
}

// Options is what the API is served with.
type Options struct {
	Service       *service.Service
	Authenticator Authenticator
	Log           *zap.Logger

	// Pages are served beside the API; nil: none.
	Pages Pages

	// TrustedProxies are the networks (CIDR) whose X-Forwarded-For is believed;
	// none: clients are who connects.
	TrustedProxies []string
}

// Pages are what people see in a browser.
type Pages interface {
	Register(router gin.IRouter)
	// NotFound answers for addresses at which there is nothing.
	NotFound(c *gin.Context)
	// NotAllowed answers for addresses that do not take the request's method.
	NotAllowed(c *gin.Context)
	// Fail answers with a page that says what went wrong.
	Fail(c *gin.Context, err error)
}

type api struct {
	service       *service.Service
	authenticator Authenticator
	log           *zap.Logger
	contract      *contract
	registry      *prometheus.Registry
	metrics       metrics
	pages         Pages
}

// New makes the handler of every path in the contract. It fails only when the
// contract itself is wrong.
func New(o Options) (http.Handler, error) {
	contract, err := newContract()
	if err != nil {
		return nil, err
	}
	a := &api{
		service:       o.Service,
		authenticator: o.Authenticator,
		log:           o.Log,
		contract:      contract,
		registry:      prometheus.NewRegistry(),
		pages:         o.Pages,
	}
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.metrics = newMetrics(a.registry)
	router, err := a.router(o.TrustedProxies)
	if err != nil {
		return nil, err
	}
	return headAsGet(router), nil
}

// headAsGet answers HEAD wherever there is GET. The server itself leaves the
// body out, and the service what is for those alone who see it.
func headAsGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			r = r.WithContext(service.HeadersOnly(r.Context())) // a copy
			r.Method = http.MethodGet
		}
		next.ServeHTTP(w, r)
	})
}

func (a *api) router(proxies []string) (*gin.Engine, error) {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.HandleMethodNotAllowed = true
	router.RedirectTrailingSlash = false
	router.RemoteIPHeaders = []string{"X-Forwarded-For"}
	if err := router.SetTrustedProxies(proxies); err != nil {
		return nil, err
	}
	router.Use(identify, a.observe, a.recovered)
	router.NoRoute(func(c *gin.Context) {
		if a.forPeople(c) {
			a.pages.NotFound(c)
			return
		}
		a.answer(c, newProblem(http.StatusNotFound, "There is nothing at this address. See /docs for what there is."))
	})
	router.NoMethod(func(c *gin.Context) {
		if a.forPeople(c) {
			a.pages.NotAllowed(c)
			return
		}
		a.answer(c, newProblem(http.StatusMethodNotAllowed, "Use one of the methods in the Allow header."))
	})
	if a.pages != nil {
		a.pages.Register(router.Group("/", func(c *gin.Context) { c.Set(keyPage, true) }))
	}
	guarded := router.Group("/", a.guard)
	if err := a.registerService(guarded); err != nil {
		return nil, err
	}
	strict := NewStrictHandlerWithOptions(handlers{a.service}, nil, StrictGinServerOptions{
		RequestErrorHandlerFunc: func(c *gin.Context, err error) {
			a.fail(c, newProblem(http.StatusBadRequest, "The body is not what this call takes: "+err.Error()+"."))
		},
		HandlerErrorFunc:         a.fail,
		ResponseErrorHandlerFunc: a.fail,
	})
	RegisterHandlersWithOptions(guarded, strict, GinServerOptions{
		ErrorHandler: func(c *gin.Context, err error, status int) { a.fail(c, newProblem(status, err.Error()+".")) },
	})
	return router, nil
}

// forPeople tells whether a browser asks for something that is no call.
func (a *api) forPeople(c *gin.Context) bool {
	return a.pages != nil && strings.Contains(c.GetHeader("Accept"), "text/html")
}

// guard lets only requests pass that the contract allows, with their caller.
func (a *api) guard(c *gin.Context) {
	call := a.contract.call(c)
	if !call.public {
		if err := a.authenticate(c); err != nil {
			a.fail(c, err)
			return
		}
	}
	if err := a.contract.check(c, call); err != nil {
		a.fail(c, err)
		return
	}
	c.Next()
}

func (a *api) authenticate(c *gin.Context) error {
	scheme, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return &service.Error{Kind: service.Unauthenticated, Detail: "Send an API key: Authorization: Bearer <key>."}
	}
	caller, err := a.authenticator.Authenticate(c.Request.Context(), token)
	if err != nil {
		return err
	}
	caller.Origin = service.Origin(c.ClientIP(), c.Request.UserAgent(), c.GetString(keyRequestID))
	c.Set(keyAPIKey, caller.Actor.ID)
	if caller.OrgID != nil {
		c.Set(keyOrg, caller.OrgID.String())
	}
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), callerKey{}, caller))
	return nil
}

type callerKey struct{}

// callerOf gives a handler the caller, and the request's own context: gin's is
// used again for other requests, and what outlives the request must not hold
// it.
func callerOf(ctx context.Context) (context.Context, service.Caller) {
	if c, isGin := ctx.(*gin.Context); isGin {
		ctx = c.Request.Context()
	}
	caller, _ := ctx.Value(callerKey{}).(service.Caller)
	return ctx, caller
}

// callOf is callerOf for calls that take an Idempotency-Key.
func callOf(ctx context.Context, key *string) (context.Context, service.Call) {
	ctx, caller := callerOf(ctx)
	return ctx, service.Call{Caller: caller, IdempotencyKey: value(key)}
}

// value is what an optional member holds; the zero value when it was left out.
func value[T any](optional *T) T {
	var zero T
	if optional == nil {
		return zero
	}
	return *optional
}

func pageOf(cursor *string, limit *int) service.Page {
	return service.Page{Cursor: value(cursor), Limit: value(limit)}
}

// cursor is nil at the end of a list.
func cursor(next string) *string {
	if next == "" {
		return nil
	}
	return &next
}

// handlers implements the generated interface. Each handler translates and
// calls the service, which decides.
type handlers struct{ service *service.Service }

var _ StrictServerInterface = handlers{}
