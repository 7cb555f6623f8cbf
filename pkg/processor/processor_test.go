package processor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/service"
	"highwater/pkg/shard"
)

const patience = 30 * time.Second

type cluster struct {
	t          *testing.T
	names      kafka.Names
	partitions int32
	client     []kgo.Opt
	producer   *kgo.Client
}

func newFakeCluster(t *testing.T, partitions int32) *cluster {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	return newCluster(t, fake.ListenAddrs(), kafka.Names{Application: "app"}, partitions)
}

func newCluster(t *testing.T, servers []string, names kafka.Names, partitions int32) *cluster {
	t.Helper()
	c := &cluster{t: t, names: names, partitions: partitions}
	c.client = kafka.CommonOptions([]kgo.Opt{kgo.SeedBrokers(servers...)}, logger(t))
	c.producer = c.newClient(kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	if _, err := kafka.Apply(t.Context(), c.producer, kafka.Catalogue(names, partitions, -1)); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cluster) newClient(opts ...kgo.Opt) *kgo.Client {
	c.t.Helper()
	client, err := kgo.NewClient(slices.Concat(c.client, opts)...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(client.Close)
	return client
}

func logger(t *testing.T) *slog.Logger {
	t.Helper()
	if os.Getenv("HIGHWATER_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// process is a processor that runs.
type process struct {
	*Processor
	t        *testing.T
	stop     context.CancelFunc
	done     chan struct{}
	err      error
	registry *prometheus.Registry
}

func (c *cluster) start(fs vfs.FS, change func(*Config)) *process {
	c.t.Helper()
	registry := prometheus.NewRegistry()
	cfg := Config{
		Dir: "data", FS: fs, Registry: registry, CacheBytes: 16 << 20, BlockCacheBytes: 16 << 20,
		Shard: shard.Config{
			Names: c.names, Client: c.client, Logger: logger(c.t),
			Engine: engine.Config{Lateness: 10_000_000, IdleTimeout: 5_000_000, FutureSkew: 300_000_000, Settled: true},
		},
	}
	if change != nil {
		change(&cfg)
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &process{Processor: New(cfg), t: c.t, stop: stop, done: make(chan struct{}), registry: registry}
	go func() {
		defer close(p.done)
		p.err = p.Run(ctx)
	}()
	c.t.Cleanup(func() {
		stop()
		<-p.done
	})
	return p
}

// end waits for the processor to end.
func (p *process) end(t *testing.T) error {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatal("the processor still runs")
	}
	return p.err
}

// owns lists the shards that it has taken over.
func (p *process) owns() []int32 {
	select {
	case <-p.done:
		p.t.Fatalf("the processor ended with %v", p.err)
	default:
	}
	var ids []int32
	for _, s := range p.Shards() {
		if s.Owner {
			ids = append(ids, s.Shard)
		}
	}
	return ids
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("waited in vain: %s", what)
		case <-again.C:
		}
	}
}

// traffic sends grants for many users, and checks that each makes one entry.
type traffic struct {
	c    *cluster
	sent atomic.Int64
	stop context.CancelFunc
	done sync.WaitGroup
}

func (c *cluster) traffic() *traffic {
	ctx, stop := context.WithCancel(context.Background())
	tr := &traffic{c: c, stop: stop}
	start := time.Now().Add(-time.Minute)
	tr.done.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			n := tr.sent.Load()
			user := fmt.Sprintf("user-%d", n%50)
			value := fmt.Sprintf(`{"type":"grant","event_id":"e%d","user_id":%q,"occurred_at":%d,"grant_id":"e%d","amount":1}`, n, user, start.UnixMicro(), n)
			record := &kgo.Record{Topic: c.names.Input(event.Grants), Key: []byte(user), Value: []byte(value)}
			if c.producer.ProduceSync(ctx, record).FirstErr() == nil {
				tr.sent.Add(1)
			}
			<-tick.C
		}
	})
	c.t.Cleanup(tr.end)
	return tr
}

func (tr *traffic) end() {
	tr.stop()
	tr.done.Wait()
}

// flows waits until more was sent.
func (tr *traffic) flows(n int64) {
	tr.c.t.Helper()
	before := tr.sent.Load()
	until(tr.c.t, "events are sent", func() bool { return tr.sent.Load() >= before+n })
}

