package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// Options say what to measure.
type Options struct {
	// Names are those of topics that don't exist: the benchmark makes them and
	// deletes them.
	Names kafka.Names
	// Client are the options every client has; see [kafka.CommonOptions].
	Client     []kgo.Opt
	Partitions int32
	// Processors is how many to start, Binary their program, Environ the
	// environment that says how to reach Kafka.
	Processors int
	Binary     string
	Environ    []string
	// Workload has the numbers that are wanted, not only its defaults.
	Workload Workload
	Seed     uint64
	// Over is for how long latency is measured at each rate.
	Over time.Duration
	// BrokerPID is a broker's process, to measure too; 0 is none.
	BrokerPID int
	// Keep leaves the topics where they are.
	Keep bool
}

// deleteWithin bounds the end.
const deleteWithin = 30 * time.Second

// Run measures. What happens meanwhile is told to say.
func Run(ctx context.Context, o Options, say func(format string, args ...any)) (result *Result, err error) {
	if err := o.Workload.Check(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "highwater-bench-")
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(o.Client, kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(time.Millisecond), kgo.ProducerBatchMaxBytes(4<<20), kgo.MaxBufferedRecords(100_000))...)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	r := &run{Options: o, dir: dir, client: client, load: newLoad(&o.Workload, o.Seed, codec.SingleObject().AppendEvent), say: say, result: &Result{
		Seed: o.Seed, Partitions: o.Partitions, Processors: o.Processors, Users: o.Workload.Users, CPU: []CPU{},
	}}
	defer func() { err = errors.Join(err, r.clean()) }() // I2
	if len(o.Workload.Rates) > 0 {
		// What is measured happens now, right behind history.
		r.load.base = event.TimeOf(time.Now()) - event.Time(o.Workload.Events)*interval
	}
	if _, err := kafka.Apply(ctx, client, kafka.Catalogue(o.Names, o.Partitions, -1)); err != nil {
		return nil, err
	}
	if err := r.fill(ctx); err != nil {
		return nil, err
	}
	if err := r.throughput(ctx); err != nil {
		return nil, err
	}
	for _, rate := range o.Workload.Rates {
		if err := r.latency(ctx, rate); err != nil {
			return nil, err
		}
	}
	return r.result, nil
}

// run is one measurement.
type run struct {
	Options
	dir       string
	client    *kgo.Client
	load      *load
	say       func(format string, args ...any)
	processes []*process
	result    *Result
}

// fill puts all events into Kafka.
func (r *run) fill(ctx context.Context) error {
	w := &r.Workload
	r.say("loading %d events", r.total())
	began := time.Now()
	lost := make(chan error, 1)
	for m := range r.load.history(w) {
		r.produce(ctx, m, lost)
		if ctx.Err() != nil {
			break
		}
	}
	if err := r.flush(ctx, lost); err != nil {
		return err
	}
	r.result.Events, r.result.LoadSeconds = int64(w.Events), time.Since(began).Seconds()
	return nil
}

// total is how many records there are before anything starts.
func (r *run) total() int {
	if r.Workload.Opened {
		return r.Workload.Users + r.Workload.Events
	}
	return r.Workload.Events
}

func (r *run) produce(ctx context.Context, m message, lost chan<- error) {
	record := &kgo.Record{Topic: r.Names.Input(m.topic), Partition: kafka.PartitionOf(m.user, r.Partitions), Key: []byte(m.user), Value: m.value}
	r.client.Produce(ctx, record, func(_ *kgo.Record, err error) {
		if err != nil {
			select {
			case lost <- err:
			default: // the first one is told
			}
		}
	})
}

func (r *run) flush(ctx context.Context, lost <-chan error) error {
	if err := r.client.Flush(ctx); err != nil {
		return fmt.Errorf("wait for Kafka: %w", err)
	}
	select {
	case err := <-lost:
		return fmt.Errorf("load: %w", err)
	default:
		return nil
	}
}

// throughput starts the processors and waits until they have taken all.
func (r *run) throughput(ctx context.Context) error {
	changelog, err := r.followChangelog()
	if err != nil {
		return err
	}
	defer changelog.Close()
	for n := range r.Processors {
		name := fmt.Sprintf("processor-%d", n+1)
		p, err := start(ctx, name, r.Binary, r.dir, append(r.Environ,
			"HIGHWATER_DATA_DIR="+filepath.Join(r.dir, name), "HIGHWATER_LISTEN=127.0.0.1:0", "HIGHWATER_GROUP_INSTANCE_ID=none",
			"HIGHWATER_LOG_LEVEL=warn", "HIGHWATER_IDLE_POLICY="+r.idlePolicy(), "HIGHWATER_APPLICATION_ID="+r.Names.Application, "HIGHWATER_TOPIC_PREFIX="+r.Names.Prefix))
		if err != nil {
			return err
		}
		r.processes = append(r.processes, p)
	}
	r.say("%d processors started", r.Processors)
	m := meter{run: r, client: changelog}
	if err := m.measure(ctx); err != nil {
		return err
	}
	r.result.Seconds, r.result.Transactions = m.last.Sub(m.first).Seconds(), m.transactions
	if counted := m.events - m.early; counted > 0 && r.result.Seconds > 0 {
		r.result.EventsPerSecond = float64(counted) / r.result.Seconds
		for name, used := range m.used() {
			r.result.CPU = append(r.result.CPU, CPU{Process: name, Seconds: used.Seconds(), SecondsPerMillion: used.Seconds() / float64(counted) * 1e6})
		}
	}
	return nil
}

// idlePolicy keeps the clock, which is years ahead of history, out of it. Where
// events happen as they are measured, the clock is theirs.
func (r *run) idlePolicy() string {
	if len(r.Workload.Rates) > 0 {
		return "clock"
	}
	return "hold"
}

// pids are the processes to measure, by name.
func (r *run) pids() map[string]int {
	pids := make(map[string]int)
	for _, p := range r.processes {
		pids[p.name] = p.command.Process.Pid
	}
	if r.BrokerPID != 0 {
		pids["broker"] = r.BrokerPID
	}
	return pids
}

// failed is the first process that ended by itself.
func (r *run) failed() error {
	for _, p := range r.processes {
		if err := p.failed(); err != nil {
			return err
		}
	}
	return nil
}

// clean takes away what was made.
func (r *run) clean() error {
	var errs []error
	for _, p := range r.processes {
		errs = append(errs, p.stop())
	}
	if !r.Keep {
		ctx, cancel := context.WithTimeout(context.Background(), deleteWithin)
		defer cancel()
		var names []string
		for _, t := range kafka.Catalogue(r.Names, r.Partitions, -1) {
			names = append(names, t.Name)
		}
		if _, err := kadm.NewClient(r.client).DeleteTopics(ctx, names...); err != nil {
			errs = append(errs, fmt.Errorf("delete the topics of the benchmark: %w", err))
		}
	}
	r.client.Close()
	return errors.Join(append(errs, os.RemoveAll(r.dir))...)
}
