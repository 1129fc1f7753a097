package portal

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// A page is kept up to date by asking for its parts: the same address, with
// partsType accepted instead of HTML. A part is a template whose name begins
// with partPrefix; in the page it stands in an element with data-part.
const (
	partsType  = "application/vnd.auditferry.parts+json"
	partPrefix = "part:"
)

// How often the script asks, in seconds. While something is under way a person
// watches; otherwise it is enough that a page left open is not wrong for long.
const (
	againSoon  = 2
	againLater = 20
)

// parts is what a page shows by now.
type parts struct {
	Parts map[string]string `json:"parts"` // HTML by the name of the part
	Again int               `json:"again"` // seconds until it is worth asking again
}

func wantsParts(c *gin.Context) bool { return strings.HasPrefix(c.GetHeader("Accept"), partsType) }

// answerParts answers with what the page shows by now, or that it is what the
// browser has.
func (p *Portal) answerParts(v *visit, shown *page) {
	set, known := p.templates[shown.Template]
	if !known {
		p.fail(v, fmt.Errorf("there is no template %q", shown.Template))
		return
	}
	answer := parts{Parts: make(map[string]string), Again: againLater}
	if shown.Moving {
		answer.Again = againSoon
	}
	framed := p.frame(v, shown)
	for _, t := range set.Templates() {
		name, isPart := strings.CutPrefix(t.Name(), partPrefix)
		if !isPart {
			continue
		}
		var html strings.Builder
		if err := t.Execute(&html, framed); err != nil {
			p.fail(v, fmt.Errorf("render the part %s of %s: %w", name, shown.Template, err))
			return
		}
		answer.Parts[name] = html.String()
	}
	body, err := json.Marshal(answer)
	if err != nil {
		p.fail(v, fmt.Errorf("serialize the parts of %s: %w", shown.Template, err))
		return
	}
	sum := sha256.Sum256(body)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	v.c.Header("ETag", tag)
	v.c.Header("Vary", "Accept")
	if v.c.GetHeader("If-None-Match") == tag {
		v.c.Status(http.StatusNotModified)
		return
	}
	v.c.Data(http.StatusOK, partsType, body)
}
