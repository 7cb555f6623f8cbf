package engine_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"syscall"
	"testing"
	"time"

	"highwater/pkg/engine"
	"highwater/pkg/event"
)

// blank is Rows that keep nothing: what the engine costs by itself.
type blank struct{ sets, bytes int }

func (b *blank) Get([]byte) ([]byte, bool) { return nil, false }
func (b *blank) Set(key, value []byte)     { b.sets++; b.bytes += len(key) + len(value) }
func (b *blank) Delete([]byte)             {}
func (b *blank) DeleteRange(_, _ []byte)   {}
func (b *blank) Scan(_, _ []byte) iter.Seq2[[]byte, []byte] {
	return func(func([]byte, []byte) bool) {}
}
func (b *blank) ScanBack(from, to []byte) iter.Seq2[[]byte, []byte] { return b.Scan(from, to) }

// deaf is a Sink that listens to nothing.
type deaf struct{ entries, corrections, deadLetters int }

func (d *deaf) Entry(*event.Entry)                           { d.entries++ }
func (d *deaf) Settled(*event.Entry)                         {}
func (d *deaf) Correction(*event.Correction)                 { d.corrections++ }
func (d *deaf) Balance(*event.Balance)                       {}
func (d *deaf) OrderState(*event.OrderState)                 {}
func (d *deaf) OrderStats(*event.OrderStats)                 {}
func (d *deaf) Watermark(*event.Watermark)                   {}
func (d *deaf) Alert(*event.Alert)                           {}
func (d *deaf) Remittance(*event.Remittance)                 {}
func (d *deaf) DeadLetter(*engine.Record, *event.DeadLetter) { d.deadLetters++ }

const batch = 5000

// cpu is the processor time this process has used. Benchmarks report it an
// event, since the wall clock measures the neighbours, too.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportCPU(b *testing.B, since time.Duration) {
	b.Helper()
	b.ReportMetric(float64(cpu()-since)/float64(b.N), "cpu-ns/op")
}

// stream feeds an engine with events of its own making.
type stream struct {
	e      *engine.Engine
	rows   *blank
	out    *deaf
	ids    string
	users  []string
	offset int64
	now    event.Time
	ev     event.Event
	rec    engine.Record
}

