package query

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

func grant(user, id, grantID string, amount event.Amount) event.Event {
	return event.Event{Kind: event.Grant, User: user, ID: id, Ref: grantID, Amount: amount}
}

func subtract(user, id string, amount event.Amount) event.Event {
	return event.Event{Kind: event.Subtract, User: user, ID: id, Amount: amount}
}

func (w *world) alice() {
	w.tb.Helper()
	w.send(
		event.Event{Kind: event.Grant, User: "alice", ID: "e1", Ref: "g1", Amount: 100, ExpiresAt: start + 60*second},
		event.Event{Kind: event.Grant, User: "alice", ID: "e2", Ref: "g2", Amount: 50, EffectiveAt: start + 30*second, Priority: 5},
	)
	w.tick(10)
	w.send(subtract("alice", "e3", 30))
	w.tick(30) // the watermark is at 30
	w.send(event.Event{Kind: event.Subtract, User: "alice", ID: "e4", Amount: 5, OccurredAt: start + 5*second})
}

func at(seconds int) string { return (start + event.Time(seconds)*second).String() }

func TestBalancePastPresentAndToCome(t *testing.T) {
	w := newWorld(t, 1, Config{})
	w.alice()
	for _, c := range []struct {
		at      string
		balance any
		grants  string
		final   bool
	}{
		{at(-1), nil, "", true},
		{at(0), 100.0, "g1 100 usable, g2 50 future", true},
		{at(5), 95.0, "g1 95 usable, g2 50 future", true},
		{at(10), 65.0, "g1 65 usable, g2 50 future", true},
		{at(30), 115.0, "g1 65 usable, g2 50 usable", true},
		{"", 115.0, "g1 65 usable, g2 50 usable", false},
		{at(59), 115.0, "g1 65 usable, g2 50 usable", false},
		{at(60), 50.0, "g2 50 usable", false},
		{"253402300799999999", 50.0, "g2 50 usable", false},
	} {
		target := "/v1/users/alice/balance"
		if c.at != "" {
			target += "?at=" + c.at
		}
		b := w.get(target)
		var grants []string
		for _, g := range b["grants"].([]any) {
			g := g.(map[string]any)
			grants = append(grants, g["grant_id"].(string)+" "+text(g["remaining"])+" "+g["state"].(string))
		}
		if b["balance"] != c.balance || strings.Join(grants, ", ") != c.grants || b["final"] != c.final || b["watermark"] != at(30) {
			t.Errorf("at %s: %s", c.at, text(b))
		}
	}
}

func TestBalanceInFull(t *testing.T) {
	w := newWorld(t, 1, Config{})
	w.alice()
	want := `{"user_id":"alice","asset":"credits","at":"2026-01-01T00:00:40.000000Z","balance":115,"held":0,"debt":0,` +
		`"grants":[{"grant_id":"g1","remaining":65,"held":0,"effective_at":"2026-01-01T00:00:00.000000Z","expires_at":"2026-01-01T00:01:00.000000Z","priority":0,"state":"usable",` +
		`"amount":100,"event_id":"e1","kind":"grant","counterparty":null,"origin":null},` +
		`{"grant_id":"g2","remaining":50,"held":0,"effective_at":"2026-01-01T00:00:30.000000Z","expires_at":null,"priority":5,"state":"usable",` +
		`"amount":50,"event_id":"e2","kind":"grant","counterparty":null,"origin":null}],` +
		`"more_grants":0,"holds":[],"more_holds":0,"next_change_at":"2026-01-01T00:01:00.000000Z","final":false,"watermark":"2026-01-01T00:00:30.000000Z",` +
		`"position":"subtracts/0/0","positions":["grants/0/1","subtracts/0/1"]}`
	if got := w.ask("/v1/users/alice/balance"); got.Body.String() != want || got.Header().Get("Content-Type") != "application/json" {
		t.Errorf("got  %s\nwant %s", got.Body, want)
	}
	want = `{"user_id":"alice","asset":"gems","at":"2026-01-01T00:00:40.000000Z","balance":null,"held":null,"debt":null,"grants":[],` +
		`"more_grants":0,"holds":[],"more_holds":0,"next_change_at":null,"final":false,"watermark":"2026-01-01T00:00:30.000000Z","position":null,"positions":["grants/0/1","subtracts/0/1"]}`
	if got := w.ask("/v1/users/alice/balance?asset=gems"); got.Body.String() != want {
		t.Errorf("got  %s\nwant %s", got.Body, want)
	}
}

