package plain

import (
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"highwater/pkg/event"
)

// TestNumber is I2.
func TestNumber(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 7: "7", 999: "999", 1000: "1,000", -1000: "-1,000", 1234567: "1,234,567", -123: "-123",
		-1 << 63: "-9,223,372,036,854,775,808",
	} {
		if got := Number(n); got != want {
			t.Errorf("Number(%d) = %s, want %s", n, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64().Draw(t, "n")
		if back, err := strconv.ParseInt(strings.ReplaceAll(Number(n), ",", ""), 10, 64); err != nil || back != n {
			t.Fatalf("Number(%d) = %s reads back as %d, %v", n, Number(n), back, err)
		}
	})
}

func TestSpan(t *testing.T) {
	for _, c := range []struct {
		span time.Duration
		want string
	}{
		{0, "0s"}, {1500 * time.Microsecond, "2ms"}, {12 * time.Second, "12s"}, {12340 * time.Millisecond, "12.3s"},
		{74 * time.Second, "1m14s"}, {time.Minute, "1m"}, {30 * time.Minute, "30m"}, {time.Hour, "1h"},
		{90 * time.Minute, "1h30m"}, {47*time.Hour + 59*time.Minute, "47h59m"}, {49 * time.Hour, "2d1h"}, {2000 * 24 * time.Hour, "2,000d0h"},
	} {
		if got := Span(c.span.Microseconds()); got != c.want {
			t.Errorf("Span(%s) = %s, want %s", c.span, got, c.want)
		}
	}
}

// TestLinesAreLines is I1: whatever stands in ids.
func TestLinesAreLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "id")
		for _, line := range []string{
			Event(&event.Event{ID: s, User: s, Ref: s, To: s, Currency: s, Kind: event.PlaceOrder}),
			Entry(&event.Entry{EventID: s, UserID: s, Result: event.Result{Order: event.OrderChange{OrderID: s}}, Kind: event.Cancel}),
			Correction(&event.Correction{Cause: event.Cause{EventID: s}, UserID: s}),
			Balance(&event.Balance{UserID: s}),
			OrderState(&event.OrderState{UserID: s, OrderID: s, Currency: s}),
			OrderState(&event.OrderState{UserID: s, OrderID: s, Gone: true}),
			OrderStats(&event.OrderStats{Currency: s}),
			Alert(&event.Alert{UserID: s, Message: s, EventID: s}),
		} {
			if i := strings.IndexFunc(line, unicode.IsControl); i >= 0 {
				t.Fatalf("control character at %d of %q", i, line)
			}
		}
	})
}

func TestCorrection(t *testing.T) {
	const noon = event.Time(1767268800_000000)
	balance := func(n int64) event.Balances { return event.Balances{Balance: n} }
	c := event.Correction{
		Cause: event.Cause{EventID: "e9", Kind: event.Subtract, LateBy: 74_000_000}, UserID: "alice", Asset: "credits", Parts: 1, Part: 1,
		Changes: []event.Stretch{{From: noon, To: event.NoTime, Balances: balance(-1200)}},
		Entries: make([]event.EntryChange, 3),
	}
	for _, s := range []struct {
		change func()
		want   string
	}{
		{func() {}, "alice: subtract e9, 1m14s late, changed 3 entries; balance from 12:00:00 on: -1,200"},
		{func() { c.Changes[0].To = noon + 60_000_000 }, "alice: subtract e9, 1m14s late, changed 3 entries; balance 12:00:00 to 12:01:00: -1,200"},
		{func() { c.Entries = c.Entries[:1]; c.AfterFinal = true }, "alice: subtract e9, 1m14s late, changed 1 entry; balance 12:00:00 to 12:01:00: -1,200 (after final)"},
		{func() {
			c.Changes = append(c.Changes, event.Stretch{From: noon + 60_000_000, To: event.NoTime, Balances: event.Balances{Debt: 5}})
			c.Entries, c.AfterFinal, c.Asset = nil, false, "tokens"
		}, "alice: subtract e9, 1m14s late, changed tokens balance from 12:00:00 on, +5 owed now"},
		{func() { c.Changes[1].To = noon + 90_000_000; c.Asset = "credits"; c.Parts = 2 }, "alice: subtract e9, 1m14s late, changed balance 12:00:00 to 12:01:30, in 2 steps (part 1 of 2)"},
		{func() { c.Changes, c.Asset = nil, ""; c.Parts = 1 }, "alice: subtract e9, 1m14s late, changed 0 entries"},
	} {
		s.change()
		if got := Correction(&c); got != s.want {
			t.Errorf("got  %s\nwant %s", got, s.want)
		}
	}
}
