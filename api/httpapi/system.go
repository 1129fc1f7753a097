package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/auditferry/auditferry/schemas"
)

// readyTimeout is below what orchestrators commonly grant a probe.
const readyTimeout = 2 * time.Second

// registerService adds what those who run the service look at.
func (a *api) registerService(router gin.IRouter) error {
	page, err := renderDocs(a.contract.document)
	if err != nil {
		return err
	}
	router.GET("/healthz", func(c *gin.Context) { c.String(http.StatusOK, "ok\n") })
	router.GET("/readyz", a.ready)
	router.GET("/metrics", gin.WrapH(promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{})))
	router.GET("/openapi.yaml", func(c *gin.Context) { c.Data(http.StatusOK, "application/yaml", schemas.OpenAPI) })
	router.GET("/.well-known/jwks.json", a.keySet)
	router.GET("/docs", func(c *gin.Context) { c.Data(http.StatusOK, "text/html; charset=utf-8", page) })
	return nil
}

func (a *api) ready(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), readyTimeout)
	defer cancel()
	if err := a.service.Ready(ctx); err != nil {
		a.log.Warn("not ready", zap.Error(err))
		a.answer(c, newProblem(http.StatusServiceUnavailable, "The database does not answer. Try again."))
		return
	}
	c.String(http.StatusOK, "ready\n")
}

// keySet answers everybody: whoever verifies a manifest need not be a caller.
func (a *api) keySet(c *gin.Context) {
	set, err := a.service.KeySet(c.Request.Context())
	if err != nil {
		a.fail(c, err)
		return
	}
	c.Header("Cache-Control", "public, max-age=300")
	c.Data(http.StatusOK, "application/jwk-set+json", set)
}
