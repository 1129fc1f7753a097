package portal

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"github.com/auditferry/auditferry/api/download"
)

// memberDownload serves a file to those who belong to an organization. Until the
// first block is sent, an error can still become a page; afterwards the
// connection is cut, so that the browser does not take the file for whole.
func (p *Portal) memberDownload(prepare func(ctx context.Context, v *visit) (download.File, error)) gin.HandlerFunc {
	return guarded(p.memberVisit, func(v *visit) {
		file, err := prepare(v.c.Request.Context(), v)
		if err != nil {
			p.fail(v, err)
			return
		}
		begun, err := file.Send(v.c.Writer)
		switch {
		case err == nil:
		case !begun:
			p.fail(v, err)
		default:
			p.log.Warn("download broke off", zap.String("request_id", requestID(v.c)), zap.String("route", v.c.FullPath()), zap.Error(err))
			panic(http.ErrAbortHandler)
		}
	})
}
