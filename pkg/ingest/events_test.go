package ingest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"highwater/pkg/codec"
)

const minimal = `{"type":"add","user_id":"bob","event_id":"e","amount":1}`

// What a body may not be, and what is said about it.
func TestHostileBodies(t *testing.T) {
	f := newFixture(t, nil)
	const adds, events = "/v1/users/bob/adds", "/v1/events"
	spaces := strings.Repeat(" ", codec.MaxEventBytes)
	for _, c := range []struct {
		name, path, body string
		headers          []string
		status           int
		code, field      string
		says             string
	}{
		{"no JSON", adds, `amount=1`, nil, 400, "malformed", "", "byte 0"},
		{"cut off", adds, `{"amount":1`, nil, 400, "malformed", "", ""},
		{"two values", adds, `{"amount":1}{"amount":2}`, nil, 400, "malformed", "", "follows the end"},
		{"an array where one is asked for", adds, `[{"amount":1}]`, nil, 400, "malformed", "", "object"},
		{"a key twice", adds, `{"amount":1,"amount":2}`, nil, 400, "malformed", "amount", "twice"},
		{"a key in other case", adds, `{"Amount":1}`, nil, 400, "malformed", "Amount", "not a field"},
		{"an unknown field", adds, `{"amount":1,"amuont":2}`, nil, 400, "malformed", "amuont", "not a field"},
		{"a field of another operation", adds, `{"amount":1,"grant_id":"g"}`, nil, 400, "malformed", "grant_id", "add"},
		{"no UTF-8", adds, "{\"amount\":1,\"source\":\"\xff\"}", nil, 400, "malformed", "source", "UTF-8"},
		{"a byte order mark", adds, "\ufeff{\"amount\":1}", nil, 400, "malformed", "", ""},
		{"half a surrogate pair", adds, `{"amount":1,"source":"\ud800"}`, nil, 400, "malformed", "source", "surrogate"},
		{"a nested event", adds, `{"amount":{"amount":1}}`, nil, 400, "malformed", "amount", "flat"},
		{"an amount with a point", adds, `{"amount":1.0}`, nil, 422, "invalid", "amount", "integer"},
		{"an amount as a string", adds, `{"amount":"1"}`, nil, 422, "invalid", "amount", "integer"},
		{"2^63", adds, `{"amount":9223372036854775808}`, nil, 422, "invalid", "amount", ""},
		{"no amount", adds, `{}`, nil, 422, "invalid", "amount", "missing"},
		{"an amount of nothing", adds, `{"amount":0}`, nil, 422, "invalid", "amount", "1 to 2^53"},
		{"seven digits", adds, `{"amount":1,"occurred_at":"2026-01-01T00:00:00.0000001Z"}`, nil, 422, "invalid", "occurred_at", "six digits"},
		{"a slash in an id", adds, `{"amount":1,"event_id":"a/b"}`, nil, 422, "invalid", "event_id", "slash"},
		{"another user", adds, `{"amount":1,"user_id":"alice"}`, nil, 422, "invalid", "user_id", "contradicts"},
		{"another operation", adds, `{"amount":1,"type":"grant"}`, nil, 422, "invalid", "type", "not the operation"},
		{"a long user in the path", "/v1/users/" + strings.Repeat("x", 129) + "/adds", `{"amount":1}`, nil, 422, "invalid", "user_id", "128"},
		{"a control character in the path", "/v1/users/a%00b/adds", `{"amount":1}`, nil, 422, "invalid", "user_id", "control"},
		{"no UTF-8 in the path", "/v1/users/%FF/adds", `{"amount":1}`, nil, 422, "invalid", "user_id", "UTF-8"},
		{"a slash in an order's path", "/v1/users/bob/orders/a%2Fb/pause", ``, nil, 422, "invalid", "order_id", "slash"},
		{"too large", adds, `{"amount":1}` + spaces, nil, 413, "too_large", "", "1048576"},
		{"no user", events, `{"type":"add","amount":1}`, nil, 422, "invalid", "user_id", "missing"},
		{"no type", events, `{"user_id":"bob","amount":1}`, nil, 422, "invalid", "type", "missing"},
		{"an unknown type", events, `{"type":"give","user_id":"bob"}`, nil, 400, "malformed", "type", "give"},
		{"a due item", events, `{"type":"expired","user_id":"bob"}`, nil, 400, "malformed", "type", ""},
		{"incoming", events, `{"type":"received","user_id":"bob"}`, nil, 400, "malformed", "type", ""},
		{"a number", events, `1`, nil, 400, "malformed", "", "object"},
		{"white space", events, ` `, nil, 400, "malformed", "", "empty"},
		{"a lot of white space", events, spaces + " ", nil, 413, "too_large", "", "white space"},
		{"one that is too large", events, minimal + spaces, nil, 413, "too_large", "", "1048576"},
		{"an array cut off", events, `[` + minimal + `,`, nil, 400, "malformed", "", ""},
		{"an array and more", events, `[` + minimal + `]]`, nil, 400, "malformed", "", ""},
		{"deep brackets", events, strings.Repeat("[", 100_000), nil, 400, "malformed", "", "deep"},
		{"too many events", events, `[` + strings.Repeat("1,", MaxArrayEvents) + `1]`, nil, 413, "too_large", "", "10000"},
		{"an array that is too large", events, `[` + strings.Repeat(spaces, 32) + `]`, nil, 413, "too_large", "", "33554432"},
		{"a form", adds, `{"amount":1}`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported_media_type", "Content-Type", jsonType},
		{"NDJSON for one", adds, `{"amount":1}`, []string{"Content-Type", ndjsonType}, 415, "unsupported_media_type", "Content-Type", jsonType},
		{"no type of content", events, minimal, []string{"Content-Type", ""}, 415, "unsupported_media_type", "Content-Type", ndjsonType},
		{"Latin-1", adds, `{"amount":1}`, []string{"Content-Type", jsonType + "; charset=latin1"}, 415, "unsupported_media_type", "Content-Type", "UTF-8"},
		{"gzip", adds, `{"amount":1}`, []string{"Content-Type", jsonType, "Content-Encoding", "gzip"}, 415, "unsupported_media_type", "Content-Encoding", "as it is"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, chunked := range []bool{false, true} {
				headers := c.headers
				if headers == nil {
					headers = []string{"Content-Type", jsonType}
				}
				var body io.Reader = strings.NewReader(c.body)
				if chunked {
					body = struct{ io.Reader }{body}
				}
				p := f.refusal(f.do(f.request("POST", c.path, body, headers...)), c.status)
				if p.Code != c.code || p.Field != c.field || !strings.Contains(p.Detail, c.says) {
					t.Errorf("chunked %v: %+v", chunked, p)
				}
				if c.code == "too_large" && !strings.Contains(p.Detail, ndjsonType) {
					t.Errorf("it doesn't say what to do: %s", p.Detail)
				}
			}
		})
	}
	if n := f.count(); n != 0 {
		t.Errorf("%d records", n)
	}
}

