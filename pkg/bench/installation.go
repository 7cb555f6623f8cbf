package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

const (
	// deleteWithin bounds the end.
	deleteWithin = 30 * time.Second
	// lookEvery is how often processors are asked how far they are.
	lookEvery = 200 * time.Millisecond
	tellEvery = 2 * time.Second
	// floorWithin bounds a floor, which is faster than what it is compared with.
	floorWithin = 30 * time.Minute
)

// installation is what one run makes, measures and takes away.
type installation struct {
	*Options
	// workload is the one that is measured: the options', or what it is
	// compared with.
	workload Workload
	names    kafka.Names
	floor    kafka.Names
	dir      string
	client   *kgo.Client
	load     *load
	// openedBy is how many events open accounts in each partition.
	openedBy map[int32]int64
	// sent is how many events came while something was measured.
	sent      int
	say       func(format string, args ...any)
	processes []*process
	// query is the query service, where there is one.
	query *process
	// static is whether processors keep their places in the group while they
	// restart, standbys how many partitions of others each keeps warm.
	static   bool
	standbys int
	watch    *watch
	profiles profiles
	result   *RunResult
}

// measure makes an installation, measures it, and takes it away.
func (o *Options) measure(ctx context.Context, name string, w Workload, say func(format string, args ...any)) (result *RunResult, err error) {
	dir, err := os.MkdirTemp("", "highwater-bench-")
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(o.Client, kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(time.Millisecond), kgo.ProducerBatchMaxBytes(4<<20), kgo.MaxBufferedRecords(100_000))...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a client: %w", err), os.RemoveAll(dir))
	}
	i := &installation{
		Options: o, workload: w, dir: dir, client: client, load: newLoad(&w, o.Seed, codec.SingleObject().AppendEvent), say: say,
		names: kafka.Names{Application: name, Prefix: name + "."}, floor: kafka.Names{Application: name + "-floor", Prefix: name + "-floor."},
		openedBy: make(map[int32]int64), result: &RunResult{Events: w.Events, Users: w.Users},
	}
	defer func() { err = errors.Join(err, i.clean()) }() // I2
	i.result.kafka = kafkaVersion(ctx, client)
	return i.result, i.run(ctx)
}

func (i *installation) run(ctx context.Context) error {
	if i.isLive() {
		// What is measured happens now, right behind history.
		i.load.base = event.TimeOf(time.Now()) - event.Time(i.workload.Events)*interval
	}
	if _, err := kafka.Apply(ctx, i.client, kafka.Catalogue(i.names, i.Partitions, -1)); err != nil {
		return err
	}
	if err := i.fill(ctx); err != nil {
		return err
	}
	if err := i.catchUp(ctx); err != nil {
		return err
	}
	if err := i.workload.measure(i, ctx); err != nil {
		return err
	}
	return i.verify(ctx)
}

// throughput is of the catch-up, and of rates behind it.
func (i *installation) throughput(ctx context.Context) error {
	if err := i.latencies(ctx); err != nil {
		return err
	}
	if err := i.look(); err != nil {
		return err
	}
	if err := i.stop(); err != nil {
		return err
	}
	return i.account(ctx)
}

// isLive reports whether events happen as they are measured.
func (i *installation) isLive() bool { return len(i.workload.Rates) > 0 }

// opened is how many events open accounts.
func (i *installation) opened() int {
	if i.workload.Opened {
		return i.workload.Users
	}
	return 0
}

// total is how many records there are before anything starts.
func (i *installation) total() int { return i.opened() + i.workload.Events }

// fill puts all events into Kafka.
func (i *installation) fill(ctx context.Context) error {
	began, told := time.Now(), time.Now()
	lost := make(chan error, 1)
	acked := func(_ *kgo.Record, err error) { keepFirst(lost, err) }
	n := 0
	for m := range i.load.history(&i.workload) {
		i.produce(ctx, i.names, m, acked)
		if ctx.Err() != nil {
			break
		}
		if n < i.opened() {
			i.openedBy[kafka.PartitionOf(m.user, i.Partitions)]++
		}
		if n++; time.Since(told) > tellEvery {
			told = time.Now()
			i.say("loading: %d of %d events", n, i.total())
		}
	}
	if err := i.flush(ctx, lost); err != nil {
		return err
	}
	i.result.LoadSeconds = time.Since(began).Seconds()
	return nil
}

func (i *installation) produce(ctx context.Context, names kafka.Names, m message, acked func(*kgo.Record, error)) {
	record := &kgo.Record{Topic: names.Input(m.topic), Partition: kafka.PartitionOf(m.user, i.Partitions), Key: []byte(m.user), Value: m.value}
	i.client.Produce(ctx, record, acked)
}

