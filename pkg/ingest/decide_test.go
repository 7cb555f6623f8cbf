package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"highwater/pkg/event"
)

// Every route that decides, and its entry.
func TestDecided(t *testing.T) {
	f, s := decidedFixture(t, nil)
	f.unasked()
	for i, c := range []struct{ path, body, kind string }{
		{"/spends", `"amount":1`, "spend"},
		{"/refunds", `"spend_id":"s"`, "refund"},
		{"/holds", `"amount":1`, "hold"},
		{"/holds/h/capture", `"amount":1`, "capture"},
		{"/holds/h/release", ``, "release"},
		{"/transfers", `"to_user_id":"alice","amount":1`, "transfer"},
		{"/orders", `"order_id":"o","currency":"EUR","amount":"1","price":"2"`, "place"},
		{"/orders/o/pause", ``, "pause"},
		{"/orders/o/resume", ``, "resume"},
		{"/orders/o/cancel", ``, "cancel"},
		{"/orders/cancel-all", ``, "cancel_all"},
	} {
		id := fmt.Sprintf("e%d", i)
		body := `{"event_id":"` + id + `",` + c.body
		a := f.send("POST", "/v1/users/bob"+c.path, strings.TrimSuffix(body, ",")+"}")
		e := f.entryOf(a)
		if e["kind"] != c.kind || e["event_id"] != id || a.body != s.entry("bob", id) || a.header.Get("Location") != "" || a.header.Get("Preference-Applied") != "" {
			t.Errorf("%s: %s %v", c.path, a.body, a.header)
		}
	}
	if n := f.ends(fromEntries); n != 11 || f.metric("highwater_ingest_outcome_seconds", "") != 11 || f.metric("highwater_ingest_wait_seconds", "") != 11 {
		t.Errorf("%v waits ended with an entry", n)
	}
	// Nothing was asked, and one partition is read.
	if s.questions() != 0 || f.metric("highwater_ingest_followed_partitions", "") != 1 || f.metric("highwater_ingest_follow_seconds", "") != 1 {
		t.Error("the outcomes came another way")
	}
	// Facts aren't waited for.
	f.recorded(f.send("POST", "/v1/users/bob/subtracts", `{"amount":1}`))
	f.recorded(f.send("POST", "/v1/events", `{"type":"spend","user_id":"bob","amount":1}`))
}

// A refusal has the code's status and the entry; a letter says what it says.
func TestRefusals(t *testing.T) {
	f, s := decidedFixture(t, nil)
	f.unasked()
	p := f.refusal(f.send("POST", spends, spend("e1", "insufficient_funds")), http.StatusPaymentRequired)
	var entry any
	if err := json.Unmarshal(p.Entry, &entry); err != nil || p.Code != "insufficient_funds" || p.EventID != "e1" {
		t.Errorf("%+v, %v", p, err)
	}
	var want any
	if err := json.Unmarshal([]byte(s.entry("bob", "e1")), &want); err != nil || fmt.Sprint(entry) != fmt.Sprint(want) {
		t.Errorf("%v\n%v", entry, want)
	}
	p = f.refusal(f.send("POST", spends, spend("e2", "letter:invalid")), http.StatusUnprocessableEntity)
	if p.Code != "invalid" || p.EventID != "e2" || p.Entry != nil || p.Field != "amount" || p.Detail != "the stand-in says invalid" {
		t.Errorf("%+v", p)
	}
	// What was put aside took no event_id.
	f.entryOf(f.send("POST", spends, spend("e2", "")))
	if f.ends(fromDeadLetters) != 1 {
		t.Error("who told of it isn't counted")
	}
}

