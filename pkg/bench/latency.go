package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// mark is what an event and the entry of it have in common.
type mark struct {
	// of is an entry's; "" where it is of no event that was sent.
	of func(*kgo.Record) (string, error)
	in func(message) string
}

// latency gives whoever has these names events at a steady rate, and waits for
// what comes of each. What is sent while things warm up doesn't count.
func (i *installation) latency(ctx context.Context, names kafka.Names, rate int, m mark) (*Latency, error) {
	i.say("latency: %d events a second for %s", rate, i.Over)
	entries, err := follow(i.Client, names.Output(kafka.Entries), i.Partitions, kgo.NewOffset().AtEnd())
	if err != nil {
		return nil, err
	}
	defer entries.Close()
	// Offsets of the ends are looked up with the first poll.
	warm, cancel := context.WithTimeout(ctx, time.Second)
	entries.PollFetches(warm)
	cancel()

	produced := make(chan map[string]time.Time, 1)
	lost := make(chan error, 1)
	began := time.Now()
	go func() { produced <- i.pace(ctx, names, rate, m, lost) }()
	var sent map[string]time.Time
	seen, missing := make(map[string]time.Time), make(map[string]struct{})
	err = each(ctx, entries, func(record *kgo.Record) error {
		if record.Attrs.IsControl() {
			return nil
		}
		of, err := m.of(record)
		if _, again := seen[of]; !again && of != "" {
			seen[of] = time.Now()
			delete(missing, of)
		}
		return err
	}, func() bool {
		select {
		case sent = <-produced:
			produced = nil
			for in := range sent {
				if _, ok := seen[in]; !ok {
					missing[in] = struct{}{}
				}
			}
		default:
		}
		return produced == nil && len(missing) == 0
	}, i.failed)
	if err != nil {
		return nil, err
	}
	if err := i.flush(ctx, lost); err != nil {
		return nil, err
	}
	waits := make([]time.Duration, 0, len(sent))
	for in, at := range sent {
		if at.Sub(began) >= warmFor {
			waits = append(waits, seen[in].Sub(at))
		}
	}
	return newLatency(rate, i.Over, waits), nil
}

// latencies measures each rate, from events to their entries.
func (i *installation) latencies(ctx context.Context) error {
	var decoder codec.Decoder
	byID := mark{of: func(record *kgo.Record) (string, error) {
		var e event.Entry
		if err := decoder.DecodeEntry(record.Value, &e); err != nil || e.Kind.IsDue() {
			return "", err
		}
		return e.EventID, nil
	}, in: func(m message) string { return m.id }}
	for _, rate := range i.workload.Rates {
		for _, p := range i.processes {
			i.profiles.take(ctx, i, p, fmt.Sprintf("%s-at-%d", p.name, rate), i.Over+warmFor)
		}
		l, err := i.latency(ctx, i.names, rate, byID)
		if err := errors.Join(err, i.profiles.wait()); err != nil {
			return err
		}
		i.result.Latency = append(i.result.Latency, l)
	}
	return nil
}

// floorLatencies measures each rate, from events to what a floor makes of them.
func (i *installation) floorLatencies(ctx context.Context, names kafka.Names) error {
	byValue := mark{of: func(record *kgo.Record) (string, error) {
		value, err := echoed(record.Value)
		return string(value), err
	}, in: func(m message) string { return string(m.value) }}
	for _, rate := range i.workload.Rates {
		l, err := i.latency(ctx, names, rate, byValue)
		if err != nil {
			return err
		}
		i.result.FloorLatency = append(i.result.FloorLatency, l)
	}
	return nil
}

// pace produces events as they happen, and says when each was due: a producer
// that is behind waits, too. Duplicates are left out, since they have no entry.
func (i *installation) pace(ctx context.Context, names kafka.Names, rate int, mark mark, lost chan<- error) map[string]time.Time {
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
				sent[mark.in(m)] = at
			}
			i.produce(ctx, names, m, lost)
		}
	}
	return sent
}
