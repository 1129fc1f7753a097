package cloudsim

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
)

//go:embed templates/*.html
var templateFiles embed.FS

var templates = template.Must(template.ParseFS(templateFiles, "templates/*.html"))

// consentView is what the consent page shows.
type consentView struct {
	TenantID string
	ClientID string
	AppName  string
	Page     string // the cloud admin's page
	Accepted bool
	Error    string
}

func (s *Server) pageHandler() http.Handler {
	return http.NewServeMux()
}

// render writes a page, whole or not at all.
func render(w http.ResponseWriter, status int, name string, view any) {
	var text bytes.Buffer
	if err := templates.ExecuteTemplate(&text, name, view); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	// A browser that has gone away does not miss the rest.
	_, _ = text.WriteTo(w)
}
