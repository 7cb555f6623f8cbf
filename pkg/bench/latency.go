package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// latency gives the processors events at a steady rate, and waits for each
// one's entry. What is sent while things warm up doesn't count.
func (i *installation) latency(ctx context.Context, rate int) error {
	i.say("latency: %d events a second for %s", rate, i.Over)
	entries, err := follow(i.Client, i.names.Output(kafka.Entries), i.Partitions, kgo.NewOffset().AtEnd())
	if err != nil {
		return err
	}
	defer entries.Close()
	// Offsets of the ends are looked up with the first poll.
	warm, cancel := context.WithTimeout(ctx, time.Second)
	entries.PollFetches(warm)
	cancel()

	for _, p := range i.processes {
		i.profiles.take(ctx, i, p, fmt.Sprintf("%s-at-%d", p.name, rate), i.Over+warmFor)
	}
	produced := make(chan map[string]time.Time, 1)
	lost := make(chan error, 1)
	began := time.Now()
	go func() { produced <- i.pace(ctx, rate, lost) }()
	var sent map[string]time.Time
	seen := make(map[string]time.Time)
	var decoder codec.Decoder
	err = each(ctx, entries, func(record *kgo.Record) error {
		if record.Attrs.IsControl() {
			return nil
		}
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
	}, i.failed)
	if err != nil {
		return err
	}
	if err := i.flush(ctx, lost); err != nil {
		return err
	}
	waits := make([]time.Duration, 0, len(sent))
	for id, at := range sent {
		if arrived, ok := seen[id]; ok && at.Sub(began) >= warmFor {
			waits = append(waits, arrived.Sub(at))
		}
	}
	i.result.Latency = append(i.result.Latency, newLatency(rate, i.Over, waits))
	return i.profiles.wait()
}

// pace produces events as they happen, and says when each was due: a producer
// that is behind waits, too. Duplicates are left out, since they have no entry.
func (i *installation) pace(ctx context.Context, rate int, lost chan<- error) map[string]time.Time {
	total := int((warmFor + i.Over).Seconds() * float64(rate))
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
			at := began.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
			m := i.load.next(event.TimeOf(at))
			if !m.copied {
				sent[m.id] = at
			}
			i.produce(ctx, m, lost)
		}
	}
	return sent
}
