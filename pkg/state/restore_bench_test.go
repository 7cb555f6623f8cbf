package state

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"highwater/pkg/engine"
	"highwater/pkg/event"
)

// restoredEvents is what one partition of four has in its changelog after two
// million events.
const restoredEvents = 500_000

// BenchmarkRestore applies the changelog of a partition to an empty state, as a
// replica does, an op all of it. cpu-ns/event is until it has applied everything,
// all-ns/event until the state is flushed and compacted, too.
func BenchmarkRestore(b *testing.B) {
	log := madeChangelog()
	var applied, all time.Duration
	var written, stalls int64
	for b.Loop() {
		b.StopTimer()
		shared := NewShared(192<<20, 0)
		s, err := Open(Options{Dir: b.TempDir(), Shared: shared, Sparse: engine.Sparse()})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		cpu := cpuTime()
		restore(b, s, log)
		applied += cpuTime() - cpu
		b.StopTimer()
		if err := s.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		for range time.Tick(time.Millisecond) {
			if s.db.Metrics().Compact.NumInProgress == 0 {
				break
			}
		}
		all += cpuTime() - cpu
		m := s.db.Metrics().Total()
		written += int64(m.TableBytesFlushed + m.TableBytesCompacted)
		stalls += int64(s.stalls.Load())
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		shared.Close()
		b.StartTimer()
	}
	events := float64(b.N * restoredEvents)
	b.ReportMetric(float64(applied.Nanoseconds())/events, "cpu-ns/event")
	b.ReportMetric(float64(all.Nanoseconds())/events, "all-ns/event")
	b.ReportMetric(float64(written)/events, "written-B/event")
	b.ReportMetric(float64(stalls)/float64(b.N), "stalls/op")
}

func restore(b *testing.B, s *Store, log []Record) {
	b.Helper()
	for len(log) > 0 {
		n, size := 0, 0
		for ; n < len(log) && size < GroupBytes; n++ {
			HashBatch(log[n].Batch) // as who reads it does
			size += len(log[n].Batch)
		}
		if _, err := s.ApplyRecords(log[:n]); err != nil {
			b.Fatal(err)
		}
		log = log[n:]
	}
}

// madeChangelog is what an engine writes of events like those of highwater
// bench's catch-up: a quarter of its users, by Zipf's law, in the same mix.
var madeChangelog = sync.OnceValue(func() []Record {
	s, err := Open(Options{Dir: "a", FS: vfs.NewMem(), Sparse: engine.Sparse()})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	var out counted
	cfg := engine.Config{Lateness: 10_000_000, IdleTimeout: 5_000_000, FutureSkew: 300_000_000, CacheBytes: 512 << 20}
	e, err := engine.New(cfg, s.Rows(), &out)
	if err != nil {
		panic(err)
	}
	var log []Record
	m := newHistory()
	for n := range restoredEvents {
		if n%benchEvents == 0 {
			e.Begin(m.now + 1000*86_400e6) // what is read is history
		}
		ev := m.next(n)
		e.Process(&engine.Record{Event: &ev, Input: event.Position{Topic: ev.Kind.Topic(), Offset: int64(n)}, ArrivedAt: m.now})
		if n%benchEvents < benchEvents-1 {
			continue
		}
		if err := e.Commit(); err != nil {
			panic(err)
		}
		batch, err := s.Rows().Seal(Progress{})
		if err != nil {
			panic(err)
		}
		log = append(log, Record{slices.Clone(batch.Bytes()), batch.Hash(), batch.Seq()})
		if err := s.Rows().Apply(batch, batch.Seq()); err != nil {
			panic(err)
		}
	}
	if out.deadLetters > restoredEvents/50 {
		panic(fmt.Sprintf("%d dead letters", out.deadLetters))
	}
	return log
})

// history makes the events of madeChangelog.
type history struct {
	rng    *rand.Rand
	now    event.Time
	upTo   []float64 // sums of the users' weights
	orders []string  // the one that each user has, if any
}

const restoredUsers = 25_000

func newHistory() *history {
	m := &history{rng: rand.New(rand.NewPCG(1, 2)), now: 1_577_836_800_000_000, orders: make([]string, restoredUsers)}
	sum := 0.0
	for k := range restoredUsers {
		sum += 1 / float64(k+1)
		m.upTo = append(m.upTo, sum)
	}
	return m
}

// next is the nth event. The first ones open the accounts.
func (m *history) next(n int) event.Event {
	m.now += 4_000_000
	var ev event.Event
	ev.Clear()
	ev.Kind, ev.ID, ev.Asset, ev.OccurredAt, ev.TimeGiven = event.Subtract, "e-"+strconv.Itoa(n), event.DefaultAsset, m.now, true
	rank := n
	if n >= restoredUsers {
		at := m.rng.Float64() * m.upTo[restoredUsers-1]
		rank = sort.Search(restoredUsers-1, func(k int) bool { return m.upTo[k] > at })
		ev.OccurredAt -= m.lateness()
	}
	ev.User = "u-" + strconv.Itoa(rank*7919%restoredUsers)
	switch u := m.rng.Float64(); {
	case n < restoredUsers:
		ev.Kind, ev.Amount = event.Add, 1000
	case u < 0.10:
		ev.Kind, ev.Ref, ev.Amount = event.Grant, "g-"+strconv.Itoa(n), event.Amount(100+m.rng.IntN(401))
		ev.ExpiresAt = m.now + event.Time(3600+m.rng.IntN(30*24*3600))*1_000_000
	case u < 0.15:
		ev.Kind, ev.Amount = event.Add, event.Amount(1+m.rng.IntN(200))
	case u < 0.30:
		m.order(&ev, &m.orders[rank])
	default:
		ev.Amount = event.Amount(1 + m.rng.IntN(100))
	}
	return ev
}

func (m *history) order(ev *event.Event, live *string) {
	switch {
	case *live == "":
		*live = "o-" + ev.ID
		ev.Kind, ev.Ref, ev.Currency = event.PlaceOrder, *live, "EUR"
		ev.Quantity, _ = event.ParseDecimal("1.25")
		ev.Price, _ = event.ParseDecimal("99.95")
	case m.rng.IntN(2) == 0:
		ev.Kind, ev.Ref = event.Cancel, *live
		*live = ""
	default:
		ev.Kind, ev.Ref = event.Pause, *live
	}
}

func (m *history) lateness() event.Time {
	switch u := m.rng.Float64(); {
	case u < 0.01:
		return event.Time(m.rng.Float64() * 86_400e6)
	case u < 0.11:
		return event.Time(-math.Log(1-m.rng.Float64()) * 30e6)
	}
	return 0
}
