package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// endless is longer than anything is measured.
const endless = time.Duration(math.MaxInt64)

// mark is what an event and the entry of it have in common.
type mark struct {
	// of is an entry's; "" where it is of no event that was sent.
	of func(*kgo.Record) (string, error)
	in func(message) string
}

// byID marks events and entries by the event's id.
func byID() mark {
	var decoder codec.Decoder
	return mark{of: func(record *kgo.Record) (string, error) {
		var e event.Entry
		if err := decoder.DecodeEntry(record.Value, &e); err != nil || e.Kind.IsDue() {
			return "", err
		}
		return e.EventID, nil
	}, in: func(m message) string { return m.id }}
}

// flow are events on their way: they are sent as they fall due, and a reader of
// committed records tells when the entry of each is there.
type flow struct {
	*installation
	to   kafka.Names
	mark mark
	lost chan error
	// acked is told of each event that Kafka has.
	acked func(message, *kgo.Record, passage)

	entries *kgo.Client
	end     context.CancelFunc
	reading sync.WaitGroup
	halted  chan struct{}
	pacing  sync.WaitGroup

	mu sync.Mutex
	// open, guarded by mu, are those without an entry, by their marks; told, guarded
	// by mu, are the others, in the order of reading.
	open map[string]passage
	told []passage
	// failure, guarded by mu, is why the reading ended.
	failure error
}

// passage is an event's way through.
type passage struct {
	mark      string
	partition int32
	// due is when it was to be sent, read when its entry was read.
	due, read time.Time
}

func (p *passage) wait() time.Duration { return p.read.Sub(p.due) }

// openFlow reads what comes of events from now on.
func (i *installation) openFlow(ctx context.Context, to kafka.Names, m mark) (*flow, error) {
	entries, err := follow(i.Client, to.Output(kafka.Entries), i.Partitions, kgo.NewOffset().AtEnd())
	if err != nil {
		return nil, err
	}
	// Offsets of the ends are looked up with the first poll.
	warm, cancel := context.WithTimeout(ctx, time.Second)
	entries.PollFetches(warm)
	cancel()
	f := &flow{
		installation: i, to: to, mark: m, lost: make(chan error, 1), entries: entries, halted: make(chan struct{}), open: make(map[string]passage),
	}
	ctx, f.end = context.WithCancel(ctx)
	f.reading.Go(func() {
		err := each(ctx, entries, endless, f.take, func() bool { return false })
		f.mu.Lock()
		f.failure = err
		f.mu.Unlock()
	})
	return f, nil
}

// take notes the first entry of an event.
func (f *flow) take(record *kgo.Record) error {
	if record.Attrs.IsControl() {
		return nil
	}
	of, err := f.mark.of(record)
	f.mu.Lock()
	defer f.mu.Unlock()
	if p, ok := f.open[of]; ok {
		p.read = time.Now()
		f.told = append(f.told, p)
		delete(f.open, of)
	}
	return err
}

// send sends one. A duplicate has no entry, and nobody waits for it.
func (f *flow) send(ctx context.Context, m message, due time.Time) {
	p := passage{mark: f.mark.in(m), partition: kafka.PartitionOf(m.user, f.Partitions), due: due}
	f.mu.Lock()
	if f.to == f.names {
		f.sent++
	}
	if !m.copied {
		f.open[p.mark] = p
	}
	f.mu.Unlock()
	f.produce(ctx, f.to, m, func(r *kgo.Record, err error) {
		keepFirst(f.lost, err)
		if err == nil && f.acked != nil {
			f.acked(m, r, p)
		}
	})
}

// pace sends events as they happen, so many a second, until halt is called at
// the latest. Each is due at its time: a producer that is behind waits, too.
func (f *flow) pace(ctx context.Context, rate int, over time.Duration) {
	began := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	total := int(over.Seconds() * float64(rate))
	for n := 0; n < total; {
		select {
		case <-tick.C:
		case <-f.halted:
			return
		case <-ctx.Done():
			return
		}
		for due := min(total, int(time.Since(began).Seconds()*float64(rate))); n < due; n++ {
			at := began.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
			f.send(ctx, f.load.next(event.TimeOf(at)), at)
		}
	}
}

// begin paces in the background.
func (f *flow) begin(ctx context.Context, rate int) {
	f.pacing.Go(func() { f.pace(ctx, rate, endless) })
}

// drain sends nothing more, and waits for what is on its way.
func (f *flow) drain(ctx context.Context) error {
	f.halt()
	if err := f.await(ctx, func() bool { return f.settled(time.Now()) }); err != nil {
		return err
	}
	return f.flush(ctx, f.lost)
}

// settled reports whether all events due before some time have their entry.
func (f *flow) settled(before time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.open {
		if p.due.Before(before) {
			return false
		}
	}
	return true
}

func (f *flow) halt() {
	select {
	case <-f.halted:
	default:
		close(f.halted)
	}
	f.pacing.Wait()
}

// await waits until something holds that entries make true.
func (f *flow) await(ctx context.Context, holds func() bool) error {
	look := time.NewTicker(sampleEvery)
	defer look.Stop()
	told, grew := 0, time.Now()
	for !holds() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
		f.mu.Lock()
		n, err := len(f.told), f.failure
		f.mu.Unlock()
		if err := errors.Join(err, f.failed()); err != nil {
			return err
		}
		if n != told {
			told, grew = n, time.Now()
		}
		if time.Since(grew) > silence {
			return fmt.Errorf("nothing was committed for %s", silence)
		}
	}
	return nil
}

// passed are the events that were due from some time on and have their entry,
// in the order of reading; those before are forgotten.
func (f *flow) passed(from time.Time) []passage {
	f.mu.Lock()
	defer f.mu.Unlock()
	var kept []passage
	for _, p := range f.told {
		if !p.due.Before(from) {
			kept = append(kept, p)
		}
	}
	f.told = kept
	return kept
}

// close ends the reading.
func (f *flow) close() {
	f.halt()
	f.end()
	f.reading.Wait()
	f.entries.Close()
}
