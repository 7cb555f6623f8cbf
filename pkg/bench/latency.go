package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/kafka"
)

// latency gives whoever has these names events at a steady rate, and waits for
// what comes of each. What is sent while things warm up doesn't count.
func (i *installation) latency(ctx context.Context, names kafka.Names, rate int, m mark) (*Latency, error) {
	i.say("latency: %d events a second for %s", rate, i.Over)
	f, err := i.openFlow(ctx, names, m)
	if err != nil {
		return nil, err
	}
	defer f.close()
	began := time.Now()
	f.pace(ctx, rate, warmFor+i.Over)
	if err := f.drain(ctx); err != nil {
		return nil, err
	}
	return newLatency(rate, i.Over, waits(f.passed(began.Add(warmFor)), time.Now())), nil
}

// waits are those of events that were due before some time.
func waits(of []passage, before time.Time) []time.Duration {
	all := make([]time.Duration, 0, len(of))
	for i := range of {
		if of[i].due.Before(before) {
			all = append(all, of[i].wait())
		}
	}
	return all
}

// latencies measures each rate, from events to their entries.
func (i *installation) latencies(ctx context.Context) error {
	for _, rate := range i.workload.Rates {
		for _, p := range i.processes {
			i.profiles.take(ctx, i, p, fmt.Sprintf("%s-at-%d", p.name, rate), i.Over+warmFor)
		}
		l, err := i.latency(ctx, i.names, rate, byID())
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
