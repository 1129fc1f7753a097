package portal

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"
)

// download is a file for a person to keep. Its length is not known before it is
// written.
type download struct {
	name      string
	mediaType string
	write     func(ctx context.Context, file io.Writer) error
}

const (
	// downloadBlock is how much of a file is sent at a time.
	downloadBlock = 32 << 10

	// blockTimeout is how long a browser may take for one block. A file as a
	// whole may take longer than the server gives pages.
	blockTimeout = 30 * time.Second
)

// memberDownload serves a file to those who belong to an organization. Until the
// first block is sent, an error can still become a page; afterwards the
// connection is cut, so that the browser does not take the file for whole.
func (p *Portal) memberDownload(prepare func(ctx context.Context, v *visit) (download, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		v, ok := p.memberVisit(c)
		if !ok {
			return
		}
		ctx := c.Request.Context()
		file, err := prepare(ctx, v)
		if err != nil {
			p.fail(v, err)
			return
		}
		begun, err := file.send(ctx, c.Request.Method, c.Writer)
		switch {
		case err == nil:
		case !begun:
			p.fail(v, err)
		default:
			p.log.Warn("download broke off", zap.String("request_id", requestID(c)), zap.String("route", c.FullPath()), zap.Error(err))
			panic(http.ErrAbortHandler)
		}
	}
}

// send writes the file, and tells whether anything of it may have been sent.
func (d download) send(ctx context.Context, method string, w http.ResponseWriter) (begun bool, err error) {
	if method == http.MethodHead {
		d.header(w.Header())
		return false, nil
	}
	to := &blockWriter{to: w, header: d.header}
	out := bufio.NewWriterSize(to, downloadBlock)
	if err := d.write(ctx, out); err != nil {
		return to.begun, err
	}
	to.begin() // also for a file that is empty
	return true, out.Flush()
}

func (d download) header(h http.Header) {
	h.Set("Content-Type", d.mediaType)
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", d.name))
}

// blockWriter sends the header with the first block, and extends the time for
// the answer with every one.
type blockWriter struct {
	to     http.ResponseWriter
	header func(http.Header)
	begun  bool
}

func (w *blockWriter) Write(block []byte) (int, error) {
	w.begin()
	if err := http.NewResponseController(w.to).SetWriteDeadline(time.Now().Add(blockTimeout)); err != nil {
		return 0, fmt.Errorf("extend the time for a download: %w", err)
	}
	return w.to.Write(block)
}

func (w *blockWriter) begin() {
	if !w.begun {
		w.begun = true
		w.header(w.to.Header())
	}
}
