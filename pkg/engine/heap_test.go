package engine_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	"highwater/pkg/event"
)

// population is what an engine may have in memory of many users.
type population struct {
	name string
	// each is how many of what is counted there are of a user.
	each int
	// fill sends what is counted of one user, the i-th of its kind.
	fill func(s *stream, user string, i int)
}

const (
	populationUsers = 10_000
	anHour          = 3_600_000_000
)

var populations = []population{
	{"user", 1, func(s *stream, user string, _ int) {
		s.send(event.Event{Kind: event.Grant, User: user, Ref: "monthly", Amount: 1 << 40, ExpiresAt: s.now + 720*anHour}, s.now)
	}},
	{"account", 2, func(s *stream, user string, i int) {
		s.send(event.Event{Kind: event.Add, User: user, Asset: fmt.Sprintf("asset-%d", i), Amount: 1 << 40}, s.now)
	}},
	{"event", 20, func(s *stream, user string, _ int) {
		s.send(event.Event{Kind: event.Subtract, User: user, Amount: 5}, s.now)
	}},
	{"spend", 100, func(s *stream, user string, _ int) {
		s.send(event.Event{Kind: event.Spend, User: user, Amount: 5}, s.now)
	}},
	{"revoke", 20, func(s *stream, user string, i int) {
		s.send(event.Event{Kind: event.Revoke, User: user, Ref: fmt.Sprintf("grant-%d", i)}, s.now)
	}},
	{"order", 3, func(s *stream, user string, i int) {
		s.send(event.Event{
			Kind: event.PlaceOrder, User: user, Ref: fmt.Sprintf("order-%d", i),
			Currency: "USD", Quantity: event.Decimal{0, 1}, Price: event.Decimal{0, 2},
		}, s.now)
	}},
}

// heap is what is live on it.
func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// measure is what the heap grows by, and what the engine thinks it does, for
// one of a population. All but the users themselves follow a first grant.
func (p *population) measure(tb testing.TB) (grown, thought float64) {
	tb.Helper()
	s := over(tb, &blank{}, false)
	for i := range populationUsers {
		s.users = append(s.users, fmt.Sprintf("user-%06d", i))
	}
	all := func(p *population) {
		for i := range p.each {
			// The memory of a transaction isn't any user's.
			for users := range slices.Chunk(s.users, 200) {
				s.now += 1_000_000
				s.e.Begin(s.now)
				for _, u := range users {
					p.fill(s, u, i)
				}
				if err := s.e.Commit(); err != nil {
					tb.Fatal(err)
				}
			}
		}
	}
	if p.name != "user" {
		all(&populations[0])
	}
	before, cached := heap(), s.e.Cached()
	all(p)
	grown, thought = float64(heap()-before), float64(s.e.Cached()-cached)
	if s.out.deadLetters > 0 {
		tb.Fatalf("%d dead letters", s.out.deadLetters)
	}
	n := float64(populationUsers * p.each)
	return grown / n, thought / n
}

// Eviction goes by estimates: they must be near what the heap holds.
func TestEstimatesAreNearTheHeap(t *testing.T) {
	for i := range populations {
		p := &populations[i]
		if grown, thought := p.measure(t); thought < 0.8*grown || thought > 1.25*grown {
			t.Errorf("the heap grows by %.0f B for each %s, and the engine thinks by %.0f", grown, p.name, thought)
		}
	}
}

// BenchmarkHeap is what one of each takes in memory.
func BenchmarkHeap(b *testing.B) {
	for i := range populations {
		p := &populations[i]
		b.Run(p.name, func(b *testing.B) {
			for range b.N {
				grown, thought := p.measure(b)
				b.ReportMetric(grown, "B/"+p.name)
				b.ReportMetric(thought, "thoughtB/"+p.name)
			}
		})
	}
}
