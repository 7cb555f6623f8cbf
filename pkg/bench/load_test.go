package bench

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"highwater/pkg/codec"
	"highwater/pkg/event"
)

// golden has the SHA-256 of what Dump writes of each workload with seed 1: the
// accounts' opening and 10,000 events. Who was given the same events as us
// relies on them: they change with docs/benchmarks/workloads.md only.
var golden = map[string]string{
	"catch-up":   "7ecf02bb2fdeefd15684832141d98b940f09cde1102f9843350dedce8c8fcadb",
	"uniform":    "78594d84b072e96eecf791fe81d0d3467230fb2edc91c1311b79cb62ebf54706",
	"late-heavy": "426bb1bcb4a16fcc3318291b36234cbd127b844f1503f0951f08381d662b27b4",
	"live":       "7ecf02bb2fdeefd15684832141d98b940f09cde1102f9843350dedce8c8fcadb",
	"scale":      "7ecf02bb2fdeefd15684832141d98b940f09cde1102f9843350dedce8c8fcadb",
	"query":      "7ecf02bb2fdeefd15684832141d98b940f09cde1102f9843350dedce8c8fcadb",
	"takeover":   "7ecf02bb2fdeefd15684832141d98b940f09cde1102f9843350dedce8c8fcadb",
	"restore":    "7ecf02bb2fdeefd15684832141d98b940f09cde1102f9843350dedce8c8fcadb",
}

// TestGolden is I1.
func TestGolden(t *testing.T) {
	for _, w := range workloads {
		w.Events, w.Users = 10_000, min(w.Users, 20_000)
		hash := sha256.New()
		if err := Dump(hash, &w, 1); err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(hash.Sum(nil)); got != golden[w.Name] {
			t.Errorf("%s: the events are others: %s", w.Name, got)
		}
	}
}

