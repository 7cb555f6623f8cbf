package ingest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const order = `{"event_id":%q,"order_id":%q,"currency":"EUR","amount":"1","price":"2"}`

// A command on an order finds the one user who has it live.
func TestLocate(t *testing.T) {
	f, s := decidedFixture(t, nil)
	for i, c := range []struct{ user, order string }{{"alice", "o 1"}, {"a%2Fb", "o2"}, {"bob", "o3"}, {"carol", "o3"}} {
		f.entryOf(f.send("POST", "/v1/users/"+c.user+"/orders", fmt.Sprintf(order, fmt.Sprintf("p%d", i), c.order)))
	}
	for i, c := range []struct{ path, kind, user string }{
		{"/v1/orders/o%201/pause", "pause", "alice"}, {"/v1/orders/o%201/resume", "resume", "alice"}, {"/v1/orders/o2/cancel", "cancel", "a/b"},
	} {
		body := ""
		if i > 0 {
			body = fmt.Sprintf(`{"event_id":"e%d"}`, i)
		}
		e := f.entryOf(f.send("POST", c.path, body))
		if e["kind"] != c.kind || e["user_id"] != c.user || i > 0 && e["event_id"] != fmt.Sprintf("e%d", i) {
			t.Errorf("%s: %v", c.path, e)
		}
	}
	p := f.refusal(f.send("POST", "/v1/orders/o3/pause", ""), http.StatusConflict)
	if p.Code != "ambiguous_order" || p.Field != "order_id" {
		t.Errorf("%+v", p)
	}
	recorded := f.count()
	p = f.refusal(f.send("POST", "/v1/orders/o2/cancel", ""), http.StatusNotFound)
	if p.Code != "unknown_order" || p.Field != "order_id" || !strings.Contains(p.Detail, "name the user") || f.count() != recorded {
		t.Errorf("%+v", p)
	}
	// The cancel sent again is told its outcome by who remembers its order, and
	// the others say what to do.
	again := f.send("POST", "/v1/orders/o2/cancel", `{"event_id":"e2"}`)
	if f.entryOf(again); again.body != s.entry("a/b", "e2") {
		t.Errorf("%s", again.body)
	}
	other := instance(t, s, f.broker, nil)
	other.refusal(other.send("POST", "/v1/orders/o2/cancel", `{"event_id":"e2"}`), http.StatusNotFound)
	if again := other.send("POST", "/v1/users/a%2Fb/orders/o2/cancel", `{"event_id":"e2"}`); again.body != s.entry("a/b", "e2") {
		t.Errorf("%s", again.body)
	}
	a := f.send("POST", "/v1/orders/o%201/cancel", `{"event_id":"e9"}`, "Prefer", "respond-async")
	if f.recorded(a); !strings.HasPrefix(a.header.Get("Location"), s.server.URL+"/v1/users/alice/entries/e9?min_position=orders%2F") {
		t.Errorf("%v", a.header)
	}
}

// What is refused before anybody is asked, and what is answered where nobody
// can be.
func TestLocateRefuses(t *testing.T) {
	f, s := decidedFixture(t, nil)
	f.entryOf(f.send("POST", "/v1/users/bob/orders", fmt.Sprintf(order, "p1", "o1")))
	before := f.count()
	for _, c := range []struct {
		path, body  string
		headers     []string
		status      int
		code, field string
	}{
		{"/v1/orders/a%2Fb/pause", "", nil, 422, "invalid", "order_id"},
		{"/v1/orders/o1/pause", "{", nil, 400, "malformed", ""},
		{"/v1/orders/o1/pause", `{"amount":1}`, nil, 400, "malformed", "amount"},
		{"/v1/orders/o1/pause", `{"order_id":"o2"}`, nil, 422, "invalid", "order_id"},
		{"/v1/orders/o1/pause", `{"user_id":"bob"}`, nil, 422, "invalid", "user_id"},
		{"/v1/orders/o1/pause", `{"event_id":"a/b"}`, nil, 422, "invalid", "event_id"},
		{"/v1/orders/o1/pause", `{"event_id":"a"}`, []string{idempotencyKey, "b"}, 422, "invalid", idempotencyKey},
	} {
		p := f.refusal(f.send("POST", c.path, c.body, c.headers...), c.status)
		if p.Code != c.code || p.Field != c.field || p.Field == "user_id" && !strings.Contains(p.Detail, "/v1/users/{user_id}/orders/o1/pause") {
			t.Errorf("%s %s: %+v", c.path, c.body, p)
		}
	}
	for _, away := range []func(){
		func() { s.refuse(http.StatusServiceUnavailable) },
		func() { s.server.Close() },
	} {
		away()
		a := f.send("POST", "/v1/orders/o1/pause", "")
		if p := f.refusal(a, http.StatusServiceUnavailable); p.Code != "unavailable" || !strings.Contains(p.Detail, "nothing was recorded") || a.header.Get("Retry-After") == "" {
			t.Errorf("%+v", p)
		}
	}
	if f.count() != before {
		t.Error("something was recorded")
	}
}