// Content types that are the same in other words.
func TestContentTypes(t *testing.T) {
	f := newFixture(t, nil)
	for _, contentType := range []string{"application/json; charset=UTF-8", "Application/JSON", `application/json;charset="utf-8"`} {
		f.recorded(f.do(f.request("POST", "/v1/events", strings.NewReader(minimal), "Content-Type", contentType)))
	}
}

func TestIdempotencyKey(t *testing.T) {
	f := newFixture(t, nil)
	const without, with = `{"type":"add","user_id":"bob","amount":1}`, `{"type":"add","user_id":"bob","amount":1,"event_id":"e"}`
	for _, path := range []string{"/v1/events", "/v1/users/bob/adds"} {
		for _, c := range []struct {
			name, body string
			keys       []string
			id         string // what the event is called; "" where it is refused
		}{
			{"the key", without, []string{"k-1"}, "k-1"},
			{"the body", with, nil, "e"},
			{"both, the same", with, []string{"e"}, "e"},
			{"UTF-8", without, []string{"clé"}, "clé"},
			{"both, different", with, []string{"k-1"}, ""},
			{"an empty key", without, []string{""}, ""},
			{"a slash", without, []string{"a/b"}, ""},
			{"too long", without, []string{strings.Repeat("k", 129)}, ""},
			{"no UTF-8", without, []string{"\xff"}, ""},
			{"a bad key beside a good id", with, []string{"a/b"}, ""},
			{"two keys", without, []string{"a", "a"}, ""},
		} {
			t.Run(path+" "+c.name, func(t *testing.T) {
				headers := []string{"Content-Type", jsonType}
				for _, k := range c.keys {
					headers = append(headers, idempotencyKey, k)
				}
				a := f.do(f.request("POST", path, strings.NewReader(c.body), headers...))
				if c.id == "" {
					if p := f.refusal(a, http.StatusUnprocessableEntity); p.Code != "invalid" || p.Field != idempotencyKey {
						t.Errorf("%+v", p)
					}
					return
				}
				result := f.recorded(a)
				if e, _ := f.at(result.Position); e.ID != c.id || result.EventID != c.id {
					t.Errorf("recorded as %q, answered %q", e.ID, result.EventID)
				}
			})
		}
	}
	for _, c := range []struct{ body, contentType string }{{"[" + without + "]", jsonType}, {without, ndjsonType}} {
		p := f.refusal(f.do(f.request("POST", "/v1/events", strings.NewReader(c.body), "Content-Type", c.contentType, idempotencyKey, "k")), http.StatusUnprocessableEntity)
		if p.Field != idempotencyKey || !strings.Contains(p.Detail, "several") {
			t.Errorf("%+v", p)
		}
	}
}

