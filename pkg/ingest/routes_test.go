package ingest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/event"
)

// The routes of one event: what is sent, and what Kafka has then.
func TestRoutes(t *testing.T) {
	f := newFixture(t, nil)
	at, err := event.ParseTime("2026-01-01T00:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	base := event.Event{ID: "e", OccurredAt: at, TimeGiven: true, Asset: "credits", Amount: event.NoAmount, EffectiveAt: event.NoTime, ExpiresAt: event.NoTime}
	const common = `"event_id":"e","occurred_at":"2026-01-01T00:00:00Z"`
	quantity, _ := event.ParseDecimal("1.5")
	price, _ := event.ParseDecimal("20")
	for _, c := range []struct {
		method, path, body string
		topic              event.Topic
		want               func(*event.Event)
	}{
		{"POST", "/v1/users/alice/grants", `{` + common + `,"grant_id":"g","amount":5,"expires_at":"2026-02-01T00:00:00Z","priority":3}`, event.Grants, func(e *event.Event) {
			e.User, e.Kind, e.Ref, e.Amount, e.Priority = "alice", event.Grant, "g", 5, 3
			e.ExpiresAt = at.Add(31 * 86400 * 1e6)
		}},
		// One's own user and type may be repeated.
		{"POST", "/v1/users/bob/subtracts", `{` + common + `,"user_id":"bob","type":"subtract","amount":7,"asset":"gpu","source":"s","metadata":{"k":"v"}}`, event.Subtracts, func(e *event.Event) {
			e.User, e.Kind, e.Amount, e.Asset, e.Source, e.Metadata = "bob", event.Subtract, 7, "gpu", "s", []event.Pair{{Key: "k", Value: "v"}}
		}},
		{"POST", "/v1/users/bob/adds", `{` + common + `,"amount":7,"sequence":-4}`, event.Ledger, func(e *event.Event) {
			e.User, e.Kind, e.Amount, e.Sequence = "bob", event.Add, 7, -4
		}},
		{"DELETE", "/v1/users/bob/grants/carol%2Fe1%2F0", `{` + common + `}`, event.Grants, func(e *event.Event) {
			e.User, e.Kind, e.Ref = "bob", event.Revoke, "carol/e1/0"
		}},
		{"POST", "/v1/users/org%2Fteam/orders", `{` + common + `,"order_id":"o","currency":"EUR","amount":"1.5","price":"20"}`, event.Orders, func(e *event.Event) {
			e.User, e.Kind, e.Ref, e.Currency, e.Quantity, e.Price = "org/team", event.PlaceOrder, "o", "EUR", quantity, price
		}},
		{"POST", "/v1/users/100%25/orders/o%2525/pause", `{` + common + `}`, event.Orders, func(e *event.Event) {
			e.User, e.Kind, e.Ref = "100%", event.Pause, "o%25"
		}},
		{"POST", "/v1/users/%C3%A9%F0%9F%8C%8A/orders/%E6%B0%B4/resume", `{` + common + `}`, event.Orders, func(e *event.Event) {
			e.User, e.Kind, e.Ref = "é🌊", event.Resume, "水"
		}},
		{"POST", "/v1/users/%2E%2E/orders/a%20b+c%3Fd/cancel", `{` + common + `}`, event.Orders, func(e *event.Event) {
			e.User, e.Kind, e.Ref = "..", event.Cancel, "a b+c?d"
		}},
		{"POST", "/v1/users/bob/orders/cancel-all", `{` + common + `}`, event.Orders, func(e *event.Event) {
			e.User, e.Kind = "bob", event.CancelAll
		}},
		{"POST", "/v1/users/bob/spends", `{` + common + `,"amount":7}`, event.Ledger, func(e *event.Event) {
			e.User, e.Kind, e.Amount = "bob", event.Spend, 7
		}},
		{"POST", "/v1/users/bob/refunds", `{` + common + `,"spend_id":"s"}`, event.Ledger, func(e *event.Event) {
			e.User, e.Kind, e.Ref = "bob", event.Refund, "s"
		}},
		{"POST", "/v1/users/bob/holds", `{` + common + `,"amount":7,"expires_at":"2026-02-01T00:00:00Z"}`, event.Ledger, func(e *event.Event) {
			e.User, e.Kind, e.Amount, e.ExpiresAt = "bob", event.Hold, 7, at.Add(31*86400*1e6)
		}},
		{"POST", "/v1/users/bob/holds/h%20/capture", `{` + common + `,"amount":3,"asset":"gpu"}`, event.Ledger, func(e *event.Event) {
			e.User, e.Kind, e.Ref, e.Amount, e.Asset = "bob", event.Capture, "h ", 3, "gpu"
		}},
		{"POST", "/v1/users/bob/holds/h/release", `{` + common + `,"hold_id":"h"}`, event.Ledger, func(e *event.Event) {
			e.User, e.Kind, e.Ref = "bob", event.Release, "h"
		}},
		{"POST", "/v1/users/bob/transfers", `{` + common + `,"to_user_id":"alice","amount":7}`, event.Ledger, func(e *event.Event) {
			e.User, e.Kind, e.To, e.Amount = "bob", event.Transfer, "alice", 7
		}},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			result := f.recorded(f.send(c.method, c.path, c.body))
			e, record := f.at(result.Position)
			want := base
			c.want(&want)
			if !e.SameContent(&want) || !e.TimeGiven || e.Source != want.Source || !slices.Equal(e.Metadata, want.Metadata) {
				t.Errorf("recorded %+v, want %+v", e, want)
			}
			if result.EventID != "e" || !strings.HasPrefix(result.Position, c.topic.String()+"/") || record.Topic != "t."+c.topic.String() {
				t.Errorf("%+v on %s", result, record.Topic)
			}
			if string(record.Key) != want.User || len(record.Headers) != 0 {
				t.Errorf("key %q, headers %v", record.Key, record.Headers)
			}
			// I3, against the client library's own form of the Java client's choice.
			java := kgo.StickyKeyPartitioner(nil).ForTopic("").Partition(&kgo.Record{Key: []byte(want.User)}, partitions)
			if int(record.Partition) != java {
				t.Errorf("partition %d, Java chooses %d", record.Partition, java)
			}
		})
	}
}

