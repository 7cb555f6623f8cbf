package api_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"highwater/pkg/api"
	"highwater/pkg/event"
)

// echo answers with what its parameters were read as.
func echo(w http.ResponseWriter, _ *http.Request, p *api.Params) error {
	user, at, limit, asset := p.User("user_id"), p.Time("at", event.NoTime), p.Limit(), p.Asset()
	format := p.OneOf("format", "json", "text")
	if err := p.Err(); err != nil {
		return err
	}
	api.WriteJSON(w, http.StatusOK, fmt.Appendf(nil, `{"user":%q,"at":%q,"limit":%d,"asset":%q,"format":%q}`, user, at, limit, asset, format))
	return nil
}

func table() []api.Route {
	ok := []api.Answer{{Status: http.StatusOK, Types: api.JSON(api.Ref("Thing"))}}
	return []api.Route{
		{
			Method: "GET", Path: "/v1/users/{user_id}/thing", Tag: "Things", Summary: "One <thing>.", Answers: ok,
			Query: []api.Param{api.Asset, api.Limit, {Name: "at", Schema: api.TimeSchema}, {Name: "format", Schema: api.Text("")}},
			Serve: echo,
		},
		{Method: "POST", Path: "/v1/things", Tag: "Things", Summary: "Breaks.", Answers: ok, Serve: func(http.ResponseWriter, *http.Request, *api.Params) error {
			return errors.New("secret reason")
		}},
		{Method: "PUT", Path: "/v1/things", Tag: "Things", Summary: "Panics.", Answers: ok, Serve: func(http.ResponseWriter, *http.Request, *api.Params) error {
			panic("secret reason")
		}},
		{Method: "GET", Path: "/{$}", Tag: "Pages", Summary: "Home.", Answers: ok, Serve: func(http.ResponseWriter, *http.Request, *api.Params) error {
			return &api.Problem{Status: 503, Code: api.Unavailable, Detail: "later", RetryAfter: 1500e6}
		}},
	}
}

func handler(t *testing.T) (http.Handler, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewRegistry()
	a := api.New(api.Info{
		Service: "test", Title: "Test", PathParams: []api.Param{{Name: "user_id", Description: "Whose.", Schema: api.Text("")}},
	}, table(), []api.Property{{Name: "Thing", Schema: api.Object("A thing.", api.Property{Name: "at", Schema: api.Time("").OrNull()})}},
		slog.New(slog.DiscardHandler), registry)
	return a.Handler(http.NewServeMux()), registry
}

func ask(h http.Handler, method, target string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://test/", http.NoBody)
	u, err := url.Parse(target)
	if err != nil {
		panic(err)
	}
	r.URL = u
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// I1, I2.
func TestEveryErrorIsAProblem(t *testing.T) {
	h, _ := handler(t)
	for _, c := range []struct {
		method, target string
		status         int
		code, field    string
	}{
		{"GET", "/nowhere", 404, "not_found", ""},
		{"GET", "/v1/users//thing", 404, "not_found", ""},
		{"GET", "/v1/users/../things", 404, "not_found", ""},
		{"GET", "/v1/users/a/thing/", 404, "not_found", ""},
		{"DELETE", "/v1/things", 405, "method_not_allowed", ""},
		{"POST", "/v1/things", 500, "internal", ""},
		{"PUT", "/v1/things", 500, "internal", ""},
		{"GET", "/", 503, "unavailable", ""},
		{"GET", "/?x=1", 400, "invalid", "x"},
		{"GET", "/v1/users/a/thing?limit=1&limit=1", 400, "invalid", "limit"},
		{"GET", "/v1/users/a/thing?Limit=1", 400, "invalid", "Limit"},
		{"GET", "/v1/users/a/thing?limit=0", 400, "invalid", "limit"},
		{"GET", "/v1/users/a/thing?limit=1001", 400, "invalid", "limit"},
		{"GET", "/v1/users/a/thing?limit=%2B1", 400, "invalid", "limit"},
		{"GET", "/v1/users/a/thing?limit=", 400, "invalid", "limit"},
		{"GET", "/v1/users/a/thing?limit=%zz", 400, "invalid", "limit"},
		{"GET", "/v1/users/a/thing?%zz=1", 400, "invalid", "%zz"},
		{"GET", "/v1/users/a/thing?at=yesterday", 400, "invalid", "at"},
		{"GET", "/v1/users/a/thing?at=-1", 400, "invalid", "at"},
		{"GET", "/v1/users/a/thing?at=007", 400, "invalid", "at"},
		{"GET", "/v1/users/a/thing?at=253402300800000000", 400, "invalid", "at"},
		{"GET", "/v1/users/a/thing?at=2026-01-01T00:00:00", 400, "invalid", "at"},
		{"GET", "/v1/users/a/thing?at=2026-01-01T00:00:00+01:00", 400, "invalid", "at"},
		{"GET", "/v1/users/a/thing?asset=UPPER", 400, "invalid", "asset"},
		{"GET", "/v1/users/a/thing?asset=", 400, "invalid", "asset"},
		{"GET", "/v1/users/a/thing?format=xml", 400, "invalid", "format"},
		{"GET", "/v1/users/a%0A/thing", 400, "invalid", "user_id"},
		{"GET", "/v1/users/%ff/thing", 400, "invalid", "user_id"},
		{"GET", "/v1/users/" + strings.Repeat("u", 129) + "/thing", 400, "invalid", "user_id"},
	} {
		w := ask(h, c.method, c.target)
		var p struct {
			Type, Title, Code, Field, Detail string
			Status                           int
		}
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Errorf("%s %s: %v: %s", c.method, c.target, err, w.Body)
			continue
		}
		if w.Code != c.status || p.Status != c.status || p.Code != c.code || p.Field != c.field || p.Detail == "" || p.Title == "" ||
			p.Type != "urn:highwater:problem:"+c.code || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d %s", c.method, c.target, w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s %s says too much: %s", c.method, c.target, w.Body)
		}
	}
	if got := ask(h, "DELETE", "/v1/things").Header().Get("Allow"); got != "POST, PUT" {
		t.Errorf("allow %q", got)
	}
	if got := ask(h, "GET", "/").Header().Get("Retry-After"); got != "2" {
		t.Errorf("retry after %q", got)
	}
}