// Sent again, an event has its first outcome: here, on another instance, and
// when many send it at once.
func TestRetry(t *testing.T) {
	f, s := decidedFixture(t, nil)
	other := instance(t, s, f.broker, nil)
	first := f.send("POST", spends, spend("e1", ""))
	f.entryOf(first)
	for i, again := range []*fixture{f, other, f, other} {
		began := time.Now()
		if a := again.send("POST", spends, spend("e1", "")); a.status != http.StatusOK || a.body != first.body {
			t.Errorf("%d: %d %s, want %s", i, a.status, a.body, first.body)
		}
		f.soonDone(began)
	}
	if f.ends(fromQuery) != 2 || other.ends(fromQuery) != 2 {
		t.Error("not the query service told of it")
	}
	f.refusal(f.send("POST", spends, spend("e2", "risk_limited")), http.StatusTooManyRequests)
	f.refusal(other.send("POST", spends, spend("e2", "risk_limited")), http.StatusTooManyRequests)

	var bodies [8]string
	var sending sync.WaitGroup
	for i := range bodies {
		sending.Go(func() { bodies[i] = []*fixture{f, other}[i%2].send("POST", spends, spend("e3", "")).body })
	}
	sending.Wait()
	for i := range bodies {
		if bodies[i] != s.entry("bob", "e3") {
			t.Errorf("%d: %s", i, bodies[i])
		}
	}
}

// What is sent again through another instance is asked about as soon as the
// first copy's outcome is read there, and otherwise before time is up.
func TestRetryIsSeen(t *testing.T) {
	f, s := decidedFixture(t, nil)
	other := instance(t, s, f.broker, nil)
	f.unasked()
	other.unasked()
	release := s.hold()
	first := f.sending(spend("e1", ""))
	f.await("the first copy", func() bool { return f.count() == 1 })
	second := other.sending(spend("e1", ""))
	f.await("the second copy", func() bool { return f.count() == 2 })
	began := time.Now()
	release()
	if a, b := <-first, <-second; a.status != http.StatusOK || b.body != a.body {
		t.Errorf("%+v, %+v", a, b)
	}
	// Without the sighting it would have been asked when half of the time is up.
	if took := time.Since(began); took > patience/4 || s.questions() != 1 {
		t.Errorf("it took %s and %d questions, want one question", took, s.questions())
	}

	third := instance(t, s, f.broker, nil)
	third.unasked()
	if a := third.send("POST", spends, spend("e1", ""), "Prefer", "wait=4"); a.status != http.StatusOK {
		t.Errorf("%+v", a)
	}
}

// Another content under the same id is a conflict, however it is asked.
func TestConflict(t *testing.T) {
	f, s := decidedFixture(t, nil)
	other := instance(t, s, f.broker, nil)
	f.entryOf(f.send("POST", spends, spend("e1", "")))
	for i := range 5 {
		for _, again := range []*fixture{f, other} {
			p := again.refusal(again.send("POST", spends, `{"event_id":"e1","amount":8}`), http.StatusConflict)
			if p.Code != "event_conflict" || p.EventID != "e1" {
				t.Errorf("%d: %+v", i, p)
			}
		}
	}
	// Both at once: the one that is decided, and the one that isn't.
	for i := range 5 {
		var answers [2]answer
		var sending sync.WaitGroup
		for n, instance := range []*fixture{f, other} {
			sending.Go(func() {
				answers[n] = instance.send("POST", spends, fmt.Sprintf(`{"event_id":"both%d","amount":%d}`, i, n+1))
			})
		}
		sending.Wait()
		if a, b := answers[0].status, answers[1].status; min(a, b) != http.StatusOK || max(a, b) != http.StatusConflict {
			t.Errorf("%d: %d %s, %d %s", i, a, answers[0].body, b, answers[1].body)
		}
	}
}

// What waits to be decided is no outcome; what it becomes is one, also for who
// sent it again meanwhile, and for who sends it later.
func TestPending(t *testing.T) {
	f, s := decidedFixture(t, nil)
	other := instance(t, s, f.broker, nil)
	for _, c := range []struct {
		id     string
		code   event.Code
		status int
	}{{"e1", event.NoCode, 200}, {"e2", event.UnknownReference, 404}} {
		var answers [3]answer
		var sending sync.WaitGroup
		for i, instance := range []*fixture{f, f, other} {
			sending.Go(func() { answers[i] = instance.send("POST", spends, spend(c.id, "pending")) })
		}
		// All of them have asked, and were told that it waits.
		asked := s.questions()
		f.await("all to ask", func() bool { return s.questions() >= asked+3 })
		s.decide("bob", c.id, c.code)
		sending.Wait()
		for i, a := range answers {
			if a.status != c.status || !strings.Contains(a.body, `"revision":1`) {
				t.Errorf("%s, %d: %d %s", c.id, i, a.status, a.body)
			}
		}
		if a := other.send("POST", spends, spend(c.id, "pending")); a.status != c.status {
			t.Errorf("%s, later: %d %s", c.id, a.status, a.body)
		}
	}
}

