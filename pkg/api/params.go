package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"highwater/pkg/event"
)

// Params are a request's query and path parameters. The first one that is
// wrong is remembered; a handler reads all it needs and then asks [Params.Err].
type Params struct {
	request *http.Request
	query   map[string]string
	problem *Problem
}

// parse reads the query of a route that declares these parameters (I2).
func parse(r *http.Request, declared []Param) *Params {
	p := &Params{request: r}
	if r.URL.RawQuery == "" {
		return p
	}
	p.query = make(map[string]string, len(declared))
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(rawName)
		value, valueErr := url.QueryUnescape(rawValue)
		switch _, twice := p.query[name]; {
		case nameErr != nil:
			p.fail(Invalid(printable(rawName), "is not percent-encoded as it should be"))
		case !slices.ContainsFunc(declared, func(d Param) bool { return d.Name == name }):
			p.fail(Invalid(printable(name), "is not a parameter here; %s", known(declared)))
		case twice:
			p.fail(Invalid(name, "is given more than once"))
		case valueErr != nil:
			p.fail(Invalid(name, "is not percent-encoded as it should be"))
		}
		p.query[name] = value
	}
	return p
}

// known names the parameters that there are.
func known(declared []Param) string {
	if len(declared) == 0 {
		return "there are none"
	}
	names := make([]string, len(declared))
	for i := range declared {
		names[i] = declared[i].Name
	}
	return "there are " + strings.Join(names, ", ")
}

// printable is text of a stranger's that may stand in an answer.
func printable(s string) string {
	const maxBytes = 80
	if len(s) > maxBytes {
		s = s[:maxBytes] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r <= 0x9f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

func (p *Params) fail(problem *Problem) {
	if p.problem == nil {
		p.problem = problem
	}
}

// Err is the first parameter that is wrong, a *Problem; nil where none is.
func (p *Params) Err() error {
	if p.problem == nil {
		return nil
	}
	return p.problem
}

// Refuse remembers what is wrong with a parameter; nil is nothing.
func (p *Params) Refuse(r *event.Refusal) {
	if r != nil {
		p.fail(Refused(http.StatusBadRequest, r))
	}
}

// URL is the request's.
func (p *Params) URL() *url.URL { return p.request.URL }

// Given reports whether a query parameter stands in the request.
func (p *Params) Given(name string) bool {
	_, ok := p.query[name]
	return ok
}

// Text is a query parameter as it stands; "" where it isn't given.
func (p *Params) Text(name string) string { return p.query[name] }

// Path is a part of the path, decoded.
func (p *Params) Path(name string) string { return p.request.PathValue(name) }

// User is the user that the path names.
func (p *Params) User(name string) string {
	user := p.Path(name)
	p.Refuse(event.CheckUser(name, user))
	return user
}

// ID is an id in the path that a producer chose.
func (p *Params) ID(name string) string {
	id := p.Path(name)
	p.Refuse(event.CheckID(name, id))
	return id
}

// Asset is the query parameter asset; the default asset where it isn't given.
func (p *Params) Asset() string {
	if !p.Given(Asset.Name) {
		return event.DefaultAsset
	}
	asset := p.Text(Asset.Name)
	p.Refuse(event.CheckAsset(Asset.Name, asset))
	return asset
}

// Time is a time in the query: RFC 3339 with an offset, or microseconds.
func (p *Params) Time(name string, otherwise event.Time) event.Time {
	if !p.Given(name) {
		return otherwise
	}
	text := p.Text(name)
	if micros, err := strconv.ParseInt(text, 10, 64); err == nil {
		t := event.Time(micros)
		if !t.Valid() || text != strconv.FormatInt(micros, 10) {
			p.fail(Invalid(name, "%s is no time in microseconds from 0 to %d", printable(text), event.MaxTime))
		}
		return t
	}
	t, err := event.ParseTime(text)
	if err != nil {
		hint := ""
		if strings.Contains(text, " ") && strings.Contains(p.request.URL.RawQuery, "+") {
			hint = "; a + in a query means a space: write %2B, or the time in UTC with Z"
		}
		p.fail(Invalid(name, "%s%s", printable(err.Error()), hint))
	}
	return t
}

// Int is a whole number in the query, from least to most.
func (p *Params) Int(name string, least, most, otherwise int64) int64 {
	if !p.Given(name) {
		return otherwise
	}
	text := p.Text(name)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most || text != strconv.FormatInt(n, 10) {
		p.fail(Invalid(name, "%q is not a whole number from %d to %d", printable(text), least, most))
		return otherwise
	}
	return n
}

// OneOf is one of several words in the query; the first where it isn't given.
func (p *Params) OneOf(name string, words ...string) string {
	if !p.Given(name) {
		return words[0]
	}
	text := p.Text(name)
	if !slices.Contains(words, text) {
		p.fail(Invalid(name, "%q is not one of %s", printable(text), strings.Join(words, ", ")))
		return words[0]
	}
	return text
}

// Bounds of a page of a list.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// Limit is the query parameter limit: how many items a page has at most.
func (p *Params) Limit() int {
	return int(p.Int(Limit.Name, 1, MaxLimit, DefaultLimit))
}
