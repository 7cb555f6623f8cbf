package query

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/replica"
	"highwater/pkg/shard"
	"highwater/pkg/state"
)

// patience bounds every wait of a test.
const patience = 20 * time.Second

var names = kafka.Names{Application: "app"}

// installation is a broker, its topics, and shards that process.
type installation struct {
	tb       testing.TB
	client   []kgo.Opt
	producer *kgo.Client
}

func newInstallation(tb testing.TB, partitions int32) *installation {
	tb.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(fake.Close)
	in := &installation{tb: tb}
	in.client = kafka.CommonOptions([]kgo.Opt{kgo.SeedBrokers(fake.ListenAddrs()...)}, slog.New(slog.DiscardHandler))
	if in.producer, err = kgo.NewClient(append(in.client, kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))...); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(in.producer.Close)
	if _, err := kafka.Apply(tb.Context(), in.producer, kafka.Catalogue(names, partitions, -1)); err != nil {
		tb.Fatal(err)
	}
	return in
}

// process runs a shard until the function it returns is called.
func (in *installation) process(partition int32) (stop func()) {
	in.tb.Helper()
	store, err := state.Open(state.Options{Dir: "shard", Shard: partition, FS: vfs.NewMem()})
	if err != nil {
		in.tb.Fatal(err)
	}
	s := shard.New(shard.Config{
		Names: names, Client: in.client, Logger: slog.New(slog.DiscardHandler),
		Engine: engine.Config{Lateness: 10 * second, IdleTimeout: 5 * second, FutureSkew: 300 * second, Settled: true, CacheBytes: 64 << 20},
	}, store)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := errors.Join(<-done, store.Close()); err != nil {
			in.tb.Error(err)
		}
	}
}

func (in *installation) produce(topic event.Topic, user, value string) string {
	in.tb.Helper()
	record, err := in.producer.ProduceSync(in.tb.Context(), &kgo.Record{Topic: names.Input(topic), Key: []byte(user), Value: []byte(value)}).First()
	if err != nil {
		in.tb.Fatal(err)
	}
	return fmt.Sprintf("%s/%d/%d", topic, record.Partition, record.Offset)
}

// reading is a service with its followers.
type reading struct {
	*world
	service *Service
	stop    func()
}

// read follows into a directory.
func (in *installation) read(dir string) *reading {
	in.tb.Helper()
	s := New(Config{WaitTimeout: patience})
	f := &followers{
		service: s, names: names, client: in.client, dir: dir, cacheBytes: 8 << 20,
		log: slog.New(slog.DiscardHandler), states: state.NewMetrics(), replicas: replica.NewMetrics(nil),
	}
	if err := f.start(in.tb.Context()); err != nil {
		in.tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.run(ctx) }()
	r := &reading{service: s, world: &world{tb: in.tb, handler: s.Handler(http.NewServeMux())}}
	r.stop = func() {
		cancel()
		if err := <-done; err != nil {
			in.tb.Error(err)
		}
	}
	deadline, again := time.After(patience), time.NewTicker(time.Millisecond)
	defer again.Stop()
	for s.Ready(in.tb.Context()) != nil {
		select {
		case <-deadline:
			in.tb.Fatal(s.Ready(in.tb.Context()))
		case <-again.C:
		}
	}
	return r
}

func TestServiceFollowsTheChangelog(t *testing.T) {
	const partitions = 2
	in := newInstallation(t, partitions)
	var stops []func()
	for n := range int32(partitions) {
		stops = append(stops, in.process(n))
	}
	dir := t.TempDir()
	r := in.read(dir)
	var last [2]string
	for n, user := range []string{"alice", "bob", "carol", "dan"} {
		at := time.Now().UnixMicro()
		in.produce(event.Grants, user, fmt.Sprintf(`{"type":"grant","event_id":"e1","user_id":%q,"occurred_at":%d,"grant_id":"g1","amount":100}`, user, at))
		position := in.produce(event.Subtracts, user, fmt.Sprintf(`{"type":"subtract","event_id":"e2","user_id":%q,"occurred_at":%d,"amount":%d}`, user, at+1, n+1))
		if b := r.get("/v1/users/" + user + "/balance?min_position=" + position); b["balance"] != float64(99-n) {
			t.Errorf("%s: %s", user, text(b))
		}
		last = [2]string{user, position}
	}
	before := text(r.pages("/v1/partitions", 10))
	for _, stop := range stops {
		stop()
	}
	r.stop()

	// Again from the disk, with nobody processing.
	r = in.read(dir)
	if b := r.get("/v1/users/" + last[0] + "/balance?min_position=" + last[1]); b["balance"] != 96.0 {
		t.Errorf("%s", text(b))
	}
	// Lag and hashes are those of before, but for what idle shards have said since.
	for i, p := range r.pages("/v1/partitions", 10) {
		if p := p.(map[string]any); p["ready"] != true || p["seq"] == 0.0 {
			t.Errorf("partition %d: %s, before: %s", i, text(p), before)
		}
	}
	r.stop()

	// And from nothing but the changelog.
	r = in.read(t.TempDir())
	if entries := r.pages("/v1/users/alice/entries", 1); len(entries) != 2 {
		t.Errorf("%s", text(entries))
	}
	r.stop()
}

// I6: what one service has, another one that is asked for what is current has
// too; and it says so where it can't have it in time.
func TestCurrent(t *testing.T) {
	const partitions = 2
	in := newInstallation(t, partitions)
	for n := range int32(partitions) {
		t.Cleanup(in.process(n))
	}
	one, other := in.read(t.TempDir()), in.read(t.TempDir())
	defer other.stop()
	defer one.stop()
	for n, user := range []string{"alice", "bob", "carol", "dan", "eve", "frank"} {
		position := in.produce(event.Orders, user, fmt.Sprintf(`{"type":"place","event_id":"e1","user_id":%q,"order_id":"o%d","currency":"EUR","amount":"1","price":"2"}`, user, n))
		one.get("/v1/users/" + user + "/orders?min_position=" + position)
		if items := other.get(fmt.Sprintf("/v1/orders?order_id=o%d&current=true&limit=2", n))["items"].([]any); len(items) != 1 || items[0].(map[string]any)["user_id"] != user {
			t.Fatalf("%s: %s", user, text(items))
		}
	}
	late := New(Config{WaitTimeout: time.Millisecond})
	parts := append([]Partition{}, *other.service.partitions.Load()...)
	parts[1].WaitForEnd = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	late.Serve(parts)
	other.handler = late.Handler(http.NewServeMux())
	if got := other.ask("/v1/orders?current=true"); got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" || !strings.Contains(got.Body.String(), `"field":"current"`) {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

func TestServiceNeedsItsTopics(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Close()
	f := &followers{
		service: New(Config{}), names: names, dir: t.TempDir(), log: slog.New(slog.DiscardHandler),
		client: kafka.CommonOptions([]kgo.Opt{kgo.SeedBrokers(fake.ListenAddrs()...)}, slog.New(slog.DiscardHandler)),
	}
	if err := f.start(t.Context()); err == nil || !strings.Contains(err.Error(), "topics apply") {
		t.Errorf("no topics: %v", err)
	}
}

func TestMain(m *testing.M) {
	if os.Getenv(asClient) != "" {
		client()
		return
	}
	goleak.VerifyTestMain(m)
}