// over is a stream to an engine over rows.
func over(tb testing.TB, rows engine.Rows, settled bool) *stream {
	tb.Helper()
	s := &stream{out: &deaf{}, now: 1_700_000_000_000_000}
	var err error
	s.e, err = engine.New(engine.Config{
		Lateness: 10_000_000, IdleTimeout: 5_000_000, FutureSkew: 300_000_000, Settled: settled, CacheBytes: 8 << 30,
	}, rows, s.out)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func newStream(tb testing.TB, users int, settled bool) *stream {
	tb.Helper()
	rows := &blank{}
	s := over(tb, rows, settled)
	s.rows = rows
	for i := range users {
		s.users = append(s.users, fmt.Sprintf("user-%06d", i))
	}
	s.e.Begin(s.now)
	for _, u := range s.users {
		s.send(event.Event{Kind: event.Grant, User: u, Ref: "monthly", Amount: 1 << 40, ExpiresAt: s.now + 30*86_400_000_000}, s.now)
	}
	if err := s.e.Commit(); err != nil {
		tb.Fatal(err)
	}
	return s
}

func (s *stream) send(ev event.Event, at event.Time) {
	s.offset++
	if s.offset%1000 == 1 {
		var ids []byte
		for i := range int64(1000) {
			ids = strconv.AppendInt(ids, 10_000_000_000+s.offset+i, 10)
		}
		s.ids = string(ids)
	}
	i := (s.offset - 1) % 1000 * 11
	ev.ID, ev.OccurredAt, ev.TimeGiven = s.ids[i:i+11], at, true
	if ev.Asset == "" {
		ev.Asset = event.DefaultAsset
	}
	if ev.EffectiveAt == 0 {
		ev.EffectiveAt = event.NoTime
	}
	if ev.ExpiresAt == 0 {
		ev.ExpiresAt = event.NoTime
	}
	s.ev = ev
	s.rec = engine.Record{Event: &s.ev, Input: event.Position{Topic: ev.Kind.Topic(), Offset: s.offset}, ArrivedAt: at}
	s.e.Process(&s.rec)
}

// BenchmarkOnTime is one on-time subtract of 100,000 users, a transaction of
// 5,000 events at a time, commit included; or of 100 users, whose events leave
// memory all the time.
func BenchmarkOnTime(b *testing.B) {
	for _, settled := range []bool{false, true} {
		b.Run(fmt.Sprintf("settled=%v", settled), func(b *testing.B) { onTime(b, event.Subtract, settled, 100_000) })
	}
	b.Run("trimmed", func(b *testing.B) { onTime(b, event.Subtract, false, 100) })
}

// BenchmarkSpend is the same of spends, which are decided first.
func BenchmarkSpend(b *testing.B) { onTime(b, event.Spend, false, 100_000) }

func onTime(b *testing.B, kind event.Kind, settled bool, users int) {
	b.Helper()
	s := newStream(b, users, settled)
	r := rand.New(rand.NewPCG(1, 2))
	b.ReportAllocs()
	b.ResetTimer()
	start := cpu()
	rows, bytes := s.rows.sets, s.rows.bytes
	for i := range b.N {
		if i%batch == 0 {
			s.now += batch * 100
			s.e.Begin(s.now)
		}
		at := s.now + event.Time(i%batch)*100
		s.send(event.Event{Kind: kind, User: s.users[r.IntN(len(s.users))], Amount: 5}, at)
		if i%batch == batch-1 || i == b.N-1 {
			if err := s.e.Commit(); err != nil {
				b.Fatal(err)
			}
		}
	}
	reportCPU(b, start)
	b.ReportMetric(float64(s.rows.sets-rows)/float64(b.N), "rows/op")
	b.ReportMetric(float64(s.rows.bytes-bytes)/float64(b.N), "rowbytes/op")
	if s.out.deadLetters > 0 {
		b.Fatalf("%d dead letters", s.out.deadLetters)
	}
}

// Deciding about a spend that comes on time allocates nothing: it costs what a
// subtract does.
func TestASpendOnTimeAllocatesNothing(t *testing.T) {
	s := newStream(t, 1, true)
	s.e.Begin(s.now)
	send := func(kind event.Kind) func() {
		return func() {
			s.now += 100
			s.send(event.Event{Kind: kind, User: s.users[0], Amount: 5}, s.now)
		}
	}
	const runs = 2000
	// Both lie in the same growing lists, so that what these take shows in
	// both: a fraction of an allocation, which AllocsPerRun leaves out.
	if subtract, spend := testing.AllocsPerRun(runs, send(event.Subtract)), testing.AllocsPerRun(runs, send(event.Spend)); subtract != 0 || spend != 0 {
		t.Errorf("a subtract on time makes %v allocations, a spend %v", subtract, spend)
	}
	if s.out.entries != 2*(runs+1)+1 || s.out.deadLetters > 0 {
		t.Fatalf("%d entries, %d dead letters", s.out.entries, s.out.deadLetters)
	}
}

// BenchmarkLate is one subtract on time and one that comes 100 events late,
// of one user, in a transaction of their own.
func BenchmarkLate(b *testing.B) {
	s := newStream(b, 1, false)
	for range 200 {
		s.now += 1000
		s.e.Begin(s.now)
		s.send(event.Event{Kind: event.Subtract, User: s.users[0], Amount: 5}, s.now)
		if err := s.e.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	start := cpu()
	for i := range b.N {
		// One on time, one 100 events before the newest: both keep the distance.
		s.now += 1000
		s.e.Begin(s.now)
		s.send(event.Event{Kind: event.Subtract, User: s.users[0], Amount: 5}, s.now)
		s.send(event.Event{Kind: event.Subtract, User: s.users[0], Amount: 5, Sequence: int64(i)}, s.now-50_500)
		if err := s.e.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	reportCPU(b, start)
	if s.out.corrections == 0 || s.out.deadLetters > 0 {
		b.Fatalf("%d corrections, %d dead letters", s.out.corrections, s.out.deadLetters)
	}
}
