package state

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"highwater/pkg/engine"
	"highwater/pkg/event"
)

// counted is a Sink that counts what must be as expected.
type counted struct{ corrections, deadLetters int }

func (c *counted) Entry(*event.Entry)                           {}
func (c *counted) Settled(*event.Entry)                         {}
func (c *counted) Correction(*event.Correction)                 { c.corrections++ }
func (c *counted) Balance(*event.Balance)                       {}
func (c *counted) OrderState(*event.OrderState)                 {}
func (c *counted) OrderStats(*event.OrderStats)                 {}
func (c *counted) Watermark(*event.Watermark)                   {}
func (c *counted) Alert(*event.Alert)                           {}
func (c *counted) Remittance(*event.Remittance)                 {}
func (c *counted) DeadLetter(*engine.Record, *event.DeadLetter) { c.deadLetters++ }

// The events of a huge account are a millisecond apart.
const (
	hugeEvents = 1_000_000
	hugePause  = 1000
)

// driven is an engine over a store on the disk.
type driven struct {
	store  *Store
	rows   *Rows
	e      *engine.Engine
	out    counted
	now    event.Time
	offset int64
	// bytes is what the batches took in the changelog.
	bytes int
}

func newDriven(b *testing.B, settled bool) *driven {
	b.Helper()
	shared := NewShared(256<<20, 0)
	b.Cleanup(shared.Close)
	s, err := Open(Options{Dir: b.TempDir(), Shared: shared, Sparse: engine.Sparse()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	d := &driven{store: s, rows: s.Rows(), now: 1_700_000_000_000_000}
	cfg := engine.Config{Lateness: 10_000_000, IdleTimeout: 5_000_000, FutureSkew: 300_000_000, Settled: settled, CacheBytes: 256 << 20}
	if d.e, err = engine.New(cfg, d.rows, &d.out); err != nil {
		b.Fatal(err)
	}
	return d
}

func (d *driven) send(ev event.Event, at event.Time) {
	d.offset++
	ev.ID, ev.Asset = strconv.FormatInt(10_000_000_000+d.offset, 10), event.DefaultAsset
	ev.OccurredAt, ev.TimeGiven, ev.EffectiveAt, ev.ExpiresAt = at, true, event.NoTime, event.NoTime
	d.e.Process(&engine.Record{Event: &ev, Input: event.Position{Topic: ev.Kind.Topic(), Offset: d.offset}, ArrivedAt: at})
}

// commit takes what was processed to the applied state.
func (d *driven) commit(b *testing.B) {
	b.Helper()
	if err := d.e.Commit(); err != nil {
		b.Fatal(err)
	}
	batch, err := d.rows.Seal(Progress{})
	if err != nil {
		b.Fatal(err)
	}
	d.bytes += len(batch.Bytes())
	if err := d.rows.Apply(batch, d.store.Meta().Offset+1); err != nil {
		b.Fatal(err)
	}
}

// huge has one user of hugeEvents events, all but the grants that they draw from
// subtracts. All are settled.
type huge struct {
	*driven
	begin event.Time
}

func newHuge(b *testing.B, lasts int) *huge {
	b.Helper()
	h := &huge{driven: newDriven(b, true)}
	h.begin = h.now
	for i := range hugeEvents {
		if i%benchEvents == 0 {
			h.e.Begin(h.now)
		}
		kind, amount := event.Subtract, 5
		if i%lasts == 0 {
			// Twice what is drawn until the next one comes.
			if kind, amount = event.Add, 5*lasts; i == 0 {
				amount *= 3
			}
		}
		h.send(event.Event{User: "huge", Kind: kind, Amount: event.Amount(amount)}, h.now)
		if h.now += hugePause; i%benchEvents == benchEvents-1 {
			h.commit(b)
		}
	}
	// All topics are idle: the watermark follows the clock.
	for range 3 {
		h.now += 20_000_000
		h.e.Begin(h.now)
		h.commit(b)
	}
	return h
}

// BenchmarkLateOnHuge is one event that comes late, by so many events, on an
// account of a million, in a transaction of its own. What is granted lasts for
// so many events, then what differs moves on to the next grant. The first such
// event, which finds the account as it grew, is first-ms.
func BenchmarkLateOnHuge(b *testing.B) {
	for _, lasts := range []int{2 * hugeEvents, 20_000} {
		h := newHuge(b, lasts)
		for _, behind := range []int{500_000, 100_000, 1_000} {
			first := time.Duration(0)
			b.Run(fmt.Sprintf("lasts=%d/behind=%d", lasts, behind), func(b *testing.B) {
				late, bytes, corrections, cpu := 0, h.bytes, h.out.corrections, cpuTime()
				for b.Loop() {
					began := time.Now()
					h.e.Begin(h.now)
					// At places spread over some chapters.
					place := h.begin + event.Time(hugeEvents-behind+late*37%500)*hugePause
					h.send(event.Event{User: "huge", Kind: event.Subtract, Amount: 1}, place+event.Time(1+h.offset%(hugePause-1)))
					h.commit(b)
					if late++; first == 0 {
						first = time.Since(began)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(late)/1000, "ms/event")
				b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(late)/1000, "cpu-ms/event")
				b.ReportMetric(float64(first.Microseconds())/1000, "first-ms")
				b.ReportMetric(float64(h.bytes-bytes)/float64(late), "changelog-bytes/event")
				b.ReportMetric(0, "ns/op")
				if h.out.corrections-corrections != late || h.out.deadLetters > 0 {
					b.Fatalf("%d corrections of %d late events, %d dead letters", h.out.corrections-corrections, late, h.out.deadLetters)
				}
			})
		}
	}
}