// check ends the traffic and reads entries until each event has one; there
// must be no other, and seq must be dense.
func (tr *traffic) check() {
	t := tr.c.t
	t.Helper()
	tr.end()
	entries := tr.c.newClient(kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeTopics(tr.c.names.Output(kafka.Entries)),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	seen := make(map[string]bool)
	next := make(map[int32]int64)
	for int64(len(seen)) < tr.sent.Load() {
		fetches := entries.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%d entries for %d events", len(seen), tr.sent.Load())
		}
		fetches.EachRecord(func(r *kgo.Record) {
			var e event.Entry
			if err := new(codec.Decoder).DecodeEntry(r.Value, &e); err != nil {
				t.Fatal(err)
			}
			if e.Seq != next[r.Partition] {
				t.Errorf("partition %d: seq %d instead of %d", r.Partition, e.Seq, next[r.Partition])
			}
			next[r.Partition]++
			if seen[e.EventID] {
				t.Errorf("%s twice", e.EventID)
			}
			seen[e.EventID] = true
		})
	}
}

// I2.
func TestProcessorsShareShards(t *testing.T) {
	c := newFakeCluster(t, 4)
	tr := c.traffic()
	first := c.start(vfs.NewMem(), nil)
	until(t, "the first has all", func() bool { return len(first.owns()) == 4 && first.Ready() == nil })
	tr.flows(50)
	second := c.start(vfs.NewMem(), nil)
	until(t, "they share", func() bool { return len(first.owns()) == 2 && len(second.owns()) == 2 })
	tr.flows(50)
	first.stop()
	if err := first.end(t); err != nil {
		t.Errorf("the first ended with %v", err)
	}
	until(t, "the second has all", func() bool { return len(second.owns()) == 4 && second.Ready() == nil })
	tr.flows(50)
	tr.check()
	for name, want := range map[string]func(float64) bool{
		"highwater_shard_owned":               func(n float64) bool { return n == 4 },
		"highwater_shard_takeovers_total":     func(n float64) bool { return n >= 4 },
		"highwater_shard_events_total":        func(n float64) bool { return n > 0 },
		"highwater_shard_phase_seconds_total": func(n float64) bool { return n > 0 },
		"highwater_shard_fenced_total":        func(n float64) bool { return n == 0 },
	} {
		if n := second.metric(t, name); !want(n) {
			t.Errorf("%s is %v", name, n)
		}
	}
}

