package service

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func get(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func newTestProcess() *Process { return newProcess("test", Invocation{}, discard) }

func TestHealth(t *testing.T) {
	p := newTestProcess()
	var lag error
	p.Health.Add("lag", func(context.Context) error { return lag })
	p.Health.Add("slow", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	server := httptest.NewServer(p.Mount(http.NewServeMux()))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	p.Group.Add(Component{Name: "nothing"})
	done := make(chan error)
	go func() { done <- p.Group.Run(ctx) }()
	for p.Group.Ready() != nil {
		select {
		case err := <-done:
			t.Fatal(err)
		case <-time.After(time.Millisecond):
		}
	}

	if status, body := get(t, server.Client(), server.URL+"/healthz"); status != 200 || body != "{\"alive\":true}\n" {
		t.Errorf("healthz: %d %s", status, body)
	}
	lag = errors.New("17 records behind")
	status, body := get(t, server.Client(), server.URL+"/readyz")
	var got Readiness
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"components": "ok", "lag": "17 records behind", "slow": "context deadline exceeded"}
	if status != 503 || got.Ready || !maps.Equal(got.Checks, want) {
		t.Errorf("readyz: %d %+v", status, got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestReady(t *testing.T) {
	h := newTestProcess().Health
	h.checks = nil
	if got := h.Ready(t.Context()); !got.Ready {
		t.Errorf("nothing to check: %+v", got)
	}
	h.Add("buggy", func(context.Context) error { panic("I1") })
	if got := h.Ready(t.Context()); got.Ready || got.Checks["buggy"] != "check buggy panicked: I1" {
		t.Errorf("a panic: %+v", got)
	}
}

// TestMetricNames holds the names that dashboards and alerts rely on.
func TestMetricNames(t *testing.T) {
	p := newTestProcess()
	p.Group.Add(Component{Name: "stuck", StopTimeout: time.Millisecond, Run: func(context.Context) error { <-t.Context().Done(); return nil }})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Group.Run(ctx); err == nil {
		t.Error("the stuck component stopped in time")
	}
	families, err := p.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{}
	for _, family := range families {
		var names []string
		for _, pair := range family.GetMetric()[0].GetLabel() {
			names = append(names, pair.GetName())
		}
		labels[family.GetName()] = strings.Join(names, ",")
	}
	for name, want := range map[string]string{
		"highwater_build_info":                     "goversion,revision,service,version",
		"highwater_component_up":                   "component",
		"highwater_component_start_seconds":        "component",
		"highwater_component_stop_seconds":         "component",
		"highwater_component_stop_timeouts_total":  "component",
		"highwater_readiness_check_failures_total": "check",
		"go_goroutines":                            "",
		"process_cpu_seconds_total":                "",
		"process_resident_memory_bytes":            "",
	} {
		if got, ok := labels[name]; !ok || got != want {
			t.Errorf("%s: labels %q, there %v, want %q", name, got, ok, want)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if strings.HasPrefix(name, "highwater_") && !strings.Contains("info up seconds total", name[strings.LastIndex(name, "_")+1:]) {
			t.Errorf("%s has no unit", name)
		}
	}
}

// serve runs a server with a group and returns its address and how to stop it.
func serve(t *testing.T, s *Server, handler http.Handler) (url string, stop func() error) {
	t.Helper()
	group := newTestGroup()
	group.Add(s.Component(handler))
	ctx, cancel := context.WithCancel(t.Context())
	up, done := make(chan struct{}), make(chan error, 1)
	group.Add(Component{Name: "up", Start: func(context.Context) error { close(up); return nil }})
	go func() { done <- group.Run(ctx) }()
	select {
	case <-up:
	case err := <-done:
		t.Fatal(err)
	}
	return "http://" + s.Addr().String(), func() error { cancel(); return <-done }
}

// TestServerStops: open requests finish, endless ones hear of the stop, and
// those that heed nothing are cut off.
func TestServerStops(t *testing.T) {
	s := NewServer("web", HTTP{Listen: "127.0.0.1:0", ShutdownTimeout: 300 * time.Millisecond}, discard)
	entered := make(chan string, 3)
	release := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/work", func(w http.ResponseWriter, _ *http.Request) {
		entered <- "work"
		<-s.Stopping()
		_, _ = io.WriteString(w, "done")
	})
	mux.HandleFunc("/stuck", func(http.ResponseWriter, *http.Request) {
		entered <- "stuck"
		<-release
	})
	url, stop := serve(t, s, mux)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()

	type answer struct {
		body string
		err  error
	}
	ask := func(path string) chan answer {
		answers := make(chan answer, 1)
		go func() {
			response, err := client.Get(url + path)
			if err != nil {
				answers <- answer{err: err}
				return
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			answers <- answer{string(body), err}
		}()
		<-entered
		return answers
	}
	work, stuck := ask("/work"), ask("/stuck")
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if a := <-work; a.body != "done" || a.err != nil {
		t.Errorf("work: %+v", a)
	}
	if a := <-stuck; a.err == nil {
		t.Errorf("stuck got an answer: %+v", a)
	}
	close(release)
	if _, err := client.Get(url + "/work"); err == nil {
		t.Error("it still listens")
	}
}

// TestServerProfiles: profiles are there where they are asked for only, and the
// service's own routes in both cases.
func TestServerProfiles(t *testing.T) {
	for _, on := range []bool{false, true} {
		s := NewServer("web", HTTP{Listen: "127.0.0.1:0", ShutdownTimeout: time.Second, Pprof: on}, discard)
		url, stop := serve(t, s, newTestProcess().Mount(http.NewServeMux()))
		status, _ := get(t, http.DefaultClient, url+"/debug/pprof/goroutine?debug=1")
		if (status == http.StatusOK) != on {
			t.Errorf("profiles %v: status %d", on, status)
		}
		if status, _ := get(t, http.DefaultClient, url+"/healthz"); status != http.StatusOK {
			t.Errorf("profiles %v: healthz %d", on, status)
		}
		http.DefaultClient.CloseIdleConnections()
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}

// TestServerRefusesStrangers is I5 for settings that nothing has resolved.
func TestServerRefusesStrangers(t *testing.T) {
	group := newTestGroup()
	group.Add(NewServer("web", HTTP{Listen: "0.0.0.0:0"}, discard).Component(http.NewServeMux()))
	if err := group.Run(t.Context()); exitStatus(err, false) != ExitUsage {
		t.Errorf("got %v, want wrong use", err)
	}
}

func TestServerAddressInUse(t *testing.T) {
	first := NewServer("first", HTTP{Listen: "127.0.0.1:0", ShutdownTimeout: time.Second}, discard)
	_, stop := serve(t, first, http.NewServeMux())
	group := newTestGroup()
	group.Add(NewServer("second", HTTP{Listen: first.Addr().String()}, discard).Component(http.NewServeMux()))
	err := group.Run(t.Context())
	if err == nil || exitStatus(err, false) != ExitFailure || !strings.Contains(err.Error(), "start second: listen on "+first.Addr().String()) {
		t.Errorf("got %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
