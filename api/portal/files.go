package portal

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/gin-gonic/gin"
)

//go:embed static
var staticFiles embed.FS

// files are what pages load: the style, the script and the icon. Their names
// hold a part of their hash, so that browsers keep them for good.
type files struct {
	paths map[string]string // by plain name
	data  map[string]file   // by name with hash
}

type file struct {
	mediaType string
	content   []byte
	gzipped   []byte
}

func loadFiles() (files, error) {
	all := files{paths: make(map[string]string), data: make(map[string]file)}
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		return all, fmt.Errorf("read the static files: %w", err)
	}
	for _, entry := range entries {
		content, err := staticFiles.ReadFile("static/" + entry.Name())
		if err != nil {
			return all, fmt.Errorf("read the static files: %w", err)
		}
		sum := sha256.Sum256(content)
		extension := path.Ext(entry.Name())
		name := strings.TrimSuffix(entry.Name(), extension) + "." + hex.EncodeToString(sum[:6]) + extension
		all.paths[entry.Name()] = "/static/" + name
		var gzipped bytes.Buffer
		if err := compress(&gzipped, content); err != nil {
			return all, fmt.Errorf("compress %s: %w", entry.Name(), err)
		}
		all.data[name] = file{mime.TypeByExtension(extension), content, gzipped.Bytes()}
	}
	return all, nil
}

// compress is for what is the same for everybody. Pages are sent as they are:
// they hold secrets beside what a request can put there, and the length of the
// two compressed together would tell of the secrets (BREACH).
func compress(to io.Writer, content []byte) error {
	w, err := gzip.NewWriterLevel(to, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return err
	}
	return w.Close()
}

func (p *Portal) serveFile(c *gin.Context) {
	found, known := p.files.data[c.Param("name")]
	if !known {
		p.NotFound(c)
		return
	}
	c.Header("Cache-Control", "public, max-age=31536000, immutable")
	c.Header("Vary", "Accept-Encoding")
	if strings.Contains(c.GetHeader("Accept-Encoding"), "gzip") {
		c.Header("Content-Encoding", "gzip")
		c.Data(http.StatusOK, found.mediaType, found.gzipped)
		return
	}
	c.Data(http.StatusOK, found.mediaType, found.content)
}