// TestDumpIsWhatIsProduced reads both and compares.
func TestDumpIsWhatIsProduced(t *testing.T) {
	w, _ := WorkloadOf("late-heavy")
	w.Events, w.Users = 5_000, 100
	var dump bytes.Buffer
	if err := Dump(&dump, &w, 3); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(&dump)
	var decoder codec.Decoder
	for m := range newLoad(&w, 3, codec.SingleObject().AppendEvent).history(&w) {
		var e event.Event
		if r := decoder.Decode(m.topic, []byte(m.user), m.value, now, &e); r != nil {
			t.Fatalf("%s is refused: %s: %s", m.id, r.Field, r.Message)
		}
		if !lines.Scan() {
			t.Fatal("the dump ends too soon")
		}
		var line struct {
			Topic, Key string
			Event      json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if want := codec.AppendEventJSON(nil, &e); line.Topic != m.topic.String() || line.Key != m.user || !bytes.Equal(line.Event, want) {
			t.Fatalf("dumped %s, produced %s to %s for %s", lines.Bytes(), want, m.topic, m.user)
		}
	}
	if lines.Scan() {
		t.Errorf("the dump goes on: %s", lines.Bytes())
	}
}

// TestMix is what the table promises of each workload.
func TestMix(t *testing.T) {
	const n = 100_000
	for _, w := range workloads {
		t.Run(w.Name, func(t *testing.T) {
			w.Events, w.Users = n, min(w.Users, 10_000)
			var e event.Event
			l := newLoad(&w, 7, func(_ []byte, made *event.Event) []byte { e = *made; return nil })
			kinds, copies, late, byDay, of := map[event.Kind]int{}, 0, 0, 0, map[string]int{}
			alive := map[string]event.Kind{}
			for i := range n {
				at := l.base + event.Time(i)*interval
				if m := l.next(at); m.copied {
					copies++
					continue
				}
				kinds[e.Kind]++
				of[e.User]++
				if e.OccurredAt < at {
					late++
				}
				if e.OccurredAt < at-hour {
					byDay++
				}
				if e.OccurredAt > at || e.OccurredAt < at-day {
					t.Fatalf("%s happens at %s, %s", e.ID, e.OccurredAt, at)
				}
				if e.Kind.IsOrder() {
					key := e.User + e.Ref
					if state, ok := alive[key]; ok == (e.Kind == event.PlaceOrder) || e.Kind == event.Pause && state == event.Pause || e.Kind == event.Resume && state != event.Pause {
						t.Fatalf("%s of an order that is %s (%v)", e.Kind, state, ok)
					}
					if alive[key] = e.Kind; e.Kind == event.Cancel {
						delete(alive, key)
					}
				}
			}
			made := float64(n - copies)
			orders := kinds[event.PlaceOrder] + kinds[event.Pause] + kinds[event.Resume] + kinds[event.Cancel]
			lates, days := 0.11, 0.01*23/24+0.10*math.Exp(-120)
			if w.Name == "late-heavy" {
				lates, days = 0.30, 0
			}
			for _, c := range []struct {
				what      string
				got, want float64
			}{
				{"grants", float64(kinds[event.Grant]), 0.10 * made}, {"adds", float64(kinds[event.Add]), 0.05 * made}, {"orders", float64(orders), 0.15 * made},
				{"subtracts", float64(kinds[event.Subtract]), 0.70 * made}, {"late events", float64(late), lates * made},
				{"events more than an hour late", float64(byDay), days * made}, {"duplicates", float64(copies), 0.02 * n},
				{"events of the first user", float64(of[userOf(0)]), made / weights(&w)},
			} {
				if math.Abs(c.got-c.want) > 4*math.Sqrt(c.want)+1 {
					t.Errorf("%.0f %s of %d, want about %.0f", c.got, c.what, n, c.want)
				}
			}
		})
	}
}

// weights is how much all users weigh, against the first.
func weights(w *Workload) float64 {
	sum := 0.0
	for k := range w.Users {
		sum += math.Pow(float64(k+1), -w.Exponent)
	}
	return sum
}

// TestOpened: every user has credits before the first event, and nobody shares
// a name.
func TestOpened(t *testing.T) {
	w, _ := WorkloadOf("scale")
	w.Events, w.Users = 1, 50_000
	users, last := map[string]bool{}, event.Time(0)
	var e event.Event
	for m := range newLoad(&w, 1, func(_ []byte, made *event.Event) []byte { e = *made; return nil }).history(&w) {
		if len(users) < w.Users && (e.Kind != event.Add || e.OccurredAt < last || e.OccurredAt >= epoch-day) {
			t.Fatalf("%s: %s at %s", m.id, e.Kind, e.OccurredAt)
		}
		users[m.user], last = true, e.OccurredAt
	}
	if len(users) != w.Users {
		t.Errorf("%d users, want %d", len(users), w.Users)
	}
}

func TestRanks(t *testing.T) {
	r := newRanks(3, 1) // 6/11, 3/11, 2/11
	for _, c := range []struct {
		u    float64
		want int
	}{{0, 0}, {0.54, 0}, {0.55, 1}, {0.81, 1}, {0.82, 2}, {1 - 1e-16, 2}} {
		if got := r.at(c.u); got != c.want {
			t.Errorf("%v is rank %d, want %d", c.u, got, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, w := range workloads {
		if err := w.Check(); err != nil {
			t.Errorf("%s is refused: %v", w.Name, err)
		}
	}
	for _, w := range []Workload{
		{}, {Events: 1}, {Users: 1}, {Events: maxEvents + 1, Users: 1}, {Events: 1, Users: maxUsers + 1}, {Events: 1, Users: 1, Rates: []int{1, 0}},
		{Name: "restore", Events: 1, Users: 1, Rates: []int{1}},
	} {
		if w.Check() == nil {
			t.Errorf("%+v is accepted", w)
		}
	}
	if last := epoch + maxEvents*interval; last > event.Time(1_790_000_000)*second {
		t.Errorf("the last event happens at %s", last)
	}
	if s := slot(maxEvents)<<1 | 1; fmt.Sprint(s>>1) != fmt.Sprint(maxEvents) {
		t.Error("a slot can't hold the last order")
	}
}
