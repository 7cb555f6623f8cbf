package verify

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/shard"
	"highwater/pkg/state"
	"highwater/pkg/trace"
)

const testPartitions = 2

// pipeline is an installation on the embedded broker, whose shards run.
type pipeline struct {
	options Options
	client  *kgo.Client
}

// policies are those of the tests: one asset of each kind.
var policies = event.Policies{
	Assets: map[string]event.Policy{"batch": {Debt: true}, "gems": {Forfeit: true, MaxSpendAmount: 30, MaxSpendCount: 6, Window: 15_000_000}},
	Orders: event.OrderPolicy{MaxLiveOrders: 3, MaxOrderNotional: event.DecimalOf(1_000_000)},
}

func logger(t *testing.T) *slog.Logger {
	t.Helper()
	level := slog.LevelError + 1
	if os.Getenv("HIGHWATER_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
}

func newPipeline(t *testing.T) *pipeline {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	common := kafka.CommonOptions([]kgo.Opt{kgo.SeedBrokers(fake.ListenAddrs()...)}, logger(t))
	client, err := kgo.NewClient(append(slices.Clone(common), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	names := kafka.Names{Application: "app", Prefix: "t-"}
	if _, err := kafka.Apply(t.Context(), client, kafka.Catalogue(names, testPartitions, -1)); err != nil {
		t.Fatal(err)
	}
	return &pipeline{client: client, options: Options{
		Names: names, Client: common, Policies: policies, FutureSkew: 300_000_000, Settled: true, Wait: 20 * time.Second,
	}}
}

// send produces a load, a batch at a time.
func (p *pipeline) send(t *testing.T, load []trace.Record) {
	t.Helper()
	for some := range slices.Chunk(load, 100) {
		var records []*kgo.Record
		for _, r := range some {
			records = append(records, &kgo.Record{
				Topic: p.options.Names.Input(r.Topic), Partition: kafka.PartitionOf(r.Key, testPartitions), Key: r.Key, Value: r.Value,
				Headers: []kgo.RecordHeader{{Key: "traceparent", Value: []byte("00-1")}},
			})
		}
		if err := p.client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs the shards until the function it returns is called.
func (p *pipeline) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for id := range int32(testPartitions) {
		store, err := state.Open(state.Options{Dir: fmt.Sprint("shard-", id), Shard: id, FS: vfs.NewMem()})
		if err != nil {
			t.Fatal(err)
		}
		s := shard.New(shard.Config{
			Names: p.options.Names, Client: p.options.Client, Logger: logger(t), MaxEvents: 50,
			Engine: engine.Config{
				Policies: policies, Lateness: 10_000_000, IdleTimeout: 300_000, FutureSkew: 300_000_000, Settled: true, CacheBytes: 16 << 20,
			},
		}, store)
		running.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Errorf("shard %d: %v", id, err)
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// load is a small trace with a little of everything.
func load() []trace.Record {
	o := trace.Defaults()
	o.Rows, o.Users, o.Assets = 600, 12, []string{"credits", "batch"}
	o.End = event.TimeOf(time.Now().Add(-time.Second))
	o.BadPercent = 4
	return trace.Generate(o)
}

// verified runs the checks, and tells which failed and what they said.
func (p *pipeline) verified(t *testing.T, tamper func(*kgo.Record) []*kgo.Record) (failed []string, said string) {
	t.Helper()
	client, err := kgo.NewClient(p.options.Client...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	v := newVerifier(p.options, client, testPartitions)
	v.tamper = tamper
	if err := v.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := v.report.print(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if name, ok := strings.CutPrefix(line, "FAIL "); ok {
			failed = append(failed, name[:strings.Index(name, ":")])
		}
	}
	if v.report.ok() != (len(failed) == 0) {
		t.Errorf("ok is %t, but failed are %v", v.report.ok(), failed)
	}
	return failed, b.String()
}