// Where the path says it all, there need be no body.
func TestRoutesWithoutBody(t *testing.T) {
	f := newFixture(t, nil)
	for _, c := range []struct{ method, path string }{
		{"DELETE", "/v1/users/bob/grants/g"},
		{"POST", "/v1/users/bob/orders/o/pause"},
		{"POST", "/v1/users/bob/orders/o/resume"},
		{"POST", "/v1/users/bob/orders/o/cancel"},
		{"POST", "/v1/users/bob/orders/cancel-all"},
		{"POST", "/v1/users/bob/holds/h/capture"},
		{"POST", "/v1/users/bob/holds/h/release"},
	} {
		result := f.recorded(f.send(c.method, c.path, ""))
		e, _ := f.at(result.Position)
		if e.ID != result.EventID || len(e.ID) != 36 || e.TimeGiven {
			t.Errorf("%s %s: %+v", c.method, c.path, e)
		}
	}
	for _, path := range []string{"/v1/users/bob/grants", "/v1/users/bob/subtracts", "/v1/users/bob/adds", "/v1/users/bob/orders", "/v1/users/bob/spends", "/v1/events"} {
		p := f.refusal(f.do(f.request("POST", path, http.NoBody, "Content-Type", jsonType)), http.StatusBadRequest)
		if p.Code != "malformed" || !strings.Contains(p.Detail, "empty") {
			t.Errorf("%s: %+v", path, p)
		}
	}
}

