package portal

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
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
		all.data[name] = file{mime.TypeByExtension(extension), content}
	}
	return all, nil
}

func (p *Portal) serveFile(c *gin.Context) {
	found, known := p.files.data[c.Param("name")]
	if !known {
		p.NotFound(c)
		return
	}
	c.Header("Cache-Control", "public, max-age=31536000, immutable")
	c.Data(http.StatusOK, found.mediaType, found.content)
}