// keepFirst keeps an error, unless there is one.
func keepFirst(lost chan<- error, err error) {
	if err == nil {
		return
	}
	select {
	case lost <- err:
	default:
	}
}

func (i *installation) flush(ctx context.Context, lost <-chan error) error {
	if err := i.client.Flush(ctx); err != nil {
		return fmt.Errorf("wait for Kafka: %w", err)
	}
	select {
	case err := <-lost:
		return fmt.Errorf("load: %w", err)
	default:
		return nil
	}
}

// start starts the processors.
func (i *installation) start(ctx context.Context) error {
	for n := range i.workload.Processors {
		if err := i.startProcessor(ctx, fmt.Sprintf("processor-%d", n+1)); err != nil {
			return err
		}
	}
	return nil
}

// startProcessor starts one, over the directory that has its name.
func (i *installation) startProcessor(ctx context.Context, name string) error {
	// A clock that is years ahead of history is kept out of it.
	idlePolicy, instance := "hold", "none"
	if i.isLive() {
		idlePolicy = "clock"
	}
	if i.static {
		instance = name
	}
	settings := []string{"HIGHWATER_GROUP_INSTANCE_ID=" + instance, "HIGHWATER_IDLE_POLICY=" + idlePolicy, fmt.Sprintf("HIGHWATER_STANDBYS=%d", i.standbys)}
	if i.Profiles != "" {
		settings = append(settings, "HIGHWATER_DEBUG_PPROF=true")
	}
	p, err := i.startService(ctx, name, i.Binary, settings...)
	if err == nil {
		i.processes = append(i.processes, p)
	}
	return err
}

// startService starts a program that takes the settings of a service, on an
// address of its own.
func (i *installation) startService(ctx context.Context, name, binary string, settings ...string) (*process, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	environ := append(slices.Clip(i.Environ),
		"HIGHWATER_DATA_DIR="+i.dataDir(name), "HIGHWATER_LISTEN="+address, "HIGHWATER_LOG_LEVEL=warn",
		"HIGHWATER_APPLICATION_ID="+i.names.Application, "HIGHWATER_TOPIC_PREFIX="+i.names.Prefix)
	p, err := start(ctx, name, i.dir, append(environ, settings...), binary)
	if err != nil {
		return nil, err
	}
	p.address = address
	return p, nil
}

func (i *installation) dataDir(process string) string { return filepath.Join(i.dir, process) }

// freeAddress is one that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// catchUp starts the processors, and waits until they have taken all there is.
func (i *installation) catchUp(ctx context.Context) error {
	if err := i.start(ctx); err != nil {
		return err
	}
	i.watch = watchProcesses(i.pids())
	defer i.watch.stop()
	if err := i.awaitAll(ctx); err != nil {
		return err
	}
	return i.awaitProfiles()
}

// look sees what the processors take of the machine, before they are stopped.
func (i *installation) look() error {
	d := &Disk{}
	i.result.Disk = d
	for _, p := range i.processes {
		i.result.Memory = append(i.result.Memory, memoryOf(p.name, p.pid()))
		size, err := sizeOf(i.dataDir(p.name))
		if err != nil {
			return fmt.Errorf("look at the data of %s: %w", p.name, err)
		}
		d.Size += size
		d.Written += writtenBy(p.pid())
	}
	return nil
}

// awaitAll waits until the processors have taken all there is.
func (i *installation) awaitAll(ctx context.Context) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	grew, told, last := time.Now(), time.Now(), int64(0)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
		taken, err := i.taken(ctx)
		if err != nil {
			return err
		}
		now := time.Now()
		switch {
		case taken >= int64(i.total()):
			return nil
		case taken > last:
			last, grew = taken, now
			i.profile(ctx, taken)
		case now.Sub(grew) > silence:
			return fmt.Errorf("nothing was committed for %s", silence)
		}
		if now.Sub(told) > tellEvery {
			told = now
			i.say("%d of %d events processed", taken, i.total())
		}
	}
}

// taken is how many events the processors have committed. One that doesn't
// answer yet is starting.
func (i *installation) taken(ctx context.Context) (int64, error) {
	sum := 0.0
	for _, p := range i.processes {
		if err := p.failed(); err != nil {
			return 0, err
		}
		g, err := readGauge(ctx, http.DefaultClient, "http://"+p.address+"/metrics")
		if err != nil {
			continue
		}
		for name, n := range g {
			if strings.HasPrefix(name, "highwater_shard_events_total") {
				sum += n
			}
		}
	}
	return int64(sum), nil
}

// pids are the processes to measure, by name.
func (i *installation) pids() map[string]int {
	pids := make(map[string]int)
	for _, p := range i.processes {
		pids[p.name] = p.pid()
	}
	if i.BrokerPID != 0 {
		pids["broker"] = i.BrokerPID
	}
	return pids
}