// The document lists every route that is served, and nothing else.
func TestOpenAPI(t *testing.T) {
	f := newFixture(t, nil)
	a := f.send("GET", "/openapi.json", "")
	var document struct {
		OpenAPI string                                `json:"openapi"`
		Paths   map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal([]byte(a.body), &document); err != nil || a.status != http.StatusOK {
		t.Fatalf("%d %v", a.status, err)
	}
	if !strings.HasPrefix(document.OpenAPI, "3.1.") {
		t.Errorf("openapi %q", document.OpenAPI)
	}
	var listed, served []string
	for path, methods := range document.Paths {
		for method := range methods {
			listed = append(listed, strings.ToUpper(method)+" "+path)
		}
	}
	mux := http.NewServeMux()
	f.service.api.Handler(mux)
	for _, r := range f.service.routes() {
		name := r.Method + " " + r.Path
		served = append(served, name)
		path := strings.NewReplacer("{", "", "}", "").Replace(r.Path)
		if _, pattern := mux.Handler(f.request(r.Method, path, nil)); pattern != name {
			t.Errorf("%s is served by %q", name, pattern)
		}
	}
	slices.Sort(listed)
	slices.Sort(served)
	if !slices.Equal(listed, served) {
		t.Errorf("listed %v\nserved %v", listed, served)
	}
	if a := f.send("GET", "/docs", ""); a.status != http.StatusOK || !strings.Contains(a.body, "/v1/users/{user_id}/grants") || strings.Contains(a.body, "http://") || strings.Contains(a.body, "https://") {
		t.Errorf("docs: %d", a.status)
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	f := newFixture(t, nil)
	for _, c := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"GET", "/", 404, "not_found"},
		{"POST", "/v2/events", 404, "not_found"},
		{"POST", "/v1/users/bob", 404, "not_found"},
		{"POST", "/v1/users//grants", 404, "not_found"},
		{"POST", "/v1/users/./grants", 404, "not_found"},
		{"POST", "/v1/users/bob/x/../grants", 404, "not_found"},
		{"POST", "/v1/users/a/b/grants", 404, "not_found"},
		{"POST", "/v1/events/", 404, "not_found"},
		{"GET", "/v1/events", 405, "method_not_allowed"},
		{"PUT", "/v1/users/bob/grants", 405, "method_not_allowed"},
		{"POST", "/v1/users/bob/grants/g", 405, "method_not_allowed"},
	} {
		a := f.send(c.method, c.path, "")
		if p := f.refusal(a, c.status); p.Code != c.code {
			t.Errorf("%s %s: %+v", c.method, c.path, p)
		}
		if allow := a.header.Get("Allow"); (allow != "") != (c.status == 405) {
			t.Errorf("%s %s: allow %q", c.method, c.path, allow)
		}
	}
}

func TestQueriesAreRefused(t *testing.T) {
	f := newFixture(t, nil)
	for query, field := range map[string]string{"asset=gpu": "asset", "a=1&a=2": "a", "%zz": "%zz"} {
		p := f.refusal(f.send("POST", "/v1/users/bob/adds?"+query, `{"amount":1}`), http.StatusBadRequest)
		if p.Code != "invalid" || p.Field != field {
			t.Errorf("%s: %+v", query, p)
		}
	}
}

// A page of another site can't write, whatever body it finds a way to send.
func TestCrossOrigin(t *testing.T) {
	f := newFixture(t, nil)
	p := f.refusal(f.send("POST", "/v1/users/bob/orders/cancel-all", "", "Origin", "https://evil.example"), http.StatusForbidden)
	if p.Code != "cross_origin" {
		t.Errorf("%+v", p)
	}
	f.refusal(f.send("POST", "/v1/users/bob/orders/cancel-all", "", "Sec-Fetch-Site", "cross-site"), http.StatusForbidden)
	f.recorded(f.send("POST", "/v1/users/bob/orders/cancel-all", "", "Origin", f.url))
	if n := f.count(); n != 1 {
		t.Errorf("%d records", n)
	}
}
