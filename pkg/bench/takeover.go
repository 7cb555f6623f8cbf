package bench

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// way is one in which a processor loses its partitions.
type way struct {
	name string
	// end ends the processor; again starts it anew at once.
	end   func(*process) error
	again bool
	// static is whether its place in the group is kept while it is away, warm
	// whether the others follow its partitions.
	static, warm bool
}

var ways = []way{
	{name: "kill", end: (*process).kill, static: true},
	{name: "kill-standby", end: (*process).kill, static: true, warm: true},
	{name: "restart", end: (*process).kill, static: true, again: true},
	// A static member that stops keeps its place: who means to hand over isn't one.
	{name: "handover", end: (*process).stop},
}

// Ways are the names of those in which a processor loses its partitions.
func Ways() []string {
	names := make([]string, len(ways))
	for i := range ways {
		names[i] = ways[i].name
	}
	return names
}

// Takeovers are those of one way.
type Takeovers struct {
	Way string `json:"way"`
	// Standbys is how many partitions of others each processor follows.
	Standbys int         `json:"standbys"`
	Rounds   []*Takeover `json:"rounds"`
}

// Takeover is what happened to the partitions of one processor, the slowest
// one's figures.
type Takeover struct {
	Processor  string  `json:"processor"`
	Partitions []int32 `json:"partitions"`
	// Output is from the signal that ends the processor until output of who comes
	// next can be read, Wait the longest that an event due since then waited.
	Output float64 `json:"output_seconds"`
	Wait   float64 `json:"wait_seconds"`
	// Restored are the events that were read from the changelog for that; nil where
	// standbys always read it.
	Restored *int64 `json:"restored_events,omitempty"`
}

// takeovers takes partitions from processors in each way, while events come.
func (i *installation) takeovers(ctx context.Context) error {
	for _, name := range i.workload.Ways {
		w := ways[slices.IndexFunc(ways, func(w way) bool { return w.name == name })]
		if err := i.stop(); err != nil {
			return err
		}
		i.static, i.standbys = w.static, 0
		if w.warm {
			// All that the others have.
			i.standbys = int(i.Partitions) - int(i.Partitions)/i.workload.Processors
		}
		t := &Takeovers{Way: w.name, Standbys: i.standbys, Rounds: []*Takeover{}}
		i.result.Takeovers = append(i.result.Takeovers, t)
		if err := i.takeOverEach(ctx, &w, t); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}

func (i *installation) takeOverEach(ctx context.Context, w *way, t *Takeovers) error {
	if err := i.start(ctx); err != nil {
		return err
	}
	f, err := i.openFlow(ctx, i.names, byID())
	if err != nil {
		return err
	}
	defer f.close()
	f.begin(ctx, i.workload.Rates[0])
	for n := range i.workload.Rounds {
		i.say("%s: round %d of %d", w.name, n+1, i.workload.Rounds)
		round, err := i.takeOver(ctx, f, w)
		if err != nil {
			return fmt.Errorf("round %d: %w", n+1, err)
		}
		t.Rounds = append(t.Rounds, round)
	}
	if _, err := i.awaitShards(ctx, i.processes, i.isWhole); err != nil {
		return err
	}
	return f.drain(ctx)
}

// isWhole reports whether every processor runs its share of the partitions, and
// follows what it should.
func (i *installation) isWhole(all []shards) bool {
	for _, s := range all {
		if len(s.warm) < min(i.standbys, int(i.Partitions)-len(s.running)) {
			return false
		}
	}
	return i.allRun(all)
}

// takeOver takes its partitions from the processor that was started first, which
// then is started again. So processors take turns.
func (i *installation) takeOver(ctx context.Context, f *flow, w *way) (*Takeover, error) {
	before, err := i.awaitShards(ctx, i.processes, i.isWhole)
	if err != nil {
		return nil, err
	}
	gone, partitions := i.processes[0], before[0].running
	began := time.Now()
	i.processes = i.processes[1:]
	if err := w.end(gone); err != nil {
		return nil, err
	}
	ended := time.Now()
	if w.again {
		if err := i.startProcessor(ctx, gone.name); err != nil {
			return nil, err
		}
	}
	var output, wait time.Duration
	if err := f.await(ctx, func() (ok bool) {
		output, wait, ok = outage(began, ended, partitions, f.passed(began))
		return ok
	}); err != nil {
		return nil, err
	}
	t := &Takeover{Processor: gone.name, Partitions: partitions, Output: output.Seconds(), Wait: wait.Seconds()}
	if !w.warm {
		restored := restoredBy(askShards(ctx, i.processes)) - restoredBy(before[1:])
		t.Restored = &restored
	}
	if !w.again {
		return t, i.startProcessor(ctx, gone.name)
	}
	return t, nil
}

func restoredBy(all []shards) (n int64) {
	for _, s := range all {
		n += s.restored
	}
	return n
}

// outage is how long partitions were without output, whose processor was told to
// end at one time and was gone at another: of the events due since it was told,
// the one that waited longest is the first that it took no more. It is known once
// each partition has the entry of an event that was due when nobody but the next
// processor could take it.
func outage(told, gone time.Time, partitions []int32, passed []passage) (output, wait time.Duration, known bool) {
	for _, partition := range partitions {
		var longest passage
		taken := false
		for _, p := range passed {
			if p.partition != partition || p.due.Before(told) {
				continue
			}
			taken = taken || p.due.After(gone)
			if longest.due.IsZero() || p.wait() > longest.wait() {
				longest = p
			}
		}
		if !taken {
			return 0, 0, false
		}
		output, wait = max(output, longest.read.Sub(told)), max(wait, longest.wait())
	}
	return output, wait, true
}

func (f *figures) takeovers(t *Takeovers) {
	f.rounds("s", t.Way+": until new output", false, valuesOf(t.Rounds, func(r *Takeover) float64 { return r.Output }))
	f.rounds("s", t.Way+": longest wait of an event", false, valuesOf(t.Rounds, func(r *Takeover) float64 { return r.Wait }))
	if len(t.Rounds) > 0 && t.Rounds[0].Restored != nil {
		f.rounds("events", t.Way+": restored", false, valuesOf(t.Rounds, func(r *Takeover) float64 { return float64(*r.Restored) }))
	}
}
