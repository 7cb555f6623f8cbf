package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Info is what an API is called.
type Info struct {
	// Service is one word, part of the names of metrics.
	Service     string
	Title       string
	Description string
	// PathParams describe wildcards that several routes share.
	PathParams []Param
	// Problem are the members that this service's problems may have beside
	// those of [ProblemSchema].
	Problem []Property
}

// API serves a table of routes and describes it.
type API struct {
	info     Info
	routes   []Route
	schemas  []Property
	logger   *slog.Logger
	metrics  *metrics
	document []byte
	docs     *Page
}

// New is an API of these routes. The schemas are those that routes name by
// [Ref]. It panics where the table contradicts itself: tables stand in code.
func New(info Info, routes []Route, schemas []Property, logger *slog.Logger, registry prometheus.Registerer) *API {
	a := &API{info: info, routes: routes, logger: logger, metrics: newMetrics(registry, info.Service)}
	problem := ProblemSchema
	problem.Properties = slices.Concat(problem.Properties, info.Problem)
	a.schemas = append(schemas, Property{Name: "Problem", Schema: problem})
	a.document = a.describe()
	a.docs = a.docsPage()
	return a
}

// Handler adds the routes, /openapi.json and /docs to a mux and returns what
// serves all of it.
func (a *API) Handler(mux *http.ServeMux) http.Handler {
	for i := range a.routes {
		route := &a.routes[i]
		mux.Handle(route.Method+" "+route.Path, a.serve(route))
	}
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		WriteJSON(w, http.StatusOK, a.document)
	})
	mux.Handle("GET /docs", a.docs)
	return a.guard(mux)
}

// serve is a route's handler.
func (a *API) serve(route *Route) http.Handler {
	name := route.Method + " " + route.Path
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := parse(r, route.Query)
		err := p.Err()
		if err == nil {
			err = route.Serve(w, r, p)
		}
		if err != nil {
			a.problem(name, r, err).WriteTo(w)
		}
	})
}

// problem is an error as it is answered (I1).
func (a *API) problem(route string, r *http.Request, err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if r.Context().Err() != nil {
		// Nobody hears the answer; it isn't a fault.
		return Problemf(http.StatusServiceUnavailable, Unavailable, "", "the request was given up")
	}
	a.logger.Error("request was not answered", "route", route, "error", err)
	return Problemf(http.StatusInternalServerError, Internal, "", "something is wrong here, not with the request; the service's log says what")
}

// guard answers what the mux would answer in plain text, counts and times
// every request, and survives handlers that panic (I1).
func (a *API) guard(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		handler, pattern := mux.Handler(r)
		answer := &answerWriter{ResponseWriter: w}
		defer func() {
			if value := recover(); value != nil {
				if err, ok := value.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					a.metrics.count(pattern, 0, begin)
					panic(value)
				}
				a.logger.Error("request panicked", "route", pattern, "value", fmt.Sprint(value), "stack", string(debug.Stack()))
				if answer.status != 0 {
					a.metrics.count(pattern, 0, begin)
					panic(http.ErrAbortHandler) // half an answer is cut off, not ended
				}
				Problemf(http.StatusInternalServerError, Internal, "", "something is wrong here, not with the request; the service's log says what").WriteTo(answer)
			}
			a.metrics.count(pattern, answer.status, begin)
		}()
		switch {
		case unclean(r):
			pattern = ""
			Problemf(http.StatusNotFound, NotFound, "", "the path has an empty part or one of dots; an id can't be empty, and dots alone are percent-encoded (%%2E)").WriteTo(answer)
		case pattern == "":
			unrouted(handler, r).WriteTo(answer)
		default:
			mux.ServeHTTP(answer, r)
		}
	})
}

// unclean reports whether the mux would redirect the request to another path,
// which could be another user's.
func unclean(r *http.Request) bool {
	p := r.URL.EscapedPath()
	return p != "" && strings.TrimSuffix(p, "/") != strings.TrimSuffix(path.Clean(p), "/")
}

// unrouted is the problem of a request that no route takes: the mux knows
// whether it is the path or the method.
func unrouted(handler http.Handler, r *http.Request) *Problem {
	probe := &probe{header: http.Header{}}
	handler.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		allow := probe.header.Get("Allow")
		p := Problemf(http.StatusMethodNotAllowed, MethodNotAllowed, "", "%s is not a method of this path; there are %s", printable(r.Method), allow)
		p.Allow = allow
		return p
	}
	return Problemf(http.StatusNotFound, NotFound, "", "there is no such path; /docs lists those that there are")
}

// probe takes an answer's status and headers.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
func (p *probe) WriteHeader(status int)      { p.status = status }

// answerWriter remembers the status. [http.ResponseController] finds what is
// beneath.
type answerWriter struct {
	http.ResponseWriter
	status int
}

func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *answerWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *answerWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}
