package query

import (
	_ "embed"
	"html/template"

	"highwater/pkg/api"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.js
	pageScript string

	pageTemplate = template.Must(template.New("page").Parse(pageHTML))
)

// statusPage is what a person sees at /: how far the partitions are, and one
// user's balance, entries and corrections. It asks the API and writes what it
// is told as text, never as HTML.
func statusPage() *api.Page { return api.NewPage(pageTemplate, api.Style, pageScript, nil) }
