package ingest

import (
	"net/http"
	"testing"
	"time"
)

func TestPreferences(t *testing.T) {
	const unsaid, most = 2 * time.Second, time.Minute
	for _, c := range []struct {
		name    string
		headers []string
		wait    time.Duration
		applied string // to an answer without an outcome
	}{
		{"nothing", nil, unsaid, ""},
		{"a wait", []string{"wait=5"}, 5 * time.Second, "wait=5"},
		{"none at all", []string{"wait=0"}, 0, "wait=0"},
		{"too long", []string{"wait=4294967295"}, most, "wait=60"},
		{"async", []string{"respond-async"}, 0, "respond-async"},
		{"async after a while", []string{"respond-async, wait=5"}, 5 * time.Second, "respond-async, wait=5"},
		{"in several headers", []string{"wait=5", "Respond-Async"}, 5 * time.Second, "respond-async, wait=5"},
		{"the first counts", []string{"wait=5, wait=6", "wait=7"}, 5 * time.Second, "wait=5"},
		{"the first counts, also a bad one", []string{"wait=x, wait=6"}, unsaid, ""},
		{"spaces, quotes and parameters", []string{` , foo; a="b,c" ;d , WAIT = "5" ; x=y,, handling=lenient`}, 5 * time.Second, "wait=5"},
		{"escapes", []string{`foo="\",wait=9,", wait="1\0"`}, 10 * time.Second, "wait=10"},
		{"within quotes", []string{`foo="wait=9"`}, unsaid, ""},
		{"an open quote", []string{`foo="wait=9, respond-async`}, unsaid, ""},
		{"no number", []string{"wait"}, unsaid, ""},
		{"an empty number", []string{"wait="}, unsaid, ""},
		{"a sign", []string{"wait=+5"}, unsaid, ""},
		{"a negative number", []string{"wait=-5"}, unsaid, ""},
		{"a fraction", []string{"wait=1.5"}, unsaid, ""},
		{"beyond numbers", []string{"wait=4294967296"}, unsaid, ""},
		{"a value for async", []string{"respond-async=yes"}, 0, "respond-async"},
		{"nothing but separators", []string{",;=,;"}, unsaid, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := preferenceOf(&http.Request{Header: http.Header{"Prefer": c.headers}}, most)
			if got := p.waits(unsaid); got != c.wait {
				t.Errorf("waits %s, want %s", got, c.wait)
			}
			h := http.Header{}
			if p.apply(h, true, true); h.Get("Preference-Applied") != c.applied {
				t.Errorf("applied %q, want %q", h.Get("Preference-Applied"), c.applied)
			}
		})
	}
}

// Only what was heeded is said.
func TestAppliedPreferences(t *testing.T) {
	r := &http.Request{Header: http.Header{"Prefer": {"respond-async, wait=5"}}}
	for _, c := range []struct {
		most               time.Duration
		isAsync, hasWaited bool
		applied            string
	}{
		{time.Minute, true, true, "respond-async, wait=5"},
		{time.Minute, true, false, "respond-async"},
		{time.Minute, false, true, "wait=5"},
		{1500 * time.Millisecond, false, true, "wait=1.5"},
	} {
		h := http.Header{}
		preferenceOf(r, c.most).apply(h, c.isAsync, c.hasWaited)
		if got := h.Get("Preference-Applied"); got != c.applied {
			t.Errorf("%+v: applied %q", c, got)
		}
	}
}

func FuzzPreferences(f *testing.F) {
	f.Add(`foo="\",wait=9,"; a=b, wait="10"`)
	f.Fuzz(func(t *testing.T, header string) {
		p := preferenceOf(&http.Request{Header: http.Header{"Prefer": {header}}}, time.Minute)
		if got := p.waits(time.Second); got < 0 || got > time.Minute {
			t.Errorf("waits %s", got)
		}
	})
}