func TestParamsAreRead(t *testing.T) {
	h, _ := handler(t)
	for target, want := range map[string]string{
		"/v1/users/a/thing": `{"user":"a","at":"none","limit":100,"asset":"credits","format":"json"}`,
		"/v1/users/a%2Fb%25%C3%A9/thing?asset=gems&limit=7":     `{"user":"a/b%é","at":"none","limit":7,"asset":"gems","format":"json"}`,
		"/v1/users/%2E%2E/thing?at=2026-01-01T01:00:00%2B01:00": `{"user":"..","at":"2026-01-01T00:00:00.000000Z","limit":100,"asset":"credits","format":"json"}`,
		"/v1/users/a/thing?at=1000000&format=text&":             `{"user":"a","at":"1970-01-01T00:00:01.000000Z","limit":100,"asset":"credits","format":"text"}`,
		"/v1/users/a%2F..%2Fb/thing?at=0":                       `{"user":"a/../b","at":"1970-01-01T00:00:00.000000Z","limit":100,"asset":"credits","format":"json"}`,
	} {
		if w := ask(h, "GET", target); w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}

// I3.
func TestDocumentListsTheRoutes(t *testing.T) {
	h, _ := handler(t)
	var d struct {
		OpenAPI    string
		Paths      map[string]map[string]struct{ OperationID string }
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(ask(h, "GET", "/openapi.json").Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	n := 0
	ids := map[string]bool{}
	for _, methods := range d.Paths {
		for _, o := range methods {
			n++
			ids[o.OperationID] = true
		}
	}
	if d.OpenAPI != "3.1.0" || n != len(table()) || len(ids) != n || d.Components.Schemas["Thing"] == nil || d.Components.Schemas["Problem"] == nil {
		t.Errorf("%+v", d)
	}
}

// I4.
func TestDocsArePlainAndPinned(t *testing.T) {
	h, _ := handler(t)
	w := ask(h, "GET", "/docs")
	page, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(page)
	if style == nil {
		t.Fatal("no style")
	}
	sum := sha256.Sum256([]byte(style[1]))
	if !strings.Contains(policy, "sha256-"+base64.StdEncoding.EncodeToString(sum[:])) || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("policy %q", policy)
	}
	if strings.Contains(page, "://") || strings.Contains(page, "<script") || strings.Contains(page, "<thing>") {
		t.Error("the page names another host, or isn't escaped")
	}
	if !strings.Contains(page, "/v1/users/{user_id}/thing") {
		t.Error("a route isn't shown")
	}
}

func TestMetrics(t *testing.T) {
	h, registry := handler(t)
	for _, target := range []string{"/v1/users/a/thing", "/v1/users/b/thing?x", "/nowhere/else", "/v1/users//thing"} {
		ask(h, "GET", target)
	}
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	for _, want := range []string{
		`highwater_test_requests_total{class="2xx",route="GET /v1/users/{user_id}/thing"} 1`,
		`highwater_test_requests_total{class="4xx",route="GET /v1/users/{user_id}/thing"} 1`,
		`highwater_test_requests_total{class="4xx",route="none"} 2`,
		`highwater_test_request_seconds_count{route="none"} 2`,
	} {
		if !strings.Contains(w.Body.String(), want+"\n") {
			t.Errorf("no %s in\n%s", want, w.Body)
		}
	}
}