func TestBalanceAsKnownEarlier(t *testing.T) {
	w := newWorld(t, 1, Config{})
	w.alice()
	for known, want := range map[string]any{at(-1): nil, at(0): 100.0, at(9): 100.0, at(10): 70.0, at(39): 70.0, at(40): 65.0, at(1000): 65.0} {
		b := w.get("/v1/users/alice/balance?at=" + at(20) + "&known_at=" + known)
		if b["balance"] != want || b["final"] != nil || b["watermark"] != nil {
			t.Errorf("known at %s: %s, want %v", known, text(b), want)
		}
	}
}

func TestTimeline(t *testing.T) {
	w := newWorld(t, 1, Config{})
	w.alice()
	step := func(seconds int, balance string) string {
		return `{"at":"` + at(seconds) + `","balance":` + balance + `,"debt":0,"held":0}`
	}
	all := []string{step(0, "100"), step(5, "95"), step(10, "65"), step(30, "115"), step(60, "50")}
	for _, c := range []struct {
		query string
		want  []string
	}{
		{"", all},
		{"?from=" + at(5), all[1:]},
		{"?from=" + at(6), all[2:]},
		{"?to=" + at(30), all[:3]},
		{"?from=" + at(10) + "&to=" + at(60), all[2:4]},
		{"?from=" + at(10) + "&to=" + at(10), nil},
		{"?asset=gems", nil},
	} {
		for _, limit := range []int{1, 2, 100} {
			var got []string
			for _, item := range w.pages("/v1/users/alice/timeline"+c.query, limit) {
				got = append(got, text(item))
			}
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("%s by %d: %q, want %q", c.query, limit, got, c.want)
			}
		}
	}
}

func TestEntriesAndCorrections(t *testing.T) {
	w := newWorld(t, 1, Config{})
	w.alice()
	ids := func(target string, limit int) string {
		var got []string
		for _, item := range w.pages(target, limit) {
			got = append(got, item.(map[string]any)["event_id"].(string))
		}
		return strings.Join(got, " ")
	}
	for target, want := range map[string]string{
		"/v1/users/alice/entries":                                            "e1 e2 e4 e3 activated/g2",
		"/v1/users/alice/entries?order=desc":                                 "activated/g2 e3 e4 e2 e1",
		"/v1/users/alice/entries?from=" + at(5) + "&to=" + at(30):            "e4 e3",
		"/v1/users/alice/entries?order=desc&from=" + at(5) + "&to=" + at(30): "e3 e4",
		"/v1/users/alice/entries?asset=gems":                                 "",
	} {
		for _, limit := range []int{1, 2, 100} {
			if got := ids(target, limit); got != want {
				t.Errorf("%s by %d: %s, want %s", target, limit, got, want)
			}
		}
	}
	want := `{"event_id":"e3","user_id":"alice","asset":"credits","kind":"subtract","occurred_at":"2026-01-01T00:00:10.000000Z",` +
		`"effective_at":"2026-01-01T00:00:10.000000Z","arrived_at":"2026-01-01T00:00:10.000000Z","input":{"topic":"subtracts","partition":0,"offset":0},` +
		`"counterparty":null,"outcome":"applied","code":null,"amount":30,"shortfall":0,"undone":0,"slices":[{"grant_id":"g1","amount":30,"expires_at":"2026-01-01T00:01:00.000000Z"}],` +
		`"repaid":[],"balance_after":65,"held_after":0,"debt_after":0,"order":null,"late":false,"after_final":false,"revision":0,"partition":0,"committed_at":"2026-01-01T00:00:10.000000Z"}`
	if got := w.ask("/v1/users/alice/entries/e3").Body.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := w.get("/v1/users/alice/entries/activated%2Fg2"); got["amount"] != 50.0 || got["committed_at"] != nil || got["input"] != nil {
		t.Errorf("due item: %s", text(got))
	}
	corrections := w.pages("/v1/users/alice/corrections", 1)
	if len(corrections) != 1 {
		t.Fatalf("corrections: %s", text(corrections))
	}
	c := corrections[0].(map[string]any)
	if text(c["cause"]) != `{"event_id":"e4","input":{"offset":1,"partition":0,"topic":"subtracts"},"kind":"subtract","late_by":25000000,"occurred_at":"`+at(5)+`"}` ||
		text(c["changes"]) != `[{"balance":-5,"debt":0,"from":"`+at(5)+`","held":0,"to":null}]` || c["after_final"] != true {
		t.Errorf("correction: %s", text(c))
	}
}

