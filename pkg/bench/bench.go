package bench

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/kafka"
)

// Options say what to measure.
type Options struct {
	// Name begins the names of topics, none of which exist: the benchmark makes
	// them and deletes them.
	Name string
	// Client are the options every client has; see [kafka.CommonOptions].
	Client     []kgo.Opt
	Partitions int32
	// Binary is the processors' program, Environ the environment that says how to
	// reach Kafka.
	Binary  string
	Environ []string
	// QueryBinary is the program of the query service, Clients how many connections
	// ask it at a time.
	QueryBinary string
	Clients     int
	// Floor is the command that calls [RunFloor] with the plan in a file, whose
	// name is its last argument; empty measures no floor.
	Floor []string
	// Workload has the numbers that are wanted, not only its defaults.
	Workload Workload
	Seed     uint64
	// Runs is how often all is measured, with the same events each time.
	Runs int
	// Over is for how long latency is measured at each rate.
	Over time.Duration
	// Settled is whether the processors write the settled topic, Compression how
	// they compress what they write; both are told with the figures.
	Settled     bool
	Compression string
	// BrokerPID is a broker's process, to measure too; 0 is none.
	BrokerPID int
	// Verify proves the promise for what was published, and what query services at
	// these addresses hold. It is false where it is broken; said are the lines that
	// tell how. nil leaves it unproved.
	Verify func(ctx context.Context, names kafka.Names, queries []string) (ok bool, said string, err error)
	// VerifyUpTo is how many events are verified at most.
	VerifyUpTo int
	// Profiles is a directory for profiles of the first run's processors, of CPU and
	// memory; "" takes none.
	Profiles string
	// Keep leaves the topics where they are.
	Keep bool
}

// Run measures. What happens meanwhile is told to say.
func Run(ctx context.Context, o Options, say func(format string, args ...any)) (*Result, error) {
	if err := o.Workload.Check(); err != nil {
		return nil, err
	}
	if o.Profiles != "" {
		if err := os.MkdirAll(o.Profiles, 0o750); err != nil {
			return nil, fmt.Errorf("make a directory for profiles: %w", err)
		}
	}
	r := &Result{
		Workload: o.Workload.Name, Seed: o.Seed, Partitions: o.Partitions, Processors: o.Workload.Processors, Settled: o.Settled, Compression: o.Compression,
		Opened: o.Workload.Opened, Machine: thisMachine(), Runs: []*RunResult{},
	}
	for n := range max(1, o.Runs) {
		if n > 0 {
			o.Profiles = ""
		}
		run, err := o.compare(ctx, n+1, say)
		if err != nil {
			return nil, err
		}
		r.Runs = append(r.Runs, run)
	}
	r.Machine.Kafka = r.Runs[0].kafka
	r.Summary = summarize(r.Runs)
	return r, nil
}

// compare makes one run, and before it that which it is compared with.
func (o *Options) compare(ctx context.Context, n int, say func(format string, args ...any)) (*RunResult, error) {
	var against *RunResult
	if w := o.Workload; w.Against.Users > 0 {
		o := *o
		o.Profiles = ""
		w.Users, w.Events = w.Against.Users, w.Against.Events
		var err error
		if against, err = o.measure(ctx, fmt.Sprintf("%s-%d-against", o.Name, n), w, say); err != nil {
			return nil, err
		}
	}
	run, err := o.measure(ctx, fmt.Sprintf("%s-%d", o.Name, n), o.Workload, say)
	if err != nil {
		return nil, err
	}
	if run.Against = against; against != nil {
		run.Share = over(run.EventsPerSecond, against.EventsPerSecond)
	}
	return run, nil
}
