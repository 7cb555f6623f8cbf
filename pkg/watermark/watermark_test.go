package watermark_test

import (
	"testing"

	"pgregory.net/rapid"

	"highwater/pkg/event"
	"highwater/pkg/watermark"
)

// start is a tracker taken over at a time, with a lateness of 10 and an idle
// time-out of 30.
func start(hold bool, now event.Time) *watermark.Tracker {
	t := watermark.New(watermark.Config{LatenessMicros: 10, IdleMicros: 30, Hold: hold})
	t.Start(now)
	return &t
}

// at advances to now and wants the watermark to be somewhere.
func at(t *testing.T, w *watermark.Tracker, now, want event.Time) {
	t.Helper()
	before := w.At
	if moved := w.Advance(now); moved != (want > before) {
		t.Errorf("at %d it says that it moved: %v", now, moved)
	}
	if w.At != want {
		t.Errorf("at %d the watermark is %d, not %d", now, w.At, want)
	}
	if w.Advance(now) {
		t.Errorf("at %d it moves twice, to %d", now, w.At)
	}
}

// The slowest topic counts, by the newest it has seen, less the lateness.
func TestSlowestTopic(t *testing.T) {
	w := start(false, 100)
	at(t, w, 100, 0)
	w.Observe(event.Grants, 90, 100)
	w.Observe(event.Subtracts, 70, 100)
	w.Observe(event.Ledger, 80, 100)
	at(t, w, 101, 0) // I2: orders have had no news
	w.Observe(event.Orders, 95, 101)
	at(t, w, 101, 60)
	w.Observe(event.Subtracts, 60, 102) // older news
	at(t, w, 102, 60)
	w.Observe(event.Subtracts, 75, 103)
	at(t, w, 103, 65)
	w.Observe(event.Subtracts, 99, 104)
	at(t, w, 104, 70)
}

// A topic is idle from the very end of the time-out on, counted from its last
// news or from the start.
func TestIdle(t *testing.T) {
	w := start(false, 100)
	w.Observe(event.Grants, 90, 110)
	at(t, w, 129, 0)
	at(t, w, 130, 80) // the others never had news
	w.Observe(event.Subtracts, 50, 131)
	at(t, w, 131, 80)
	w.Observe(event.Grants, 95, 132)
	at(t, w, 160, 80)
	at(t, w, 161, 85) // subtracts are idle again
	at(t, w, 162, 152)
}

// When all are idle the watermark follows the clock.
func TestAllIdle(t *testing.T) {
	w := start(false, 100)
	at(t, w, 129, 0)
	at(t, w, 130, 120)
	at(t, w, 131, 121)
	at(t, w, 125, 121) // the clock went back
	w.Observe(event.Ledger, 60, 135)
	at(t, w, 164, 121)
	at(t, w, 165, 155)
}

// Under hold it stays.
func TestHold(t *testing.T) {
	w := start(true, 100)
	at(t, w, 10_000, 0)
	w.Observe(event.Ledger, 60, 10_000)
	at(t, w, 10_000, 50)
	at(t, w, 10_029, 50)
	at(t, w, 99_999, 50)
	w.Observe(event.Ledger, 70, 99_999)
	at(t, w, 99_999, 60)
}

// Where there is less than the lateness it is 0, which is no move.
func TestBeginsAtZero(t *testing.T) {
	w := start(false, 0)
	for _, topic := range event.Inputs {
		w.Observe(topic, 9, 0)
	}
	at(t, w, 0, 0)
	for _, topic := range event.Inputs {
		w.Observe(topic, 10, 0)
	}
	at(t, w, 0, 0)
	for _, topic := range event.Inputs {
		w.Observe(topic, 11, 0)
	}
	at(t, w, 0, 1)
	for _, topic := range event.Inputs {
		w.Observe(topic, event.MaxTime, 0)
	}
	at(t, w, 0, event.MaxTime-10)
}

// news is one record of a topic.
type news struct {
	topic      event.Topic
	occurredAt event.Time
	now        event.Time
}

// naive is where the watermark may be at now, from everything that was ever
// heard.
func naive(c watermark.Config, all []news, started, now event.Time) event.Time {
	slowest, idle := event.MaxTime, true
	for _, topic := range event.Inputs {
		last, newest := started, event.NoTime
		for _, n := range all {
			if n.topic == topic {
				last, newest = max(last, n.now), max(newest, n.occurredAt)
			}
		}
		if int64(now-last) >= c.IdleMicros {
			continue
		}
		idle = false
		if newest == event.NoTime {
			return 0
		}
		slowest = min(slowest, newest)
	}
	if idle {
		if c.Hold {
			return 0
		}
		slowest = now
	}
	return max(0, slowest-event.Time(c.LatenessMicros))
}

// I1, I2, I3: it never goes back and is where everything ever heard says,
// also when it is made anew from what an owner left.
func TestI1I2I3AgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := watermark.Config{
			LatenessMicros: int64(rapid.IntRange(0, 20).Draw(t, "lateness")),
			IdleMicros:     int64(rapid.IntRange(0, 15).Draw(t, "idle")),
			Hold:           rapid.Bool().Draw(t, "hold"),
		}
		now := event.Time(rapid.IntRange(0, 50).Draw(t, "start"))
		started := now
		w := watermark.New(c)
		w.Start(now)
		var all []news
		want := event.Time(0)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = max(0, now+event.Time(rapid.IntRange(-1, 5).Draw(t, "pause")))
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1, 2:
				n := news{rapid.SampledFrom(event.Inputs[:]).Draw(t, "topic"), event.Time(rapid.IntRange(0, 120).Draw(t, "occurred")), now}
				w.Observe(n.topic, n.occurredAt, n.now)
				all = append(all, n)
			case 3: // another owner
				next := watermark.New(c)
				next.Seen, next.At = w.Seen, w.At
				next.Start(now)
				w, started = next, now
				// Only what was seen survives, not when.
				for i := range all {
					all[i].now = min(all[i].now, now)
				}
			}
			before := w.At
			moved := w.Advance(now)
			want = max(want, naive(c, all, started, now))
			if w.At < before {
				t.Fatalf("I1: it went back from %d to %d", before, w.At)
			}
			if w.At != want || moved != (w.At > before) {
				t.Fatalf("at %d it is %d (moved: %v), not %d", now, w.At, moved, want)
			}
		}
	})
}
