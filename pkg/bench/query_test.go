package bench

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"highwater/pkg/event"
)

func TestDiffers(t *testing.T) {
	at := event.Time(1_750_000_000_000_000)
	answer := func(at event.Time, balance string, held, debt int) string {
		return fmt.Sprintf(`{"user_id":"u","at":%q,"balance":%s,"held":%d,"debt":%d}`, at, balance, held, debt)
	}
	for _, c := range []struct {
		name   string
		next   event.Time
		answer string
		told   string
		known  bool
	}{
		{"right", event.NoTime, answer(at, "7", 2, 1), "", true},
		{"right, before it changes", at + 2, answer(at+1, "7", 2, 1), "", true},
		{"changed by itself", at + 2, answer(at+2, "6", 2, 1), "", false},
		{"balance", event.NoTime, answer(at, "8", 2, 1), "balance 8, held 2, debt 1; published were 7, 2, 1", true},
		{"held", at + 2, answer(at, "7", 3, 1), "held 3", true},
		{"debt", event.NoTime, answer(at, "7", 2, 0), "debt 0", true},
		{"no balance", event.NoTime, answer(at, "null", 0, 0), "has no balance; 7 was published", true},
		{"too early", event.NoTime, answer(at-1, "7", 2, 1), "the newest thing was said", true},
		{"no time", event.NoTime, `{"at":"never"}`, "never", true},
		{"no answer", event.NoTime, `<html>`, "invalid character", true},
	} {
		s := said{event.Balances{Balance: 7, Held: 2, Debt: 1}, at, c.next}
		told, known := s.differs([]byte(c.answer))
		if known != c.known || (told == "") != (c.told == "") || !strings.Contains(told, c.told) {
			t.Errorf("%s: %q, %v", c.name, told, known)
		}
	}
}

func TestReads(t *testing.T) {
	from := time.UnixMilli(1_000_000)
	on := func(mark string, due, read int) passage {
		at := func(ms int) time.Time { return from.Add(time.Duration(ms) * time.Millisecond) }
		return passage{mark: mark, due: at(due), read: at(read)}
	}
	r := &Reads{Asked: balanceThen, Rate: 50}
	r.count(10*time.Second, 2*time.Second, []time.Duration{3 * time.Millisecond, time.Millisecond, 2 * time.Millisecond, 4 * time.Millisecond})
	r.follow(
		[]passage{on("a", 0, 10), on("b", 10, 40), on("c", 20, 30), on("d", 100, 900)},
		[]passage{on("a", 0, 8), on("b", 10, 45), on("nobody's", 15, 20), on("d", 100, 990)}, from.Add(100*time.Millisecond))
	got := make(map[string]float64)
	var f figures
	f.reads(r)
	for _, figure := range f {
		got[strings.TrimPrefix(figure.Name, "past at 50/s: ")] = figure.Median
	}
	for name, want := range map[string]float64{
		"requests": 0.4, "latency, p50": 3, "latency, p90": 4, "latency, p99": 4, "cpu of query": 500, "requests of a core": 2, "cores of query": 0.2,
		"entry, p50": 10, "entry, p99": 30, "included, p50": 8, "included, p99": 35, "lag, p50": 5, "lag, p99": 5, "lag, max": 5,
	} {
		if figure, ok := got[name]; !ok || math.Abs(figure-want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, figure, want)
		}
	}
}

// TestAsker has a service whose answers are right for some users only.
func TestAsker(t *testing.T) {
	w, _ := WorkloadOf("query")
	w.Users = 1
	user, at := userOf(0), event.Time(1_600_000_000_000_000)
	status, body, asked := http.StatusOK, "", ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/users/"+user+"/balance" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		asked = r.URL.Query().Get("at")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	right := fmt.Sprintf(`{"user_id":%q,"at":%q,"balance":5,"held":0,"debt":0}`, user, at)
	for _, c := range []struct {
		name      string
		status    int
		body      string
		published map[string]said
		compared  int
		told      string
	}{
		{"right", 200, right, map[string]said{user: {event.Balances{Balance: 5}, at, event.NoTime}}, 1, ""},
		{"wrong", 200, right, map[string]said{user: {event.Balances{Balance: 6}, at, event.NoTime}}, 1, "published were 6"},
		{"not published", 200, right, nil, 0, "nothing was published of " + user},
		{"of somebody else", 200, strings.Replace(right, user, "v", 1), nil, 0, `is answered with {"user_id":"v"`},
		{"refused", 503, "catching up", nil, 0, "status 503: catching up"},
	} {
		status, body = c.status, c.body
		i := &installation{Options: &Options{}, workload: w, load: newLoad(&w, 1, nil), query: &process{address: strings.TrimPrefix(server.URL, "http://")}}
		r := &reader{installation: i, client: server.Client(), said: c.published, found: &Query{}}
		a := r.newAsker(0, 0)
		a.ask(t.Context(), balanceThen, true)
		if want := fmt.Sprint(int64(c.published[user].asOf)); asked != want {
			t.Errorf("%s: asked for the time %s, want %s", c.name, asked, want)
		}
		failed := r.found.add(a)
		if r.found.Compared != c.compared || (failed == 0) != (c.told == "") || !strings.Contains(strings.Join(a.wrong, "\n"), c.told) {
			t.Errorf("%s: compared %d, %q", c.name, r.found.Compared, a.wrong)
		}
		if refused := (&RunResult{Query: r.found}).refused(); refused != (c.told != "") {
			t.Errorf("%s: refused %v", c.name, refused)
		}
		var out bytes.Buffer
		(&RunResult{Query: r.found}).printVerdict(&out, "run 1")
		if strings.Contains(out.String(), "FAILED") != (c.told != "") || !strings.Contains(out.String(), c.told) {
			t.Errorf("%s: %s", c.name, out.String())
		}
	}
	if !(&Query{}).refused() {
		t.Error("nothing was compared, and that is good")
	}
}