// location is where a 202 says that the outcome can be asked.
func (f *fixture) location(a answer) string {
	f.t.Helper()
	var r map[string]any
	f.decode(a.body, &r)
	if a.status != http.StatusAccepted || len(r) != 3 || r["status"] != "recorded" || r["event_id"] == "" || !strings.HasPrefix(fmt.Sprint(r["position"]), "ledger/") {
		f.t.Fatalf("%d %s", a.status, a.body)
	}
	return a.header.Get("Location")
}

// When time is up it is said where to ask, and the event goes on.
func TestTimeUp(t *testing.T) {
	f, s := decidedFixture(t, func(c *Config) { c.OutcomeTimeout = 50 * time.Millisecond })
	release := s.hold()
	defer release()
	location := f.location(f.send("POST", "/v1/users/a%2F%2E%20b/spends", spend("e1", "")))
	if location != s.server.URL+"/v1/users/a%2F.%20b/entries/e1?min_position=ledger%2F0%2F0" {
		t.Errorf("location %q", location)
	}
	if got := f.location(f.send("POST", "/v1/users/%2E%2E/spends", spend(".", ""))); !strings.HasPrefix(got, s.server.URL+"/v1/users/%2E%2E/entries/%2E?") {
		t.Errorf("location %q", got)
	}
	for _, c := range []struct{ prefer, applied string }{
		{"respond-async", "respond-async"}, {"wait=0", "wait=0"}, {"wait=1, respond-async", "respond-async, wait=1"},
		{"wait=-1", ""}, {"return=minimal", ""},
	} {
		a := f.send("POST", spends, spend("e-"+c.applied, ""), "Prefer", c.prefer)
		f.location(a)
		if got := a.header.Get("Preference-Applied"); got != c.applied {
			t.Errorf("%s: applied %q, want %q", c.prefer, got, c.applied)
		}
	}
	release()
	// Where the outcome comes in time, only the wait was heeded.
	a := f.send("POST", spends, spend("e9", ""), "Prefer", "respond-async, wait=20")
	if f.entryOf(a); a.header.Get("Preference-Applied") != "wait=20" {
		t.Errorf("applied %q", a.header.Get("Preference-Applied"))
	}
	f.await("the entry where it was said to be", func() bool {
		response, err := f.client.Get(location)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// Time begins when the whole request is there.
func TestSlowBody(t *testing.T) {
	f, _ := decidedFixture(t, nil)
	body, sender := io.Pipe()
	go func() {
		<-time.After(2100 * time.Millisecond) // longer than the wait
		_, err := io.WriteString(sender, spend("e1", ""))
		sender.CloseWithError(err)
	}()
	f.entryOf(f.do(f.request("POST", spends, body, "Content-Type", jsonType, "Prefer", "wait=2")))
}

// An outcome that is known when the wait ends is told.
func TestOutcomeAtTheEnd(t *testing.T) {
	f, _ := decidedFixture(t, nil)
	close(f.stopping)
	for range 50 {
		w := newWaiter(f.service.follower, "bob", "e1")
		w.learns(&outcome{source: fromEntries})
		if f.service.await(t.Context(), w, time.Now(), false) == nil {
			t.Fatal("an outcome was kept back")
		}
	}
}

// A caller who goes leaves nothing behind; a service that stops keeps nobody
// waiting.
func TestCallerGone(t *testing.T) {
	f, s := decidedFixture(t, nil)
	release := s.hold()
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		r := f.request("POST", spends, strings.NewReader(spend("e1", "")), "Content-Type", jsonType)
		_, err := f.client.Do(r.WithContext(ctx))
		gone <- err
	}()
	waiting := func() float64 { return f.metric("highwater_ingest_open_waits", "") }
	f.await("the wait", func() bool { return waiting() == 1 && f.count() == 1 })
	// It waits for an outcome, and takes no place of those who write.
	f.await("the slot", func() bool { return f.metric("highwater_ingest_open_requests", "") == 0 })
	cancel()
	if err := <-gone; err == nil {
		t.Error("it was answered")
	}
	f.await("the end of the wait", func() bool { return waiting() == 0 && f.ends(callerGone) == 1 })

	answered := make(chan answer, 1)
	go func() { answered <- f.send("POST", spends, spend("e2", "")) }()
	f.await("the other wait", func() bool { return waiting() == 1 && f.count() == 2 })
	began := time.Now()
	close(f.stopping)
	f.location(<-answered)
	f.soonDone(began)
}

// I4: who waits for an outcome doesn't keep the body of the request.
func TestBodiesAreLetGo(t *testing.T) {
	const waits, bodyBytes = 24, 1 << 20
	f, s := decidedFixture(t, nil)
	f.entryOf(f.send("POST", spends, spend("e", "")))
	release := s.hold()
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	// An event is small that has much white space around it.
	space := strings.Repeat(" ", bodyBytes-100)
	var sending sync.WaitGroup
	for i := range waits {
		sending.Go(func() {
			body := io.MultiReader(strings.NewReader(space), strings.NewReader(spend(fmt.Sprint("e", i), "")))
			f.entryOf(f.do(f.request("POST", spends, body, "Content-Type", jsonType)))
		})
	}
	f.await("all to be recorded", func() bool { return f.count() == 1+waits && f.metric("highwater_ingest_open_requests", "") == 0 })
	if grown := heap() - before; grown > waits*bodyBytes/2 {
		t.Errorf("%d waits keep %d bytes", waits, grown)
	}
	release()
	sending.Wait()
}

// I4: where too many wait, the next one's event is recorded all the same.
func TestTooManyWait(t *testing.T) {
	f, s := decidedFixture(t, func(c *Config) { c.MaxWaiting = 1 })
	release := s.hold()
	first := make(chan answer, 1)
	go func() { first <- f.send("POST", spends, spend("e1", "")) }()
	f.await("the wait", func() bool { return f.count() == 1 })
	a := f.send("POST", spends, spend("e2", ""), "Prefer", "wait=20")
	if f.location(a); a.header.Get("Preference-Applied") != "" {
		t.Errorf("it didn't wait, and says %q", a.header.Get("Preference-Applied"))
	}
	release()
	f.entryOf(<-first)
	f.entryOf(f.send("POST", spends, spend("e2", "")))
	if f.ends(tooManyWait) != 1 {
		t.Error("it isn't counted")
	}
}

// Where the query service is away, what was sent again can't be told, and
// everything else can.
func TestQueryAway(t *testing.T) {
	f, s := decidedFixture(t, nil)
	const inVain = "wait=1"
	first := f.send("POST", spends, spend("e1", ""))
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusInternalServerError, http.StatusNotFound} {
		s.refuse(status)
		f.location(f.send("POST", spends, spend("e1", ""), "Prefer", inVain))
		f.entryOf(f.send("POST", spends, spend(fmt.Sprint(status), "")))
	}
	if f.metric("highwater_ingest_query_failures_total", "") < 3 {
		t.Error("failures aren't counted")
	}
	s.refuse(0)
	if again := f.send("POST", spends, spend("e1", "")); again.body != first.body {
		t.Errorf("%d %s", again.status, again.body)
	}
	s.server.Close()
	f.location(f.send("POST", spends, spend("e1", ""), "Prefer", inVain))
	f.entryOf(f.send("POST", spends, spend("e3", "")))
}

// A Kafka that doesn't take the event is answered as on every route.
func TestDecidedKafkaGoes(t *testing.T) {
	f, _ := decidedFixture(t, func(c *Config) { c.ProduceTimeout = time.Second })
	f.entryOf(f.send("POST", spends, spend("e1", "")))
	release := f.hold()
	p := f.refusal(f.send("POST", spends, spend("e2", "")), http.StatusServiceUnavailable)
	if p.Code != "unavailable" || p.EventID != "e2" || !strings.Contains(p.Detail, "send it again with this event_id") {
		t.Errorf("%+v", p)
	}
	if f.metric("highwater_ingest_open_waits", "") != 0 {
		t.Error("it waits on")
	}
	release()
	f.entryOf(f.send("POST", spends, spend("e2", "")))
	f.broker.Close()
	f.refusal(f.send("POST", spends, spend("e3", "")), http.StatusServiceUnavailable)
}