// I5: a query service that never answers keeps no command for long, nor a
// service that stops.
func TestLocateEnds(t *testing.T) {
	asked := make(chan struct{}, 10)
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer silent.Close()
	const slots = 2
	f, _ := decidedFixture(t, func(c *Config) { c.QueryURL, c.MaxRequests, c.MaxReads = silent.URL, slots, slots })
	cancels := func(prefer string) <-chan answer {
		answers := make(chan answer, slots)
		for range slots {
			go func() { answers <- f.send("POST", "/v1/orders/o/cancel", "", "Prefer", prefer) }()
		}
		for range slots {
			<-asked
		}
		return answers
	}
	began := time.Now()
	for answers, i := cancels("wait=0"), 0; i < slots; i++ {
		if p := f.refusal(<-answers, http.StatusServiceUnavailable); !strings.Contains(p.Detail, errNoAnswer.Error()) {
			t.Errorf("%+v", p)
		}
	}
	f.soonDone(began)
	if f.metric("highwater_ingest_query_failures_total", "") != slots {
		t.Error("the failures aren't counted")
	}
	// The slots of requests are free again.
	f.entryOf(f.send("POST", spends, spend("e1", "")))

	answers := cancels("wait=20")
	began = time.Now()
	close(f.stopping)
	for range slots {
		if p := f.refusal(<-answers, http.StatusServiceUnavailable); !strings.Contains(p.Detail, errStops.Error()) {
			t.Errorf("%+v", p)
		}
	}
	f.soonDone(began)
	if f.count() != 1 {
		t.Error("a cancel was recorded")
	}
}

// Questions about outcomes, which may wait, keep no user from being found.
func TestLocateHasItsOwnSlots(t *testing.T) {
	f, s := decidedFixture(t, func(c *Config) { c.MaxReads = 1 })
	f.entryOf(f.send("POST", "/v1/users/bob/orders", fmt.Sprintf(order, "p1", "o1")))
	f.entryOf(f.send("POST", spends, spend("e1", "")))
	release := s.hold()
	again := f.sending(spend("e1", ""))
	f.await("the question", func() bool { return f.metric("highwater_ingest_open_queries", "") == 1 })
	f.recorded(f.send("POST", "/v1/orders/o1/pause", "", "Prefer", "wait=0"))
	release()
	f.entryOf(<-again)
}

// I4: what is remembered is bounded; the oldest goes first.
func TestTargetsAreBounded(t *testing.T) {
	m := newTargets()
	at := func(i int) target { return target{order: "o", event: fmt.Sprint(i)} }
	for i := range 3 * recentTargets / 2 {
		m.add(at(i), fmt.Sprint("user-", i))
		m.add(at(i), "another")
	}
	if len(m.users) != recentTargets || len(m.order) != recentTargets {
		t.Errorf("%d users of %d targets", len(m.users), len(m.order))
	}
	for i := range 3 * recentTargets / 2 {
		user, ok := m.user(at(i))
		if ok != (i >= recentTargets/2) || ok && user != fmt.Sprint("user-", i) {
			t.Errorf("%d: %q, %v", i, user, ok)
		}
	}
}

func TestRecent(t *testing.T) {
	m := newRecent()
	if m.swap("ab", "c") || m.swap("a", "bc") || !m.swap("ab", "c") || !m.swap("a", "bc") {
		t.Error("ids are taken for others")
	}
}
