package httpapi

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Keys of what gin keeps with a request.
const (
	keyRequestID = "request_id"
	keyOrg       = "org"
	keyAPIKey    = "api_key"
	keyPage      = "page" // the request is for a page, not for the API
)

// identify gives the request an ID under which its log lines and its caller's
// complaints are found.
func identify(c *gin.Context) {
	id := uuid.NewString()
	c.Set(keyRequestID, id)
	c.Header("X-Request-Id", id)
	c.Next()
}

// observe writes the access log and counts. Neither holds bodies, queries or
// keys.
func (a *api) observe(c *gin.Context) {
	begin := time.Now()
	defer func() { a.observed(c, time.Since(begin)) }() // also when the answer breaks off
	c.Next()
}

func (a *api) observed(c *gin.Context, duration time.Duration) {
	status := strconv.Itoa(c.Writer.Status())
	method := c.Request.Method
	if c.FullPath() == "" {
		method = "other" // a client may make up as many as it likes, and each would be kept
	}
	a.metrics.requests.WithLabelValues(method, c.FullPath(), status).Inc()
	a.metrics.seconds.WithLabelValues(method, c.FullPath()).Observe(duration.Seconds())
	a.log.Info("request", append(requestFields(c),
		zap.Int("status", c.Writer.Status()), zap.Int("bytes", max(c.Writer.Size(), 0)), zap.Duration("duration", duration))...)
}

func requestFields(c *gin.Context) []zap.Field {
	fields := []zap.Field{
		zap.String("request_id", c.GetString(keyRequestID)),
		zap.String("method", c.Request.Method),
		zap.String("path", c.Request.URL.Path),
		zap.String("client", c.ClientIP()),
	}
	for _, key := range []string{keyOrg, keyAPIKey} {
		if value := c.GetString(key); value != "" {
			fields = append(fields, zap.String(key, value))
		}
	}
	return fields
}

// recovered keeps a panic from taking the program, and other requests, along.
func (a *api) recovered(c *gin.Context) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if cause == http.ErrAbortHandler { //nolint:errorlint // the value itself is the signal
			panic(cause)
		}
		a.log.Error("panic", append(requestFields(c), zap.Any("panic", cause), zap.ByteString("goroutine", debug.Stack()))...)
		err := fmt.Errorf("panic: %v", cause)
		if c.GetBool(keyPage) {
			a.pages.Fail(c, err)
			return
		}
		p, _ := problemOf(err)
		a.answer(c, p)
	}()
	c.Next()
}

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(registry prometheus.Registerer) metrics {
	m := metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "auditferry_http_requests_total",
			Help: "HTTP requests answered.",
		}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "auditferry_http_request_seconds",
			Help:    "Time to answer HTTP requests, waiting for operations included.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"method", "route"}),
	}
	registry.MustRegister(m.requests, m.seconds)
	return m
}