func TestGrantsArePaged(t *testing.T) {
	w := newWorld(t, 1, Config{})
	for i := range 250 {
		w.send(grant("bob", "e"+text(1000+i), "g"+text(1000+i), event.Amount(1+i)))
	}
	for _, limit := range []int{7, 50, 1000} {
		items := w.pages("/v1/users/bob/grants", limit)
		if len(items) != 250 {
			t.Fatalf("%d grants by %d", len(items), limit)
		}
		for i, item := range items {
			if g := item.(map[string]any); g["grant_id"] != "g"+text(1000+i) || g["amount"] != float64(1+i) || g["event_id"] != "e"+text(1000+i) {
				t.Fatalf("grant %d: %s", i, text(item))
			}
		}
	}
	b := w.get("/v1/users/bob/balance")
	if len(b["grants"].([]any)) != 100 || b["more_grants"] != 150.0 {
		t.Errorf("%d grants, %v more", len(b["grants"].([]any)), b["more_grants"])
	}
}

func command(kind event.Kind, user, id, orderID string) event.Event {
	e := event.Event{Kind: kind, User: user, ID: id, Ref: orderID}
	if kind == event.PlaceOrder {
		e.Currency, e.Quantity, e.Price = "EUR", event.DecimalOf(2), event.DecimalOf(3)
	}
	return e
}

// An order's users are found by its id, however many have it.
func TestOrdersOfAnID(t *testing.T) {
	w := newWorld(t, 3, Config{})
	for n, user := range []string{"alice", "bob", "carol", "dan", "eve"} {
		w.send(command(event.PlaceOrder, user, "p"+text(n), "order"+text(n)))
		w.now += second
	}
	w.send(command(event.Cancel, "carol", "x2", "order2"))
	w.send(command(event.PlaceOrder, "alice", "q1", "order4"), command(event.PlaceOrder, "carol", "q2", "order4"))
	for id, want := range map[string][]any{"order0": {"alice"}, "order2": nil, "order4": {"alice", "carol", "eve"}, "order9": nil} {
		var got []any
		for _, o := range w.pages("/v1/orders?current=true&order_id="+id, 2) {
			got = append(got, o.(map[string]any)["user_id"])
		}
		if text(got) != text(want) {
			t.Errorf("%s: %s, want %s", id, text(got), text(want))
		}
	}
}

func TestOrders(t *testing.T) {
	w := newWorld(t, 3, Config{})
	users := []string{"alice", "bob", "carol", "dan", "eve"}
	seen := map[int32]bool{}
	for n, user := range users {
		seen[kafka.PartitionOf(user, 3)] = true
		w.send(command(event.PlaceOrder, user, "p"+text(n), "order"+text(n)))
		w.now += second
	}
	if len(seen) < 2 {
		t.Fatal("the users share a partition")
	}
	w.send(command(event.Pause, "bob", "x1", "order1"), command(event.Cancel, "carol", "x2", "order2"))
	const all = "order0\norder1(paused)\norder3\norder4\n"
	for _, limit := range []string{"1", "2", "3", "100"} {
		target, got := "/v1/orders?format=text&limit="+limit, ""
		for target != "" {
			answer := w.ask(target)
			if answer.Code != http.StatusOK || answer.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Fatalf("%s: %d %s", target, answer.Code, answer.Body)
			}
			got += answer.Body.String()
			target, _, _ = strings.Cut(strings.TrimPrefix(answer.Header().Get("Link"), "<"), ">")
		}
		if got != all {
			t.Errorf("by %s: %q", limit, got)
		}
	}
	if items := w.pages("/v1/orders", 2); len(items) != 4 || items[1].(map[string]any)["state"] != "PAUSED" {
		t.Errorf("%s", text(items))
	}
	if got := w.ask("/v1/users/bob/orders?format=text").Body.String(); got != "order1(paused)\n" {
		t.Errorf("bob: %q", got)
	}
	if got := w.ask("/v1/users/carol/orders").Body.String(); got != `{"items":[],"next_cursor":null}` {
		t.Errorf("carol: %s", got)
	}
	o := w.get("/v1/users/carol/orders/order2")
	history := o["history"].(map[string]any)["items"].([]any)
	if o["state"] != "CANCELLED" || o["amount"] != "2" || len(history) != 2 || history[1].(map[string]any)["event_id"] != "x2" {
		t.Errorf("carol's order: %s", text(o))
	}
	windows := w.pages("/v1/analytics/orders?currency=EUR", 1)
	want := `[{"cancelled":1,"currency":"EUR","final":false,"ignored":0,"live_notional_delta":"24","live_orders_delta":4,"paused":1,"placed":5,` +
		`"placed_amount":"10","placed_notional":"30","resumed":0,"window_start":"2026-01-01T00:00:00.000000Z"}]`
	if text(windows) != want {
		t.Errorf("got  %s\nwant %s", text(windows), want)
	}
	w.tick(200) // partitions that nobody is in begin to count idleness here
	w.tick(100)
	if windows := w.pages("/v1/analytics/orders", 1); windows[0].(map[string]any)["final"] != true {
		t.Errorf("a minute that is over: %s", text(windows))
	}
	if windows := w.pages("/v1/analytics/orders?currency=USD", 1); len(windows) != 0 {
		t.Errorf("another currency: %s", text(windows))
	}
}