// Without a key and an id, one is made: a UUID of version 7 that nobody else
// gets.
func TestMadeIDs(t *testing.T) {
	f := newFixture(t, nil)
	seen := map[string]bool{}
	for range 20 {
		result := f.recorded(f.send("POST", "/v1/users/bob/adds", `{"amount":1}`))
		id := result.EventID
		if len(id) != 36 || id[14] != '7' || !strings.Contains("89ab", id[19:20]) || seen[id] {
			t.Fatalf("%q", id)
		}
		seen[id] = true
		if e, _ := f.at(result.Position); e.ID != id || e.TimeGiven {
			t.Errorf("recorded as %q, time given %v", e.ID, e.TimeGiven)
		}
	}
}

// One bad event doesn't stop the others, and each has its result in its place.
func TestArray(t *testing.T) {
	f := newFixture(t, nil)
	a := f.send("POST", "/v1/events", ` [ {"type":"grant","user_id":"u","event_id":"a","grant_id":"g","amount":1}, {"type":"add","user_id":"u","event_id":"b","amount":-1},
		17, {"type":"spend","user_id":"u","event_id":"c","amount":0}, {"type":"cancel_all","user_id":"u","event_id":"d"}, {"event_id":"e",}, {"type":"add","user_id":"u","amount":0} ] `)
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var results []Result
	f.decode(a.body, &results)
	for i, want := range []struct{ id, status, code, says string }{
		{"a", "recorded", "", ""},
		{"b", "refused", "invalid", "amount: "},
		{"", "refused", "malformed", "object"},
		{"c", "refused", "invalid", "amount: "},
		{"d", "recorded", "", ""},
		{"", "refused", "malformed", ""},
		{"", "refused", "invalid", "amount: "}, // not the id that was made for it
	} {
		r := results[i]
		if r.EventID != want.id || string(r.Status) != want.status || r.Code != want.code || !strings.Contains(r.Message, want.says) || (r.Position != "") != (want.status == "recorded") {
			t.Errorf("%d: %+v", i, r)
		}
		if r.Position != "" {
			if e, _ := f.at(r.Position); e.ID != want.id {
				t.Errorf("%d: %q is at %s", i, e.ID, r.Position)
			}
		}
	}
	if len(results) != 7 || f.count() != 2 {
		t.Errorf("%d results, %d records", len(results), f.count())
	}
	if a := f.send("POST", "/v1/events", `[]`); a.status != http.StatusOK || a.body != "[]" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// An array at its bounds, larger than one event may be.
func TestLargeArray(t *testing.T) {
	f := newFixture(t, nil)
	var body bytes.Buffer
	padding := strings.Repeat(" ", 1000)
	for i := range MaxArrayEvents {
		separator := ","
		if i == 0 {
			separator = "["
		}
		fmt.Fprintf(&body, `%s{"type":"add","user_id":"user-%d","event_id":"e-%d","amount":1%s}`, separator, i%50, i, padding)
	}
	body.WriteByte(']')
	a := f.send("POST", "/v1/events", body.String())
	var results []Result
	f.decode(a.body, &results)
	for i, r := range results {
		if r.Status != statusRecorded || r.EventID != fmt.Sprintf("e-%d", i) {
			t.Fatalf("%d: %+v", i, r)
		}
	}
	if len(results) != MaxArrayEvents || f.count() != MaxArrayEvents {
		t.Errorf("%d results, %d records", len(results), f.count())
	}
}

// An element that is larger than an event may be is refused alone.
func TestLongElement(t *testing.T) {
	f := newFixture(t, nil)
	a := f.send("POST", "/v1/events", `[{"type":"add"`+strings.Repeat(" ", codec.MaxEventBytes)+`},`+minimal+`]`)
	var results []Result
	f.decode(a.body, &results)
	if len(results) != 2 || results[0].Code != "too_large" || results[1].Status != statusRecorded {
		t.Errorf("%+v", results)
	}
}

// I4: requests and large bodies are bounded.
func TestOverload(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.MaxRequests = 1 })
	f.service.requests <- struct{}{}
	a := f.send("POST", "/v1/events", minimal)
	if p := f.refusal(a, http.StatusServiceUnavailable); p.Code != "unavailable" || a.header.Get("Retry-After") == "" {
		t.Errorf("%+v, Retry-After %q", p, a.header.Get("Retry-After"))
	}
	<-f.service.requests
	for range maxLargeBodies {
		f.service.large <- struct{}{}
	}
	f.refusal(f.send("POST", "/v1/events", "["+strings.Repeat(" ", codec.MaxEventBytes)+minimal+"]"), http.StatusServiceUnavailable)
	f.recorded(f.send("POST", "/v1/events", minimal))
	if n := f.count(); n != 1 {
		t.Errorf("%d records", n)
	}
}
