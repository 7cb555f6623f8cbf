package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// describe is the OpenAPI document (I3).
func (a *API) describe() []byte {
	a.check()
	var schemas members
	for _, s := range a.schemas {
		schemas.add(s.Name, s.Schema)
	}
	var components, info, document members
	components.add("schemas", &schemas)
	info.add("title", a.info.Title)
	info.add("version", "v1")
	info.add("description", a.info.Description)
	document.add("openapi", "3.1.0")
	document.add("info", &info)
	document.add("paths", a.paths())
	document.add("components", &components)
	text, err := json.Marshal(&document)
	if err != nil {
		panic("api: the document can't be written: " + err.Error())
	}
	return text
}

// check panics where the table contradicts itself.
func (a *API) check() {
	var known, named []string
	for i := range a.schemas {
		known = append(known, a.schemas[i].Name)
		named = append(named, a.schemas[i].Schema.refs()...)
	}
	for i := range a.routes {
		route := &a.routes[i]
		for _, answer := range route.Answers {
			for j := range answer.Types {
				named = append(named, answer.Types[j].Schema.refs()...)
			}
		}
		if route.Body != nil {
			for j := range route.Body.Types {
				named = append(named, route.Body.Types[j].Schema.refs()...)
			}
		}
		for _, answer := range route.Answers {
			if slices.Contains(route.Problems, answer.Status) {
				panic(fmt.Sprintf("api: %s %s: %d is an answer and a problem", route.Method, route.Path, answer.Status))
			}
		}
		if len(route.Answers) == 0 || route.Summary == "" || route.Serve == nil {
			panic(fmt.Sprintf("api: %s %s: a route needs a summary, an answer and a Serve", route.Method, route.Path))
		}
		a.pathParams(route)
	}
	for _, name := range named {
		if !slices.Contains(known, name) {
			panic("api: a route names the schema " + name + ", which there isn't")
		}
	}
}

// pathParams are the wildcards of a route's path.
func (a *API) pathParams(route *Route) []Param {
	var params []Param
	for part := range strings.SplitSeq(route.Path, "/") {
		name, isWild := strings.CutPrefix(part, "{")
		if !isWild || name == "$}" {
			continue
		}
		name = strings.TrimSuffix(name, "}")
		called := func(p Param) bool { return p.Name == name }
		own := slices.Concat(route.PathParams, a.info.PathParams)
		i := slices.IndexFunc(own, called)
		if i < 0 {
			panic(fmt.Sprintf("api: %s %s: nothing describes {%s}", route.Method, route.Path, name))
		}
		params = append(params, own[i])
	}
	return params
}

func (a *API) paths() *members {
	var order []string
	byPath := map[string]*members{}
	for i := range a.routes {
		route := &a.routes[i]
		shown := strings.TrimSuffix(route.Path, "{$}")
		if byPath[shown] == nil {
			byPath[shown] = &members{}
			order = append(order, shown)
		}
		byPath[shown].add(strings.ToLower(route.Method), a.operation(route))
	}
	var paths members
	for _, path := range order {
		paths.add(path, byPath[path])
	}
	return &paths
}

func (a *API) operation(route *Route) *members {
	var o members
	if route.Tag != "" {
		o.add("tags", []string{route.Tag})
	}
	o.add("summary", route.Summary)
	if route.Description != "" {
		o.add("description", route.Description)
	}
	o.add("operationId", operationID(route))
	var params []*members
	for _, in := range []struct {
		place  string
		params []Param
	}{{"path", a.pathParams(route)}, {"query", route.Query}, {"header", route.Headers}} {
		for i := range in.params {
			params = append(params, parameter(in.place, &in.params[i]))
		}
	}
	if params != nil {
		o.add("parameters", params)
	}
	if route.Body != nil {
		var body members
		body.add("description", route.Body.Description)
		body.add("content", contents(route.Body.Types))
		body.add("required", !route.Body.Optional)
		o.add("requestBody", &body)
	}
	o.add("responses", responses(route))
	return &o
}

// operationID is made of the method and the path's words.
func operationID(route *Route) string {
	var words []string
	for part := range strings.SplitSeq(strings.TrimPrefix(route.Path, "/v1"), "/") {
		part = strings.Trim(part, "{}$")
		if part != "" {
			words = append(words, strings.NewReplacer("-", "_", ".", "_").Replace(part))
		}
	}
	return strings.Join(append([]string{strings.ToLower(route.Method)}, words...), "_")
}

func parameter(in string, p *Param) *members {
	var m members
	m.add("name", p.Name)
	m.add("in", in)
	m.add("description", p.Description)
	m.add("required", p.Required || in == "path")
	m.add("schema", p.Schema)
	return &m
}

func contents(types []Content) *members {
	var all members
	for i := range types {
		var m members
		m.add("schema", types[i].Schema)
		if types[i].Example != nil {
			m.add("example", types[i].Example)
		}
		all.add(types[i].Type, &m)
	}
	return &all
}

// problems are the statuses of a route's problems.
func problems(route *Route) []int {
	all := append([]int{http.StatusBadRequest, http.StatusInternalServerError}, route.Problems...)
	slices.Sort(all)
	return slices.Compact(all)
}

// problemText is what the document says of the problems of a status.
func problemText(route *Route, status int) string {
	text := http.StatusText(status)
	if codes := route.Codes[status]; codes != nil {
		text += ": " + strings.Join(codes, ", ")
	}
	return text
}

func responses(route *Route) *members {
	var all members
	for _, answer := range route.Answers {
		var m members
		description := answer.Description
		if description == "" {
			description = http.StatusText(answer.Status)
		}
		m.add("description", description)
		if answer.Headers != nil {
			var headers members
			for i := range answer.Headers {
				var h members
				h.add("description", answer.Headers[i].Description)
				h.add("schema", answer.Headers[i].Schema)
				headers.add(answer.Headers[i].Name, &h)
			}
			m.add("headers", &headers)
		}
		if answer.Types != nil {
			m.add("content", contents(answer.Types))
		}
		all.add(strconv.Itoa(answer.Status), &m)
	}
	for _, status := range problems(route) {
		var m members
		m.add("description", problemText(route, status))
		m.add("content", contents([]Content{{Type: "application/problem+json", Schema: Ref("Problem")}}))
		all.add(strconv.Itoa(status), &m)
	}
	return &all
}