func TestAnalyticsGoesPastOtherCurrencies(t *testing.T) {
	w := newWorld(t, 2, Config{})
	users := []string{"alice", "bob", "carol"}
	for minute := range 20 {
		for i, currency := range []string{"AAA", "EUR", "USD"} {
			e := command(event.PlaceOrder, users[(minute+i)%3], "p"+text(minute)+"-"+text(i), "o"+text(minute)+"-"+text(i))
			e.Currency = currency
			w.send(e)
		}
		w.now += 60 * second
	}
	for currency, want := range map[string]int{"": 60, "AAA": 20, "EUR": 20, "USD": 20, "ZZZ": 0} {
		target := "/v1/analytics/orders"
		if currency != "" {
			target += "?currency=" + currency
		}
		for _, limit := range []int{1, 7, 1000} {
			seen := map[string]bool{}
			items := w.pages(target, limit)
			for _, item := range items {
				item := item.(map[string]any)
				seen[item["currency"].(string)+item["window_start"].(string)] = true
			}
			if len(items) != want || len(seen) != want {
				t.Errorf("%q by %d: %d windows, %d different, want %d", currency, limit, len(items), len(seen), want)
			}
		}
	}
}

func TestPartitions(t *testing.T) {
	w := newWorld(t, 3, Config{})
	w.send(grant("alice", "e1", "g1", 5))
	items := w.pages("/v1/partitions", 2)
	if len(items) != 3 {
		t.Fatalf("%s", text(items))
	}
	n := kafka.PartitionOf("alice", 3)
	p := items[n].(map[string]any)
	if p["partition"] != float64(n) || text(p["positions"]) != `["grants/`+text(n)+`/0"]` || p["seq"] != 1.0 || p["lag"] != 7.0 || p["ready"] != true ||
		p["state_hash"] != w.homes[n].store.Meta().Hash.String() || p["changelog_offset"] != 2.0 || p["processed_at"] != at(0) {
		t.Errorf("%s", text(p))
	}
	if p := items[(n+1)%3].(map[string]any); p["changelog_offset"] != nil || p["processed_at"] != nil || text(p["positions"]) != "[]" {
		t.Errorf("an empty one: %s", text(p))
	}
}

// I3.
func TestReadYourOwnWrites(t *testing.T) {
	w := newWorld(t, 2, Config{WaitTimeout: 20 * time.Millisecond})
	position := w.send(grant("alice", "e1", "g1", 5))[0]
	if b := w.get("/v1/users/alice/balance?min_position=" + position); b["balance"] != 5.0 {
		t.Errorf("%s", text(b))
	}
	n := kafka.PartitionOf("alice", 2)
	late := w.ask("/v1/users/alice/balance?min_position=grants/" + text(n) + "/1")
	if late.Code != http.StatusServiceUnavailable || late.Header().Get("Retry-After") != "1" || !strings.Contains(late.Body.String(), "min_position") {
		t.Errorf("%d %s", late.Code, late.Body)
	}
	other := w.ask("/v1/users/alice/balance?min_position=grants/" + text(1-n) + "/0")
	if other.Code != http.StatusBadRequest || !strings.Contains(other.Body.String(), "min_position") {
		t.Errorf("%d %s", other.Code, other.Body)
	}
}

