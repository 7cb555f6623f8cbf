package bench

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"highwater/pkg/event"
)

func TestGrown(t *testing.T) {
	text := "# HELP x y\nhighwater_ingest_outcome_seconds_sum 1.5\nhighwater_ingest_outcome_seconds_count 100\n" +
		"requests{route=\"GET /readyz\"} 7\n" + `highwater_shard_phase_seconds_total{phase="commit"} 0.25` + "\n" +
		`highwater_shard_transactions_total{result="committed"} 50` + "\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }))
	defer server.Close()
	b := &spender{SpendOptions: SpendOptions{Ingest: server.URL, Admin: []string{server.URL, server.URL}}, client: server.Client()}
	after, err := b.gauges(t.Context())
	if err != nil || len(after) != 3 || after[0][`requests{route="GET /readyz"}`] != 7 {
		t.Fatalf("%v, %v", after, err)
	}
	before := []gauge{{}, {}, {}}
	if got := ingestHops(before[:1], after[:1]); got.Outcome != 15 || got.Produce != 0 {
		t.Errorf("ingest: %+v", got)
	}
	if got := processorHops(before[1:], after[1:]); got.Transactions != 100 || got.Commit != 5 {
		t.Errorf("processors: %+v", got)
	}
}

func TestSpendResult(t *testing.T) {
	at := time.UnixMicro(int64(now))
	one := func(outcome string, err error) *spend {
		s := &spend{sent: at, took: 10 * time.Millisecond, err: err}
		s.answer.spendEntry = spendEntry{Outcome: outcome, ArrivedAt: (now + 2000).String(), CommittedAt: (now + 5000).String()}
		return s
	}
	r := newSpendResult(&SpendOptions{Users: 3, Rate: 200, Over: time.Second}, []*spend{one("accepted", nil), one("rejected", nil)})
	if r.Accepted != 1 || r.Rejected != 1 || r.Latency.P50 != 10 || r.Record.P99 != 2 || r.Take.Max != 3 || r.Answer.P90 != 5 {
		t.Errorf("got %+v", r)
	}
	for _, c := range []struct {
		name     string
		verified bool
		change   func(*SpendResult)
		good     bool
	}{
		{"right", true, func(*SpendResult) {}, true},
		{"not verified", false, func(*SpendResult) {}, false},
		{"an answer that can't be", true, func(r *SpendResult) { r.Disagreements = []string{"it can't be"} }, false},
		{"one without an answer", true, func(r *SpendResult) { r.Spends++ }, false},
	} {
		judged := *r
		c.change(&judged)
		judged.Judge(c.verified)
		var out bytes.Buffer
		judged.Print(&out)
		if judged.Good != c.good || strings.Contains(out.String(), "the run is good") != c.good || !strings.Contains(out.String(), "p99 10.0 ms") {
			t.Errorf("%s: %+v\n%s", c.name, judged, out.String())
		}
	}
}

// TestDisagreements has a query service that says something else.
func TestDisagreements(t *testing.T) {
	items := `{"event_id":"spend-0","outcome":"accepted","arrived_at":"a","committed_at":"c","input":{"topic":"ledger","partition":1,"offset":5}}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("min_position"); got != event.Ledger.String()+"/1/5" {
			t.Errorf("min_position %q", got)
		}
		_, _ = w.Write([]byte(`{"items":[` + items + `],"next_cursor":null}`))
	}))
	defer server.Close()
	b := &spender{SpendOptions: SpendOptions{Query: server.URL, Prefix: "u", Users: 1}, client: server.Client(), granted: 1}
	s := &spend{user: "u-0", id: "spend-0"}
	s.answer.spendEntry = spendEntry{"spend-0", "accepted", "a", "c", spendPosition{"ledger", 1, 5}}
	if told := b.disagreements(t.Context(), []*spend{s}); len(told) != 0 {
		t.Errorf("told %q", told)
	}
	s.answer.Outcome = "rejected"
	if told := b.disagreements(t.Context(), []*spend{s}); len(told) != 1 || !strings.Contains(told[0], "was answered") {
		t.Errorf("another outcome: told %q", told)
	}
	b.granted = 0
	s.answer.Outcome = "accepted"
	if told := b.disagreements(t.Context(), []*spend{s}); len(told) != 1 || !strings.Contains(told[0], "1 of 1 spends of u-0 were accepted on a balance of 0") {
		t.Errorf("one too many: told %q", told)
	}
}
