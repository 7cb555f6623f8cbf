package engine_test

import (
	"fmt"
	"testing"

	"highwater/pkg/event"
)

// hugeEvents are the events of a huge account, a millisecond apart.
const (
	hugeEvents = 1_000_000
	hugePause  = 1000
)

// huge is one user with hugeEvents events, nearly all subtracts, settled and
// trimmed from memory: what is granted lasts for `lasts` events at a time, and
// a grant that is drawn first expires every so often.
type huge struct {
	*stream
	rows  *sorted
	begin event.Time
}

func newHuge(b *testing.B, lasts int) *huge {
	b.Helper()
	h := &huge{rows: newSorted()}
	h.stream = over(b, h.rows, true)
	h.users = []string{"huge"}
	h.begin = h.now
	for i := range hugeEvents {
		if i%batch == 0 {
			h.e.Begin(h.now)
		}
		ev := event.Event{Kind: event.Subtract, User: h.users[0], Amount: 5}
		switch {
		case i%lasts == 0:
			// Twice what is drawn until the next one comes: the newest is
			// never touched before the one before it is empty.
			ev.Kind, ev.Amount = event.Add, event.Amount(5*lasts)
			if i == 0 {
				ev.Amount *= 3
			}
		case i%50_000 == 25_000:
			ev.Kind, ev.Ref, ev.ExpiresAt = event.Grant, fmt.Sprintf("promo-%d", i), h.now+10_000*hugePause
			ev.Amount = 5 * 1000
		}
		h.send(ev, h.now)
		if h.now += hugePause; i%batch == batch-1 {
			h.commit(b)
		}
	}
	// All topics are idle: the watermark follows the clock.
	for range 3 {
		h.now += 20_000_000
		h.e.Begin(h.now)
		h.commit(b)
	}
	if h.out.deadLetters > 0 {
		b.Fatalf("%d dead letters", h.out.deadLetters)
	}
	return h
}

func (h *huge) commit(b *testing.B) {
	b.Helper()
	if err := h.e.Commit(); err != nil {
		b.Fatal(err)
	}
}

// place is the time that so many events follow.
func (h *huge) place(behind int) event.Time {
	return h.begin + event.Time(hugeEvents-behind)*hugePause
}

// BenchmarkLateOnHuge is one event that comes late, by so many events, on an
// account of a million, in a transaction of its own.
func BenchmarkLateOnHuge(b *testing.B) {
	for _, lasts := range []int{2 * hugeEvents, 20_000} {
		h := newHuge(b, lasts)
		for _, kind := range []event.Kind{event.Subtract, event.Spend} {
			for _, behind := range []int{1_000, 100_000, 500_000} {
				b.Run(fmt.Sprintf("lasts=%d/%s/behind=%d", lasts, kind, behind), func(b *testing.B) { h.late(b, kind, behind) })
			}
		}
	}
}

func (h *huge) late(b *testing.B, kind event.Kind, behind int) {
	b.Helper()
	b.ReportAllocs()
	rows, bytes, corrections := h.rows.sets, h.rows.bytes, h.out.corrections
	start := cpu()
	for i := range b.N {
		h.e.Begin(h.now)
		// At places spread over some chapters.
		h.send(event.Event{Kind: kind, User: h.users[0], Amount: 1}, h.place(behind+i*37%500)+event.Time(1+i/500))
		h.commit(b)
	}
	reportCPU(b, start)
	b.ReportMetric(float64(h.rows.sets-rows)/float64(b.N), "rows/op")
	b.ReportMetric(float64(h.rows.bytes-bytes)/float64(b.N), "rowbytes/op")
	if h.out.corrections-corrections != b.N || h.out.deadLetters > 0 {
		b.Fatalf("%d corrections of %d late events, %d dead letters", h.out.corrections-corrections, b.N, h.out.deadLetters)
	}
}

// BenchmarkLateBurst is one of 1,000 events of a transaction that all come late
// by about as many places.
func BenchmarkLateBurst(b *testing.B) {
	const burst = 1000
	h := newHuge(b, 2*hugeEvents)
	for _, behind := range []int{300, 1_000, 10_000} {
		b.Run(fmt.Sprintf("behind=%d", behind), func(b *testing.B) {
			rows := h.rows.sets
			start := cpu()
			for i := range b.N {
				if i%burst == 0 {
					h.e.Begin(h.now)
				}
				h.send(event.Event{Kind: event.Subtract, User: h.users[0], Amount: 1}, h.place(behind)+event.Time(i))
				if i%burst == burst-1 || i == b.N-1 {
					h.commit(b)
				}
			}
			reportCPU(b, start)
			b.ReportMetric(float64(h.rows.sets-rows)/float64(b.N), "rows/op")
		})
	}
}