func TestReadsWaitForAPosition(t *testing.T) {
	w := newWorld(t, 1, Config{WaitTimeout: time.Minute})
	answers := make(chan string)
	for range 3 {
		go func() { answers <- w.ask("/v1/users/alice/balance?min_position=subtracts/0/0").Body.String() }()
	}
	w.send(grant("alice", "e1", "g1", 5))
	w.send(subtract("alice", "e2", 2))
	for range 3 {
		if got := <-answers; !strings.Contains(got, `"balance":3,`) {
			t.Errorf("%s", got)
		}
	}
}

func TestNotReadyIsUnavailable(t *testing.T) {
	w := newWorld(t, 1, Config{})
	w.send(grant("alice", "e1", "g1", 5))
	w.homes[0].ready = make(chan struct{})
	s := New(Config{})
	w.handler = s.Handler(http.NewServeMux())
	paths := []string{"/v1/users/alice/balance", "/v1/orders", "/v1/analytics/orders"}
	for _, path := range append(paths, "/v1/partitions") {
		if got := w.ask(path); got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
			t.Errorf("%s before the states are open: %d %s", path, got.Code, got.Body)
		}
	}
	s.Serve([]Partition{{Store: w.homes[0].store, WaitFor: w.homes[0].waitFor, Lag: func() int64 { return 9 }, Ready: w.homes[0].ready}})
	if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "9 records") {
		t.Errorf("ready: %v", err)
	}
	for _, path := range paths {
		if got := w.ask(path); got.Code != http.StatusServiceUnavailable || !strings.Contains(got.Body.String(), "9 records") {
			t.Errorf("%s while catching up: %d %s", path, got.Code, got.Body)
		}
	}
	if got := w.get("/v1/partitions"); got["items"].([]any)[0].(map[string]any)["ready"] != false {
		t.Errorf("partitions while catching up: %s", text(got))
	}
}

