package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"strconv"
	"strings"
)

// Page is an HTML page that doesn't change while the process runs. Its policy
// allows the page's own style and script, by their hashes, requests to the
// service itself, and nothing else (I4).
type Page struct {
	body   []byte
	policy string
}

// NewPage makes a page from a template, which is given Style, Script and
// Content and must put the first two into a style and a script element. The
// script may be empty.
func NewPage(page *template.Template, style, script string, content any) *Page {
	var body bytes.Buffer
	err := page.Execute(&body, struct {
		Style   template.CSS
		Script  template.JS
		Content any
	}{template.CSS(style), template.JS(script), content}) //nolint:gosec // G203: both stand in code.
	if err != nil {
		panic("api: a page of code can't be made: " + err.Error())
	}
	policy := []string{
		"default-src 'none'", "style-src " + hashSource(style), "connect-src 'self'", "img-src data:",
		"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
	}
	if script != "" {
		policy = append(policy, "script-src "+hashSource(script))
	}
	return &Page{body: body.Bytes(), policy: strings.Join(policy, "; ")}
}

func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// ServeHTTP answers with the page.
func (p *Page) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Length", strconv.Itoa(len(p.body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(p.body)
}
