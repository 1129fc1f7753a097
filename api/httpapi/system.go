package httpapi

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
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

//go:embed docs.html
var docsHTML string

var docsTemplate = template.Must(template.New("docs").Parse(docsHTML))

type docsGroup struct {
	Name, Description string
	Calls             []docsCall
}

type docsCall struct{ Method, Path, Summary, Description string }

// renderDocs makes the page for people from the contract. It never changes
// while the program runs.
func renderDocs(document *openapi3.T) ([]byte, error) {
	var groups []docsGroup
	for _, tag := range document.Tags {
		groups = append(groups, docsGroup{Name: tag.Name, Description: tag.Description, Calls: callsOf(document, tag.Name)})
	}
	var page bytes.Buffer
	err := docsTemplate.Execute(&page, map[string]any{
		"Title": document.Info.Title, "Description": document.Info.Description, "Groups": groups,
	})
	if err != nil {
		return nil, fmt.Errorf("render the documentation page: %w", err)
	}
	return page.Bytes(), nil
}

func callsOf(document *openapi3.T, tag string) []docsCall {
	var calls []docsCall
	for _, path := range document.Paths.InMatchingOrder() {
		item := document.Paths.Value(path)
		for method, operation := range item.Operations() {
			if slices.Contains(operation.Tags, tag) {
				calls = append(calls, docsCall{Method: method, Path: path, Summary: operation.Summary, Description: operation.Description})
			}
		}
	}
	slices.SortFunc(calls, func(a, b docsCall) int {
		return slices.Compare([]string{a.Path, a.Method}, []string{b.Path, b.Method})
	})
	return calls
}