// metric is the sum of a counter or gauge over its labels.
func (p *process) metric(t *testing.T, name string) float64 {
	t.Helper()
	families, err := p.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		sum := 0.0
		for _, m := range family.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
		return sum
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// A standby has what the owner had, and its shard goes on from there.
func TestStandbyTakesOver(t *testing.T) {
	c := newFakeCluster(t, 2)
	tr := c.traffic()
	first := c.start(vfs.NewMem(), nil)
	until(t, "the first has all", func() bool { return len(first.owns()) == 2 })
	tr.flows(100)
	second := c.start(vfs.NewMem(), func(cfg *Config) { cfg.Standbys = 5 })
	until(t, "they share", func() bool { return len(first.owns()) == 1 && len(second.owns()) == 1 })
	tr.flows(100)
	until(t, "the standby follows", func() bool { return second.metric(t, "highwater_replica_events_total") > 50 })
	followed := second.metric(t, "highwater_replica_events_total")
	first.stop()
	if err := first.end(t); err != nil {
		t.Error(err)
	}
	until(t, "the second has all", func() bool { return len(second.owns()) == 2 })
	tr.flows(20)
	tr.check()
	// Had it read the changelog from its beginning, it would have twice as many.
	if again := second.metric(t, "highwater_replica_events_total"); again > followed+float64(tr.sent.Load())/2 {
		t.Errorf("%v events were followed before the takeover and %v after it", followed, again)
	}
	third := c.start(vfs.NewMem(), func(cfg *Config) { cfg.Standbys = 1 })
	until(t, "the third has one", func() bool { return len(third.owns()) == 1 })
}

func TestDirectoryIsForOneProcess(t *testing.T) {
	c := newFakeCluster(t, 1)
	dir := t.TempDir()
	onDisk := func(cfg *Config) { cfg.Dir, cfg.FS = dir, nil }
	first := c.start(nil, onDisk)
	until(t, "the first runs", func() bool { return len(first.owns()) == 1 })
	if err := c.start(nil, onDisk).end(t); err == nil || !strings.Contains(err.Error(), "data.dir: "+dir+" is another processor's") {
		t.Errorf("the second ended with %v", err)
	}
	first.stop()
	if err := first.end(t); err != nil {
		t.Error(err)
	}
	again := c.start(nil, onDisk)
	until(t, "the next one runs", func() bool { return len(again.owns()) == 1 })
}

// I3.
func TestUnknownSchemaEndsTheProcess(t *testing.T) {
	c := newFakeCluster(t, 2)
	tr := c.traffic()
	p := c.start(vfs.NewMem(), nil)
	tr.flows(20)
	record := &kgo.Record{Topic: "grants", Key: []byte("user-1"), Value: []byte("\xc3\x01\x01\x02\x03\x04\x05\x06\x07\x08")}
	if err := c.producer.ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
	err := p.end(t)
	if _, ok := errors.AsType[service.PersonMustDecide](err); !ok || !strings.Contains(err.Error(), "0807060504030201") {
		t.Errorf("it ended with %v", err)
	}
}

// I1: a shard that was fenced by somebody who isn't in the group goes on once
// the group has confirmed it.
func TestFencedShardGoesOn(t *testing.T) {
	c := newFakeCluster(t, 2)
	tr := c.traffic()
	p := c.start(vfs.NewMem(), nil)
	for range 3 {
		until(t, "it has all", func() bool { return len(p.owns()) == 2 })
		tr.flows(20)
		intruder := c.newClient(kgo.TransactionalID(c.names.TransactionalID(1)))
		if _, _, err := intruder.ProducerID(t.Context()); err != nil {
			t.Fatal(err)
		}
		intruder.Close()
		tr.flows(20)
	}
	tr.check()
}

func TestLostTopicEndsTheProcess(t *testing.T) {
	for name, change := range map[string]func(*cluster, *kadm.Client) error{
		"deleted": func(c *cluster, admin *kadm.Client) error {
			_, err := admin.DeleteTopics(c.t.Context(), "orders")
			return err
		},
		"created again": func(c *cluster, admin *kadm.Client) error {
			if _, err := admin.DeleteTopics(c.t.Context(), "orders"); err != nil {
				return err
			}
			_, err := kafka.Apply(c.t.Context(), c.producer, kafka.Catalogue(c.names, c.partitions, -1))
			return err
		},
		"more partitions": func(c *cluster, admin *kadm.Client) error {
			_, err := admin.CreatePartitions(c.t.Context(), 1, "orders")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newFakeCluster(t, 1)
			p := c.start(vfs.NewMem(), func(cfg *Config) { cfg.watchEvery = 20 * time.Millisecond })
			until(t, "it has all", func() bool { return len(p.owns()) == 1 })
			if err := change(c, kadm.NewClient(c.producer)); err != nil {
				t.Fatal(err)
			}
			err := p.end(t)
			if _, ok := errors.AsType[service.PersonMustDecide](err); !ok || !strings.Contains(err.Error(), "orders") {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

func TestMissingTopicsAreSaid(t *testing.T) {
	c := newFakeCluster(t, 1)
	c.names.Application = "another"
	err := c.start(vfs.NewMem(), nil).end(t)
	if _, ok := errors.AsType[service.PersonMustDecide](err); !ok || !strings.Contains(err.Error(), "highwater topics apply") {
		t.Errorf("it ended with %v", err)
	}
}

func TestLastingTroubleIsSaidNowAndThen(t *testing.T) {
	away, refused := errors.New("away"), errors.New("refused")
	var said trouble
	for _, step := range []struct {
		after time.Duration
		err   error
		want  bool
	}{
		{0, away, true},
		{time.Second, away, false},
		{29 * time.Second, away, false},
		{30 * time.Second, away, true},
		{31 * time.Second, refused, true},
		{32 * time.Second, refused, false},
		{33 * time.Second, away, true},
	} {
		if got := said.isNews(step.err, time.Unix(0, 0).Add(step.after)); got != step.want {
			t.Errorf("%v after %v: said is %v", step.err, step.after, got)
		}
	}
}
