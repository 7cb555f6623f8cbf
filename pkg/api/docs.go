package api

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"slices"
	"strconv"
	"strings"
)

var (
	//go:embed docs.html
	docsHTML string
	// Style is that of every page: quiet, readable, light or dark as the
	// reader has it.
	//
	//go:embed page.css
	Style string

	docsTemplate = template.Must(template.New("docs").Parse(docsHTML))
)

// docsGroup is a tag and its routes.
type docsGroup struct {
	Name   string
	Routes []docsRoute
}

type docsRoute struct {
	Anchor, Method, Path, Summary, Description string
	Params                                     []docsParam
	Body                                       *docsBody
	Answers                                    []docsAnswer
}

type docsParam struct {
	Name, In, Description, Type, Default string
	Required                             bool
}

type docsBody struct {
	Description string
	Types       []docsType
}

type docsAnswer struct {
	Status, Description string
	Types               []docsType
}

type docsType struct{ Type, Schema, Ref string }

type docsSchema struct {
	Name, Description string
	Properties        []docsParam
	Text              string
}

// docsPage shows what the document says; nothing in it needs a script.
func (a *API) docsPage() *Page {
	content := struct {
		Title, Description string
		Groups             []docsGroup
		Schemas            []docsSchema
	}{Title: a.info.Title, Description: a.info.Description}
	for i := range a.routes {
		route := &a.routes[i]
		at := slices.IndexFunc(content.Groups, func(g docsGroup) bool { return g.Name == route.Tag })
		if at < 0 {
			at = len(content.Groups)
			content.Groups = append(content.Groups, docsGroup{Name: route.Tag})
		}
		g := &content.Groups[at]
		g.Routes = append(g.Routes, a.docsRoute(route))
	}
	for i := range a.schemas {
		content.Schemas = append(content.Schemas, docsSchemaOf(&a.schemas[i]))
	}
	return NewPage(docsTemplate, Style, "", content)
}

func (a *API) docsRoute(route *Route) docsRoute {
	d := docsRoute{
		Anchor: operationID(route), Method: route.Method, Path: strings.TrimSuffix(route.Path, "{$}"),
		Summary: route.Summary, Description: route.Description,
	}
	for _, p := range a.pathParams(route) {
		d.Params = append(d.Params, docsParamOf(p, "path"))
	}
	for _, p := range route.Query {
		d.Params = append(d.Params, docsParamOf(p, "query"))
	}
	for _, p := range route.Headers {
		d.Params = append(d.Params, docsParamOf(p, "header"))
	}
	if route.Body != nil {
		d.Body = &docsBody{Description: route.Body.Description, Types: docsTypes(route.Body.Types)}
	}
	for _, answer := range route.Answers {
		d.Answers = append(d.Answers, docsAnswer{strconv.Itoa(answer.Status), answer.Description, docsTypes(answer.Types)})
	}
	for _, status := range problems(route) {
		if route.Codes[status] != nil {
			d.Answers = append(d.Answers, docsAnswer{Status: strconv.Itoa(status), Description: problemText(route, status)})
		}
	}
	return d
}

func docsParamOf(p Param, in string) docsParam {
	d := docsParam{Name: p.Name, In: in, Description: p.Description, Type: p.Schema.brief(), Required: p.Required || in == "path"}
	if p.Schema.Default != nil {
		text, err := json.Marshal(p.Schema.Default)
		if err != nil {
			panic("api: a default that is no JSON: " + err.Error())
		}
		d.Default = string(text)
	}
	return d
}

func docsTypes(types []Content) []docsType {
	var all []docsType
	for i := range types {
		all = append(all, docsType{Type: types[i].Type, Schema: types[i].Schema.brief(), Ref: first(types[i].Schema.refs())})
	}
	return all
}

func first(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

func docsSchemaOf(p *Property) docsSchema {
	d := docsSchema{Name: p.Name, Description: p.Schema.Description}
	for _, m := range p.Schema.Properties {
		d.Properties = append(d.Properties, docsParam{
			Name: m.Name, Description: m.Schema.Description, Type: m.Schema.brief(), Required: !m.Optional,
		})
	}
	if d.Properties == nil {
		d.Text = p.Schema.brief()
	}
	return d
}

// brief is a schema in a few words.
func (s *Schema) brief() string {
	var text string
	switch {
	case s.Ref != "":
		return s.Ref
	case s.Items != nil:
		text = "list of " + s.Items.brief()
	case s.Map != nil:
		text = "object of " + s.Map.brief()
	case len(s.OneOf) > 0:
		words := make([]string, len(s.OneOf))
		for i := range s.OneOf {
			words[i] = s.OneOf[i].brief()
		}
		text = strings.Join(words, " or ")
	case len(s.Enum) > 0:
		text = strings.Join(s.Enum, " | ")
	case len(s.Properties) > 0:
		names := make([]string, len(s.Properties))
		for i := range s.Properties {
			names[i] = s.Properties[i].Name
			if item := &s.Properties[i].Schema; item.Items != nil {
				names[i] += " (" + item.brief() + ")"
			}
		}
		text = "{" + strings.Join(names, ", ") + "}"
	case s.Format == "date-time":
		text = "time"
	case s.Type == "":
		text = "anything"
	default:
		text = s.Type
	}
	if s.Nullable {
		text += " or null"
	}
	return text
}
