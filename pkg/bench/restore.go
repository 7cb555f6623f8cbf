package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// Restore are starts of processors that had taken everything and stopped in
// order: Restarts with their directories as they left them, Rebuilds without.
type Restore struct {
	Restarts []*Restart `json:"restarts"`
	Rebuilds []*Restart `json:"rebuilds"`
}

// Restart is one start of all processors. Seconds count from there.
type Restart struct {
	// Running is until every partition runs, Output until each has published
	// something new that a reader of committed records can see.
	Running float64 `json:"running_seconds"`
	Output  float64 `json:"output_seconds"`
	// CPU is what the processors used until every partition ran.
	CPU float64 `json:"cpu_seconds"`
	// Events are those whose effects came from the changelog.
	Events             int64   `json:"restored_events"`
	EventsPerSecond    float64 `json:"events_per_second"`
	EventsPerCPUSecond float64 `json:"events_per_cpu_second"`
}

func newRestart(running, output, cpu time.Duration, events int64) *Restart {
	return &Restart{
		Running: running.Seconds(), Output: output.Seconds(), CPU: cpu.Seconds(), Events: events,
		EventsPerSecond: over(float64(events), running.Seconds()), EventsPerCPUSecond: over(float64(events), cpu.Seconds()),
	}
}

// restore stops the processors and starts them again, with and without what
// they have on disk.
func (i *installation) restore(ctx context.Context) error {
	r := &Restore{Restarts: []*Restart{}, Rebuilds: []*Restart{}}
	i.result.Restore = r
	for n := range i.workload.Rounds {
		i.say("round %d of %d", n+1, i.workload.Rounds)
		restart, err := i.restart(ctx, false)
		if err != nil {
			return fmt.Errorf("restart: %w", err)
		}
		r.Restarts = append(r.Restarts, restart)
		rebuild, err := i.restart(ctx, true)
		if err != nil {
			return fmt.Errorf("restart without data: %w", err)
		}
		r.Rebuilds = append(r.Rebuilds, rebuild)
	}
	for _, p := range i.processes {
		i.result.Memory = append(i.result.Memory, memoryOf(p.name, p.pid()))
	}
	return nil
}

// restart starts processors over what the last ones left behind, or nothing.
func (i *installation) restart(ctx context.Context, emptied bool) (_ *Restart, err error) {
	dirs := make([]string, len(i.processes))
	for n, p := range i.processes {
		dirs[n] = i.dataDir(p.name)
	}
	if err := i.stop(); err != nil {
		return nil, err
	}
	taken := int64(i.total() + i.sent)
	if emptied {
		for _, dir := range dirs {
			if err := os.RemoveAll(dir); err != nil {
				return nil, err
			}
		}
	}
	f, err := i.openFlow(ctx, i.names, byID())
	if err != nil {
		return nil, err
	}
	defer f.close()
	if err := f.sendEach(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := i.start(ctx); err != nil {
		return nil, err
	}
	all, err := i.awaitShards(ctx, i.processes, i.allRun)
	if err != nil {
		return nil, err
	}
	running := time.Since(began)
	events, used := int64(0), time.Duration(0)
	for n, p := range i.processes {
		cpu, _ := cpuOf(p.pid()) // 0 where the system doesn't tell
		events, used = events+all[n].restored, used+cpu
	}
	if emptied {
		if events < taken {
			return nil, fmt.Errorf("the processors ran after they had restored %d of %d events", events, taken)
		}
		// A shard that moves while the group forms is restored twice, to one effect.
		events = taken
	}
	if err := f.drain(ctx); err != nil {
		return nil, err
	}
	var last time.Time
	for _, p := range f.passed(time.Time{}) {
		last = p.read // they are in the order of reading
	}
	return newRestart(running, last.Sub(began), used, events), nil
}

// sendEach sends one event to each partition, right behind history, and returns
// once Kafka has them.
func (f *flow) sendEach(ctx context.Context) error {
	missing := make(map[int32]struct{})
	for p := range f.Partitions {
		missing[p] = struct{}{}
	}
	for n := 0; len(missing) > 0; n++ {
		if n > maxDraws {
			return errors.New("some partitions have no users: take more users, or fewer partitions")
		}
		m := f.load.next(f.load.base + event.Time(f.workload.Events)*interval)
		p := kafka.PartitionOf(m.user, f.Partitions)
		if _, ok := missing[p]; ok && !m.copied {
			delete(missing, p)
			f.send(ctx, m, time.Now())
		}
	}
	return f.flush(ctx, f.lost)
}

// maxDraws is how many events are drawn to find one for each partition.
const maxDraws = 1_000_000

func (f *figures) restarts(name string, all []*Restart) {
	f.rounds("s", name+": until every partition runs", false, valuesOf(all, func(r *Restart) float64 { return r.Running }))
	f.rounds("s", name+": until new output", false, valuesOf(all, func(r *Restart) float64 { return r.Output }))
	f.rounds("CPU-s", name+": cpu", false, valuesOf(all, func(r *Restart) float64 { return r.CPU }))
	if len(all) > 0 && all[0].Events > 0 {
		f.rounds("events/s", name+": restored", true, valuesOf(all, func(r *Restart) float64 { return r.EventsPerSecond }))
		f.rounds("events/CPU-s", name+": restored by a core", true, valuesOf(all, func(r *Restart) float64 { return r.EventsPerCPUSecond }))
	}
}
