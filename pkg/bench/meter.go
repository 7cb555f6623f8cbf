package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// silence is how long nothing may happen before a measurement is given up.
const silence = time.Minute

// follow reads a topic of every partition, committed records only.
func (r *run) follow(topic string, from kgo.Offset) (*kgo.Client, error) {
	partitions := make(map[int32]kgo.Offset, r.Partitions)
	for p := range r.Partitions {
		partitions[p] = from
	}
	client, err := kgo.NewClient(append(kafka.FollowerOptions(r.Client), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: partitions}))...)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return client, nil
}

func (r *run) followChangelog() (*kgo.Client, error) {
	return r.follow(r.Names.Changelog(), kgo.NewOffset().AtStart())
}

// each reads until done says so.
func (r *run) each(ctx context.Context, client *kgo.Client, take func(*kgo.Record) error, done func() bool) error {
	for !done() {
		within, cancel := context.WithTimeout(ctx, silence)
		fetches := client.PollFetches(within)
		cancel()
		if err := errors.Join(ctx.Err(), r.failed()); err != nil {
			return err
		}
		for _, e := range fetches.Errors() {
			if errors.Is(e.Err, context.DeadlineExceeded) {
				return fmt.Errorf("nothing was committed for %s", silence)
			}
			return fmt.Errorf("read %s/%d: %w", e.Topic, e.Partition, e.Err)
		}
		for records := fetches.RecordIter(); !records.Done(); {
			record := records.Next()
			if record.Attrs.IsControl() {
				continue
			}
			if err := take(record); err != nil {
				return fmt.Errorf("read %s/%d/%d: %w", record.Topic, record.Partition, record.Offset, err)
			}
		}
	}
	return nil
}

// meter counts what the changelog says was processed.
type meter struct {
	run    *run
	client *kgo.Client

	events, transactions int64
	// early are the events of the transactions that were there at first.
	early       int64
	first, last time.Time
	// before and after are the processes' CPU times at first and at last.
	before, after map[string]time.Duration
}

func (m *meter) measure(ctx context.Context) error {
	told := time.Now()
	return m.run.each(ctx, m.client, func(record *kgo.Record) error {
		r, err := kafka.DecodeChangelogRecord(record.Value)
		if err != nil {
			return err
		}
		if r.Chunk > 0 {
			return nil
		}
		m.transactions++
		m.events += int64(r.Events)
		now := time.Now()
		if opening := int64(m.run.total() - m.run.Workload.Events); m.first.IsZero() && m.events >= opening {
			m.first, m.before, m.early = now, m.cpu(), m.events
		}
		m.last = now
		if now.Sub(told) > time.Second {
			told = now
			m.run.say("%d of %d events processed", m.events, m.run.total())
		}
		return nil
	}, func() bool {
		if m.events < int64(m.run.total()) {
			return false
		}
		m.after = m.cpu()
		return true
	})
}

func (m *meter) cpu() map[string]time.Duration {
	used := make(map[string]time.Duration)
	for name, pid := range m.run.pids() {
		if t, ok := cpuOf(pid); ok {
			used[name] = t
		}
	}
	return used
}

// used is what each process used between first and last.
func (m *meter) used() map[string]time.Duration {
	used := maps.Clone(m.after)
	for name := range used {
		used[name] -= m.before[name]
	}
	return used
}

// latency gives the processors events at a steady rate, and waits for each
// one's entry.
func (r *run) latency(ctx context.Context, rate int) error {
	r.say("latency: %d events a second for %s", rate, r.Over)
	entries, err := r.follow(r.Names.Output(kafka.Entries), kgo.NewOffset().AtEnd())
	if err != nil {
		return err
	}
	defer entries.Close()
	// Offsets of the ends are looked up with the first poll.
	warm, cancel := context.WithTimeout(ctx, time.Second)
	entries.PollFetches(warm)
	cancel()

	total := int(r.Over.Seconds() * float64(rate))
	sent, waits := make(map[string]time.Time, total), make([]time.Duration, 0, total)
	produced := make(chan map[string]time.Time, 1)
	lost := make(chan error, 1)
	go func() { produced <- r.pace(ctx, rate, total, lost) }()
	seen := make(map[string]time.Time, total)
	var decoder codec.Decoder
	err = r.each(ctx, entries, func(record *kgo.Record) error {
		var e event.Entry
		if err := decoder.DecodeEntry(record.Value, &e); err != nil {
			return err
		}
		if !e.Kind.IsDue() {
			seen[e.EventID] = time.Now()
		}
		return nil
	}, func() bool {
		select {
		case sent = <-produced:
			produced = nil
		default:
		}
		return produced == nil && len(seen) >= len(sent)
	})
	if err != nil {
		return err
	}
	if err := r.flush(ctx, lost); err != nil {
		return err
	}
	for id, at := range sent {
		if arrived, ok := seen[id]; ok {
			waits = append(waits, arrived.Sub(at))
		}
	}
	r.result.Latency = append(r.result.Latency, newLatency(rate, r.Over, waits))
	return nil
}

// pace produces events as they happen, and says when each was handed over;
// duplicates are left out, since they have no entry.
func (r *run) pace(ctx context.Context, rate, total int, lost chan<- error) map[string]time.Time {
	sent := make(map[string]time.Time, total)
	began := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := 0; n < total; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return sent
		}
		for due := min(total, int(time.Since(began).Seconds()*float64(rate))); n < due; n++ {
			now := time.Now()
			m := r.load.next(event.TimeOf(now))
			if !m.copied {
				sent[m.id] = now
			}
			r.produce(ctx, m, lost)
		}
	}
	return sent
}
