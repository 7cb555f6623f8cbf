package shard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/state"
)

// patience bounds every wait of a test.
const patience = 20 * time.Second

// cluster is a broker with an installation's topics.
type cluster struct {
	t          testing.TB
	names      kafka.Names
	partitions int32
	client     []kgo.Opt
	producer   *kgo.Client
}

func newFakeCluster(tb testing.TB, partitions int32) *cluster {
	tb.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(fake.Close)
	return newCluster(tb, kgo.SeedBrokers(fake.ListenAddrs()...), kafka.Names{Application: "app"}, partitions)
}

func newCluster(tb testing.TB, seeds kgo.Opt, names kafka.Names, partitions int32) *cluster {
	tb.Helper()
	c := &cluster{t: tb, names: names, partitions: partitions}
	c.client = kafka.CommonOptions([]kgo.Opt{seeds}, logger(tb))
	producer, err := kgo.NewClient(c.options(kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(producer.Close)
	c.producer = producer
	if _, err := kafka.Apply(tb.Context(), producer, kafka.Catalogue(names, partitions, -1)); err != nil {
		tb.Fatal(err)
	}
	return c
}

// options adds to those that every client has.
func (c *cluster) options(more ...kgo.Opt) []kgo.Opt { return slices.Concat(c.client, more) }

func logger(tb testing.TB) *slog.Logger {
	tb.Helper()
	level := slog.LevelError + 1
	if os.Getenv("HIGHWATER_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: level}))
}

// send produces JSON events and waits until Kafka has them.
func (c *cluster) send(topic event.Topic, user string, values ...string) {
	c.t.Helper()
	var records []*kgo.Record
	for _, v := range values {
		records = append(records, &kgo.Record{Topic: c.names.Input(topic), Key: []byte(user), Value: []byte(v)})
	}
	if err := c.producer.ProduceSync(c.t.Context(), records...).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
}

func grantJSON(user, id string, at time.Time, amount int64) string {
	return fmt.Sprintf(`{"type":"grant","event_id":%q,"user_id":%q,"occurred_at":%d,"grant_id":%q,"amount":%d}`, id, user, at.UnixMicro(), id, amount)
}

func subtractJSON(user, id string, at time.Time, amount int64) string {
	return fmt.Sprintf(`{"type":"subtract","event_id":%q,"user_id":%q,"occurred_at":%d,"amount":%d}`, id, user, at.UnixMicro(), amount)
}

// usersOf are names of users who live in a partition.
func (c *cluster) usersOf(partition int32, n int) []string {
	var users []string
	for i := 0; len(users) < n; i++ {
		if u := fmt.Sprintf("user-%d", i); kafka.PartitionOf(u, c.partitions) == partition {
			users = append(users, u)
		}
	}
	return users
}

// manualProducer produces to the partition that a record names.
func (c *cluster) manualProducer() *kgo.Client {
	c.t.Helper()
	client, err := kgo.NewClient(c.options(
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(kafka.MaxInputBytes))...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(client.Close)
	return client
}

func (c *cluster) decoder() *codec.Decoder { return new(codec.Decoder) }

// recreate deletes a topic and creates it again.
func (c *cluster) recreate(admin *kadm.Client, topic string) {
	c.t.Helper()
	if _, err := admin.DeleteTopics(c.t.Context(), topic); err != nil {
		c.t.Fatal(err)
	}
	if _, err := kafka.Apply(c.t.Context(), c.producer, kafka.Catalogue(c.names, c.partitions, -1)); err != nil {
		c.t.Fatal(err)
	}
}

// reader reads one output topic's partition, read committed, from the start.
type reader struct {
	t      testing.TB
	client *kgo.Client
}

func (c *cluster) read(topic string, partition int32) *reader {
	c.t.Helper()
	client, err := kgo.NewClient(c.options(
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}))...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(client.Close)
	return &reader{t: c.t, client: client}
}

// next waits for n more records.
func (r *reader) next(n int) []*kgo.Record {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	var records []*kgo.Record
	for len(records) < n {
		fetches := r.client.PollRecords(ctx, n-len(records))
		if ctx.Err() != nil {
			r.t.Fatalf("%d of %d records came", len(records), n)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

// entries waits for n more entries.
func (r *reader) entries(n int) []event.Entry {
	r.t.Helper()
	var entries []event.Entry
	for _, record := range r.next(n) {
		var e event.Entry
		if err := new(codec.Decoder).DecodeEntry(record.Value, &e); err != nil {
			r.t.Fatal(err)
		}
		entries = append(entries, e)
	}
	return entries
}

// disk is what a shard's machine keeps.
type disk struct{ fs *vfs.MemFS }

func newDisk() *disk { return &disk{fs: vfs.NewMem()} }

// runner is a shard that runs.
type runner struct {
	t     testing.TB
	shard *Shard
	store *state.Store
	stop  context.CancelCauseFunc
	done  chan struct{}
	err   error
	// waited is true once the test has looked at err itself.
	waited bool
	once   sync.Once
}

func (c *cluster) config() Config {
	return Config{
		Names: c.names, Client: c.client, Logger: logger(c.t),
		Engine: engine.Config{
			Lateness: 10_000_000, IdleTimeout: 5_000_000, FutureSkew: 300_000_000, Settled: true, CacheBytes: 64 << 20,
		},
	}
}

func (c *cluster) run(shard int32, d *disk, change func(*Config)) *runner {
	c.t.Helper()
	return c.runAs(shard, d, change, (*Shard).Run)
}

// keep runs a shard again each time it is fenced, as the processor does once
// the group has confirmed it.
func (c *cluster) keep(shard int32, d *disk) *runner {
	c.t.Helper()
	return c.runAs(shard, d, nil, func(s *Shard, ctx context.Context) error {
		err := s.Run(ctx)
		for errors.Is(err, ErrFenced) && ctx.Err() == nil {
			err = New(s.cfg, s.store).Run(ctx)
		}
		return err
	})
}

func (c *cluster) runAs(shard int32, d *disk, change func(*Config), run func(*Shard, context.Context) error) *runner {
	c.t.Helper()
	cfg := c.config()
	if change != nil {
		change(&cfg)
	}
	store, err := state.Open(state.Options{Dir: fmt.Sprintf("shard-%d", shard), Shard: shard, FS: d.fs, Sparse: engine.Sparse()})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	r := &runner{t: c.t, shard: New(cfg, store), store: store, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = run(r.shard, ctx)
	}()
	c.t.Cleanup(func() {
		if !r.waited {
			r.end(nil)
		}
	})
	return r
}

// wait waits for the shard to end by itself.
func (r *runner) wait() error {
	r.waited = true
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(patience):
		r.t.Fatal("the shard still runs")
	}
	r.once.Do(func() {
		if err := r.store.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return r.err
}

// end stops the shard: gracefully, with its state flushed as its owner does,
// where there is no cause; else what wasn't flushed is lost with its machine.
func (r *runner) end(cause error) {
	r.t.Helper()
	r.stop(cause)
	if cause == nil {
		<-r.done
		if err := r.store.Flush(r.t.Context()); err != nil && r.t.Context().Err() == nil {
			r.t.Error(err)
		}
	}
	if err := r.wait(); err != nil && cause == nil && !r.t.Failed() && !errors.Is(err, ErrFenced) {
		r.t.Errorf("shard ended with %v", err)
	}
}

// until waits for a condition.
func until(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			tb.Fatalf("waited in vain: %s", what)
		case <-again.C:
		}
	}
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}