func TestHostileRequests(t *testing.T) {
	w := newWorld(t, 1, Config{})
	w.alice()
	w.send(command(event.PlaceOrder, "alice", "o", "o1"))
	entriesCursor, _ := w.get("/v1/users/alice/entries?limit=1")["next_cursor"].(string)
	if entriesCursor == "" {
		t.Fatal("no cursor")
	}
	for _, c := range []struct {
		target      string
		status      int
		code, field string
	}{
		{"/v1/users/nobody/balance", 404, "unknown_user", "user_id"},
		{"/v1/users/nobody/timeline", 404, "unknown_user", "user_id"},
		{"/v1/users/nobody/grants", 404, "unknown_user", "user_id"},
		{"/v1/users/nobody/entries", 404, "unknown_user", "user_id"},
		{"/v1/users/nobody/entries?asset=gems", 404, "unknown_user", "user_id"},
		{"/v1/users/nobody/entries/e1", 404, "unknown_user", "user_id"},
		{"/v1/users/nobody/corrections", 404, "unknown_user", "user_id"},
		{"/v1/users/nobody/orders", 404, "unknown_user", "user_id"},
		{"/v1/users/nobody/orders/o1", 404, "unknown_user", "user_id"},
		{"/v1/users/alice/entries/e9", 404, "unknown_event", "event_id"},
		{"/v1/users/alice/entries/expired%2Fg9", 404, "unknown_event", "event_id"},
		{"/v1/users/alice/entries/expired%2Fg1", 404, "unknown_event", "event_id"},
		{"/v1/users/alice/orders/o9", 404, "unknown_order", "order_id"},
		{"/v1/users/alice/orders/o%2F9", 400, "invalid", "order_id"},
		{"/v1/users/alice/balance?at=tomorrow", 400, "invalid", "at"},
		{"/v1/users/alice/balance?at=1&at=2", 400, "invalid", "at"},
		{"/v1/users/alice/balance?known_at=x", 400, "invalid", "known_at"},
		{"/v1/users/alice/balance?asset=A", 400, "invalid", "asset"},
		{"/v1/users/alice/balance?limit=1", 400, "invalid", "limit"},
		{"/v1/users/alice/balance?min_position=grants", 400, "invalid", "min_position"},
		{"/v1/users/alice/balance?min_position=grants/0/-1", 400, "invalid", "min_position"},
		{"/v1/users/alice/balance?min_position=entries/0/1", 400, "invalid", "min_position"},
		{"/v1/users/alice/balance?min_position=", 400, "invalid", "min_position"},
		{"/v1/users/alice/balance?min_position=grants/7/0", 400, "invalid", "min_position"},
		{"/v1/orders?min_position=grants/7/0", 400, "invalid", "min_position"},
		{"/v1/orders?order_id=o1&cursor=" + entriesCursor, 400, "invalid", "cursor"},
		{"/v1/orders?order_id=a/b", 400, "invalid", "order_id"},
		{"/v1/orders?order_id=", 400, "invalid", "order_id"},
		{"/v1/orders?current=yes", 400, "invalid", "current"},
		{"/v1/users/alice/orders?current=true", 400, "invalid", "current"},
		{"/v1/users/alice/timeline?from=2&to=1", 400, "invalid", "to"},
		{"/v1/users/alice/timeline?cursor=x", 400, "invalid", "cursor"},
		{"/v1/users/alice/timeline?cursor=" + entriesCursor, 400, "invalid", "cursor"},
		{"/v1/users/alice/entries?cursor=" + entriesCursor + "A", 400, "invalid", "cursor"},
		{"/v1/users/alice/entries?cursor=", 400, "invalid", "cursor"},
		{"/v1/users/alice/entries?cursor=" + strings.Repeat("A", 10_000), 400, "invalid", "cursor"},
		{"/v1/users/alice/entries?order=up", 400, "invalid", "order"},
		{"/v1/users/alice/entries?limit=0", 400, "invalid", "limit"},
		{"/v1/users/alice/orders?format=xml", 400, "invalid", "format"},
		{"/v1/analytics/orders?currency=", 400, "invalid", "currency"},
		{"/v1/analytics/orders?from=x", 400, "invalid", "from"},
		{"/v1/users/%00/balance", 400, "invalid", "user_id"},
		{"/v1/users/alice/orders/" + strings.Repeat("o", 129), 400, "invalid", "order_id"},
		{"/v1/users/alice", 404, "not_found", ""},
		{"/v1/users/alice/explained", 404, "not_found", ""},
	} {
		got := w.ask(c.target)
		var p struct{ Code, Field, Detail string }
		if err := json.Unmarshal(got.Body.Bytes(), &p); err != nil || got.Code != c.status || p.Code != c.code || p.Field != c.field || p.Detail == "" ||
			got.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", c.target, got.Code, got.Body)
		}
	}
}

func TestUsersWithOddNames(t *testing.T) {
	w := newWorld(t, 4, Config{})
	for user, escaped := range map[string]string{"a/b": "a%2Fb", "..": "%2E%2E", "é %": "%C3%A9%20%25", `"<b>`: "%22%3Cb%3E"} {
		w.send(grant(user, "e1", "g1", 7), command(event.PlaceOrder, user, "e2", "o1"))
		if b := w.get("/v1/users/" + escaped + "/balance"); b["balance"] != 7.0 || b["user_id"] != user {
			t.Errorf("%s: %s", user, text(b))
		}
		if got := w.ask("/v1/users/" + escaped + "/orders?format=text&limit=1"); got.Body.String() != "o1\n" {
			t.Errorf("%s: %d %s", user, got.Code, got.Body)
		}
	}
}

func TestReadsAreBoundedInTime(t *testing.T) {
	w := newWorld(t, 1, Config{ReadTimeout: time.Nanosecond})
	w.send(grant("alice", "e1", "g1", 5))
	if got := w.ask("/v1/users/alice/balance"); got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

func TestPageIsServed(t *testing.T) {
	w := newWorld(t, 1, Config{})
	page := w.ask("/")
	if page.Code != http.StatusOK || !strings.Contains(page.Header().Get("Content-Security-Policy"), "script-src 'sha256-") ||
		strings.Contains(page.Body.String(), "src=") || strings.Contains(page.Body.String(), "https:") {
		t.Errorf("%d %v", page.Code, page.Header())
	}
	if docs := w.ask("/docs"); docs.Code != http.StatusOK || !strings.Contains(docs.Body.String(), "/v1/users/{user_id}/corrections") {
		t.Errorf("docs: %d", docs.Code)
	}
}
