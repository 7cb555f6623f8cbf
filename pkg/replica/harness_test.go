package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/state"
)

// patience bounds every wait of a test.
const patience = 20 * time.Second

// owner writes the changelog of one partition as a shard does.
type owner struct {
	t      testing.TB
	names  kafka.Names
	common []kgo.Opt
	client *kgo.Client
	store  *state.Store
	rng    *rand.Rand
	next   int64 // position of grants
}

const partition = 1

func newOwner(tb testing.TB) *owner {
	tb.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(fake.Close)
	return newOwnerAt(tb, fake.ListenAddrs(), "app")
}

func newOwnerAt(tb testing.TB, brokers []string, application string) *owner {
	tb.Helper()
	o := &owner{t: tb, names: kafka.Names{Application: application, Prefix: application + "-"}, rng: rand.New(rand.NewPCG(1, 2))}
	o.common = kafka.CommonOptions([]kgo.Opt{kgo.SeedBrokers(brokers...)}, nil)
	var err error
	if o.client, err = kgo.NewClient(kafka.ShardOptions(o.common, o.names, partition)...); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(o.client.Close)
	if _, err := kafka.Apply(tb.Context(), o.client, kafka.Catalogue(o.names, 2, -1)); err != nil {
		tb.Fatal(err)
	}
	o.store = open(tb, vfs.NewMem())
	return o
}

func open(tb testing.TB, fs vfs.FS) *state.Store {
	tb.Helper()
	s, err := state.Open(state.Options{Dir: "shard", Shard: partition, FS: fs})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// produce runs one transaction with these changelog values.
func (o *owner) produce(end kgo.TransactionEndTry, values ...[]byte) (last int64) {
	o.t.Helper()
	if err := o.client.BeginTransaction(); err != nil {
		o.t.Fatal(err)
	}
	promise := func(r *kgo.Record, err error) {
		if err != nil {
			o.t.Error(err)
		}
		last = r.Offset
	}
	for _, v := range values {
		o.client.Produce(o.t.Context(), &kgo.Record{Topic: o.names.Changelog(), Partition: partition, Value: v}, promise)
	}
	if err := errors.Join(o.client.Flush(o.t.Context()), o.client.EndTransaction(o.t.Context(), end)); err != nil {
		o.t.Fatal(err)
	}
	return last
}

// batch computes a batch of so many rows with values of so many bytes, and
// gives its changelog values, changed as told.
func (o *owner) batch(rows, size int, change func(*kafka.ChangelogRecord)) (*state.Batch, [][]byte) {
	o.t.Helper()
	value := make([]byte, size)
	for range rows {
		binary.BigEndian.PutUint64(value, o.rng.Uint64())
		o.store.Rows().Set(binary.BigEndian.AppendUint64([]byte{0x20}, o.rng.Uint64N(1<<20)), value)
	}
	o.next++
	progress := state.Progress{Positions: [state.Topics]int64{o.next}}
	b, err := o.store.Rows().Seal(progress)
	if err != nil {
		o.t.Fatal(err)
	}
	record := kafka.ChangelogRecord{
		Shard: partition, Seq: b.Seq(), PrevHash: b.PrevHash(), BatchHash: b.Hash(),
		Positions: progress.Positions, Events: int32(rows), Batch: b.Bytes(),
	}
	if change != nil {
		change(&record)
	}
	var values [][]byte
	for i := range kafka.ChunkCount(len(record.Batch)) {
		values = append(values, kafka.AppendChangelogChunk(nil, &record, i))
	}
	return b, values
}

// commit computes a batch, commits it and applies it.
func (o *owner) commit(rows, size int) {
	o.t.Helper()
	b, values := o.batch(rows, size, nil)
	if err := o.store.Rows().Apply(b, o.produce(kgo.TryCommit, values...)); err != nil {
		o.t.Fatal(err)
	}
}

// abort computes a batch and aborts it.
func (o *owner) abort(rows, size int) {
	o.t.Helper()
	_, values := o.batch(rows, size, nil)
	o.produce(kgo.TryAbort, values...)
	o.store.Rows().Abort()
	o.next--
}

func (o *owner) replica(store *state.Store) *Replica {
	o.t.Helper()
	r, err := New(Options{Client: o.common, Names: o.names, Store: store})
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(r.Close)
	return r
}

// run runs a replica until stop, which gives what Run returned.
func run(tb testing.TB, r *Replica) (stop func() error) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			return errors.New("the replica still runs")
		}
	}
	tb.Cleanup(func() {
		if err := stop(); err != nil {
			tb.Error(err)
		}
	})
	return stop
}

func (o *owner) position() event.Position {
	return event.Position{Topic: event.Grants, Partition: partition, Offset: o.next - 1}
}

func within(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	tb.Cleanup(cancel)
	return ctx
}

// same checks that two states are the same, row by row.
func same(tb testing.TB, got, want *state.Store) {
	tb.Helper()
	if g, w := got.Meta(), want.Meta(); g != w {
		tb.Errorf("replica is at\n%+v, its owner at\n%+v", g, w)
	}
	g, err := got.ContentHash()
	if err != nil {
		tb.Fatal(err)
	}
	w, err := want.ContentHash()
	if err != nil {
		tb.Fatal(err)
	}
	if g != w {
		tb.Errorf("replica has content %s, its owner %s", g, w)
	}
}

// rows writes what a usage event writes: its identity, itself, something due.
func (o *owner) rows() {
	var identity [17]byte
	var row [25]byte
	identity[0], row[0] = state.DefaultIdentityPrefix, 0x20
	for i := 0; i < 16; i += 8 {
		binary.BigEndian.PutUint64(identity[1+i:], o.rng.Uint64())
		binary.BigEndian.PutUint64(row[1+i:], o.rng.Uint64())
	}
	r := o.store.Rows()
	r.Set(identity[:], row[:20])
	r.Set(row[:], make([]byte, 70))
	row[0] = 0x21
	r.Set(row[:17], nil)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