// failed is the first process that ended by itself.
func (i *installation) failed() error {
	for _, p := range i.processes {
		if err := p.failed(); err != nil {
			return err
		}
	}
	if i.query != nil {
		return i.query.failed()
	}
	return nil
}

// stop ends what runs.
func (i *installation) stop() error {
	var errs []error
	for _, p := range i.processes {
		errs = append(errs, p.stop())
	}
	i.processes = nil
	return errors.Join(errs...)
}

// account reads what was committed, and moves as much again with nothing
// computed.
func (i *installation) account(ctx context.Context) error {
	i.say("reading what was written")
	transactions, rows, err := readTransactions(ctx, i.Client, i.names, i.Partitions)
	if err != nil {
		return err
	}
	s, err := measured(transactions, i.openedBy, int64(i.total()))
	if err != nil {
		return err
	}
	r := i.result
	pace := newPace(s, i.watch)
	r.Pace = &pace
	r.Disk.SizePerEvent = over(float64(r.Disk.Size), float64(s.taken()))
	r.Disk.WrittenPerEvent = over(float64(r.Disk.Written), float64(s.taken()))
	if r.Traffic, err = i.readTraffic(ctx, s); err != nil {
		return err
	}
	if len(i.Floor) == 0 {
		return nil
	}
	if r.Floor, err = i.measureFloor(ctx, i.plan(s, r.Traffic, rows)); err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	r.Ratio = over(r.EventsPerSecond, r.Floor.EventsPerSecond)
	return nil
}

// measureFloor runs the plan as a process of its own, so that its CPU is
// measured like a processor's.
func (i *installation) measureFloor(ctx context.Context, plan *FloorPlan) (*Pace, error) {
	i.say("measuring the floor")
	if _, err := kafka.Apply(ctx, i.client, kafka.Catalogue(plan.Names, i.Partitions, -1)); err != nil {
		return nil, err
	}
	plan.Done = filepath.Join(i.dir, "floor.done")
	text, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(i.dir, "floor.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, err
	}
	p, err := start(ctx, "floor", i.dir, i.Environ, i.Options.Floor[0], append(i.Options.Floor[1:], path)...)
	if err != nil {
		return nil, err
	}
	i.processes = append(i.processes, p)
	w := watchProcesses(i.pids())
	defer w.stop()
	if err := i.awaitFile(ctx, plan.Done); err != nil {
		return nil, err
	}
	w.stop()
	if err := i.floorLatencies(ctx, plan.Names); err != nil {
		return nil, err
	}
	if err := i.stop(); err != nil {
		return nil, err
	}
	transactions, _, err := readTransactions(ctx, i.Client, plan.Names, i.Partitions)
	if err != nil {
		return nil, err
	}
	// It opens no accounts: all it moves is alike.
	s, err := measured(transactions, nil, int64(i.total()))
	if err != nil {
		return nil, err
	}
	pace := newPace(s, w)
	return &pace, nil
}

// awaitFile waits until somebody has made a file.
func (i *installation) awaitFile(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, floorWithin)
	defer cancel()
	look := time.NewTicker(sampleEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("nothing is done: %w", ctx.Err())
		case <-look.C:
		}
		if err := i.failed(); err != nil {
			return err
		}
		if _, err := os.Stat(path); err == nil {
			return nil
		}
	}
}

func (i *installation) verify(ctx context.Context) error {
	v := &i.result.Verification
	switch {
	case i.Verify == nil:
		v.Reason = "it was not asked for"
		return nil
	case i.total()+i.sent > i.VerifyUpTo:
		v.Reason = fmt.Sprintf("there are more than %d events", i.VerifyUpTo)
		return nil
	}
	i.say("verifying")
	var queries []string
	if i.query != nil {
		queries = append(queries, "http://"+i.query.address)
	}
	var err error
	v.Verified = true
	v.Good, v.Said, err = i.Options.Verify(ctx, i.names, queries)
	return err
}

// clean takes away what was made.
func (i *installation) clean() error {
	errs := []error{i.stop()}
	if i.query != nil {
		errs = append(errs, i.query.stop())
	}
	if !i.Keep {
		ctx, cancel := context.WithTimeout(context.Background(), deleteWithin)
		defer cancel()
		var names []string
		for _, t := range append(kafka.Catalogue(i.names, i.Partitions, -1), kafka.Catalogue(i.floor, i.Partitions, -1)...) {
			names = append(names, t.Name)
		}
		// Those of the floor may not be there: what couldn't be deleted is told
		// by topic, and not here.
		if _, err := kadm.NewClient(i.client).DeleteTopics(ctx, names...); err != nil {
			errs = append(errs, fmt.Errorf("delete the topics of the benchmark: %w", err))
		}
	}
	i.client.Close()
	return errors.Join(append(errs, os.RemoveAll(i.dir))...)
}
