package replica

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/state"
)

// I2, I4: from nothing, from the middle, and from what a crash left, a replica
// has its owner's state; what was aborted is no part of it, chunks are joined.
func TestCatchUp(t *testing.T) {
	o := newOwner(t)
	empty := o.replica(open(t, vfs.NewMem()))
	if err := empty.CatchUp(within(t)); err != nil || empty.Position() != 0 {
		t.Fatalf("an empty changelog: %v at %d", err, empty.Position())
	}
	fs := vfs.NewCrashableMem()
	middle, err := state.Open(state.Options{Dir: "shard", Shard: partition, FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		switch {
		case i%7 == 3:
			o.abort(100, 20)
		case i == 20:
			o.commit(90, 100<<10) // three chunks
			o.abort(90, 100<<10)
		default:
			o.commit(1+o.rng.IntN(300), 20)
		}
		if i == 10 {
			r := o.replica(middle)
			if err := errors.Join(r.CatchUp(within(t)), middle.Flush(t.Context())); err != nil {
				t.Fatal(err)
			}
			r.Close()
		}
	}
	r := o.replica(middle)
	if err := r.CatchUp(within(t)); err != nil {
		t.Fatal(err)
	}
	same(t, middle, o.store)
	if r.Lag() != 0 || r.Hash() != o.store.Meta().Hash {
		t.Errorf("lag %d, hash %s", r.Lag(), r.Hash())
	}
	r.Close()
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	if err := middle.Close(); err != nil {
		t.Fatal(err)
	}
	for _, fs := range []vfs.FS{crashed, vfs.NewMem()} {
		store := open(t, fs)
		if err := o.replica(store).CatchUp(within(t)); err != nil {
			t.Fatal(err)
		}
		same(t, store, o.store)
	}
	if err := empty.CatchUp(within(t)); err != nil {
		t.Fatal(err)
	}
	same(t, empty.Store(), o.store)
}

// A standby follows, is promoted, and goes on as the owner.
func TestPromote(t *testing.T) {
	o := newOwner(t)
	for range 5 {
		o.commit(10, 20)
	}
	store := open(t, vfs.NewMem())
	standby := o.replica(store)
	stop := run(t, standby)
	select {
	case <-standby.Ready():
	case <-time.After(patience):
		t.Fatal("not ready")
	}
	for range 50 {
		o.commit(10, 20)
	}
	if err := stop(); err != nil { // somewhere on the way
		t.Fatal(err)
	}
	o.commit(10, 20)
	if err := standby.CatchUp(within(t)); err != nil {
		t.Fatal(err)
	}
	standby.Close()
	same(t, store, o.store)
	o.store = store
	o.commit(10, 20)
	other := open(t, vfs.NewMem())
	if err := o.replica(other).CatchUp(within(t)); err != nil {
		t.Fatal(err)
	}
	same(t, other, store)
}

// I5: waiting ends when the position is included, for any number of waiters, or
// with their contexts, or with the replica.
func TestWaitFor(t *testing.T) {
	o := newOwner(t)
	r := o.replica(open(t, vfs.NewMem()))
	stop := run(t, r)
	var waiters sync.WaitGroup
	for i := range int64(40) {
		position := event.Position{Topic: event.Grants, Partition: partition, Offset: i / 2}
		waiters.Go(func() {
			if err := r.WaitFor(within(t), position); err != nil {
				t.Error(err)
				return
			}
			snap, err := r.Store().Snapshot()
			if err != nil {
				t.Error(err)
				return
			}
			defer snap.Close()
			if meta := snap.Meta(); !meta.Passed(position) {
				t.Errorf("after the wait for %v the state is at %v", position, meta.Positions)
			}
		})
	}
	for range 20 {
		o.commit(3, 10)
	}
	waiters.Wait()

	future := event.Position{Topic: event.Grants, Partition: partition, Offset: 1000}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.WaitFor(ctx, future); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for _, wrong := range []event.Position{
		{Topic: event.Grants, Partition: 0}, {Topic: event.NoTopic, Partition: partition}, {Topic: 200, Partition: partition},
	} {
		if err := r.WaitFor(within(t), wrong); err == nil {
			t.Errorf("waited for %v", wrong)
		}
	}
	failed := make(chan error, 1)
	go func() { failed <- r.WaitFor(within(t), future) }()
	_, values := o.batch(1, 10, func(c *kafka.ChangelogRecord) { c.PrevHash[3]++ })
	o.produce(kgo.TryCommit, values...)
	err := <-failed
	if err == nil || !strings.Contains(err.Error(), "follows the chain hash") {
		t.Errorf("the replica's failure: %v", err)
	}
	if ran := stop(); ran == nil || !errors.Is(err, ran) {
		t.Errorf("Run returned %v", ran)
	}
}

// I6: what was committed when the wait began is included when it ends, however
// the changelog ends: behind a batch, behind an aborted one, or with nothing.
func TestWaitForEnd(t *testing.T) {
	o := newOwner(t)
	r := o.replica(open(t, vfs.NewMem()))
	run(t, r)
	for i := range 20 {
		switch {
		case i%5 == 3:
			o.abort(3, 10)
		case i > 0:
			o.commit(3, 10)
		}
		if err := r.WaitForEnd(within(t)); err != nil {
			t.Fatal(err)
		}
		if got, want := r.Store().Meta(), o.store.Meta(); got != want {
			t.Fatalf("%d: the state is at\n%+v, its owner at\n%+v", i, got, want)
		}
	}
	// An open transaction may still be committed: nothing is said before it ends.
	_, values := o.batch(3, 10, nil)
	if err := o.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	o.client.Produce(t.Context(), &kgo.Record{Topic: o.names.Changelog(), Partition: partition, Value: values[0]}, func(_ *kgo.Record, err error) {
		if err != nil {
			t.Error(err)
		}
	})
	if err := o.client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- r.WaitForEnd(within(t)) }()
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.WaitForEnd(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a transaction open: %v", err)
	}
	if err := o.client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// I1, I3: every kind of damage stops the replica in front of it, and the error
// tells a person where it is and what to do.
func TestDamage(t *testing.T) {
	at := func(what string) []string { return []string{"app-changelog/1 at offset ", "seq 3", what} }
	for name, c := range map[string]struct {
		change func(*kafka.ChangelogRecord)
		bytes  func([][]byte) [][]byte
		says   []string
	}{
		"gap":             {change: func(c *kafka.ChangelogRecord) { c.Seq += 2 }, says: []string{"seq 5", "batches 3 to 4 are missing", "restore the changelog"}},
		"previous hash":   {change: func(c *kafka.ChangelogRecord) { c.PrevHash[0]++ }, says: at("follows the chain hash")},
		"batch hash":      {change: func(c *kafka.ChangelogRecord) { c.BatchHash[0]++ }, says: at("hash")},
		"batch":           {change: func(c *kafka.ChangelogRecord) { c.Batch = append([]byte(nil), c.Batch...); c.Batch[20]++ }, says: at("hash")},
		"other shard":     {change: func(c *kafka.ChangelogRecord) { c.Shard = 0 }, says: at("it belongs to shard 0")},
		"other duplicate": {change: func(c *kafka.ChangelogRecord) { c.Seq = 2 }, says: []string{"seq 2", "chain hash", "remove shard"}},
		"batch within": {change: func(c *kafka.ChangelogRecord) {
			c.Batch = append([]byte{9}, c.Batch[1:]...)
			c.BatchHash = state.HashBatch(c.Batch)
		}, says: at("upgrade this process")},
		"newer format": {bytes: func(v [][]byte) [][]byte { v[0][4] = 99; return v }, says: []string{"at offset", "version 99", "upgrade this process"}},
		"no changelog": {bytes: func([][]byte) [][]byte { return [][]byte{[]byte("hello")} }, says: []string{"at offset", "HWCL"}},
		"empty":        {bytes: func([][]byte) [][]byte { return [][]byte{nil} }, says: []string{"at offset", "HWCL"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOwner(t)
			o.commit(5, 20)
			o.commit(5, 20)
			store := open(t, vfs.NewMem())
			_, values := o.batch(5, 20, c.change)
			if c.bytes != nil {
				values = c.bytes(values)
			}
			o.produce(kgo.TryCommit, values...)
			r := o.replica(store)
			err := r.CatchUp(within(t))
			loss, ok := errors.AsType[*kafka.LossError](err)
			if !ok {
				t.Fatalf("error %v is not for a person", err)
			}
			for _, says := range c.says {
				if !strings.Contains(loss.Error(), says) {
					t.Errorf("%q doesn't say %q", loss, says)
				}
			}
			if store.Meta().Seq != 2 {
				t.Errorf("state is at %d", store.Meta().Seq)
			}
			if again := r.CatchUp(within(t)); !errors.Is(again, err) {
				t.Errorf("afterwards it goes on: %v", again)
			}
		})
	}
}

// I1: a batch that comes again is skipped.
func TestDuplicate(t *testing.T) {
	o := newOwner(t)
	o.commit(5, 20)
	b, values := o.batch(5, 20, nil)
	o.produce(kgo.TryCommit, values...)
	if err := o.store.Rows().Apply(b, o.produce(kgo.TryCommit, values...)); err != nil {
		t.Fatal(err)
	}
	store := open(t, vfs.NewMem())
	if err := o.replica(store).CatchUp(within(t)); err != nil {
		t.Fatal(err)
	}
	if store.Meta().Hash != o.store.Meta().Hash || store.Meta().Seq != 2 {
		t.Errorf("%+v instead of %+v", store.Meta(), o.store.Meta())
	}
}

// I3: a changelog that lacks what the state came from, or what it needs next.
func TestLoss(t *testing.T) {
	t.Run("shorter than the state", func(t *testing.T) {
		o, longer := newOwner(t), newOwner(t)
		for range 5 {
			longer.commit(1, 10)
		}
		err := o.replica(longer.store).CatchUp(within(t))
		if loss, ok := errors.AsType[*kafka.LossError](err); !ok || !strings.Contains(loss.Error(), "it ends at 0, but the state in shard came from its record 8") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("deleted before it was read", func(t *testing.T) {
		o := newOwner(t)
		for range 5 {
			o.commit(1, 10)
		}
		req := kmsg.NewPtrDeleteRecordsRequest()
		topic := kmsg.NewDeleteRecordsRequestTopic()
		topic.Topic = o.names.Changelog()
		p := kmsg.NewDeleteRecordsRequestTopicPartition()
		p.Partition, p.Offset = partition, 4
		topic.Partitions = append(topic.Partitions, p)
		req.Topics = append(req.Topics, topic)
		for _, shard := range o.client.RequestSharded(t.Context(), req) {
			if shard.Err != nil {
				t.Fatal(shard.Err)
			}
		}
		err := o.replica(open(t, vfs.NewMem())).CatchUp(within(t))
		if loss, ok := errors.AsType[*kafka.LossError](err); !ok || !strings.Contains(loss.Error(), "app-changelog/1 at offset 0") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("another changelog", func(t *testing.T) {
		o, other := newOwner(t), newOwner(t)
		o.commit(5, 20)
		other.commit(6, 20)
		other.commit(6, 20)
		err := other.replica(o.store).CatchUp(within(t))
		if loss, ok := errors.AsType[*kafka.LossError](err); !ok || !strings.Contains(loss.Error(), "remove shard to have the state rebuilt") {
			t.Errorf("error %v", err)
		}
	})
}

// What is far behind is applied in groups, and a record that can't be taken,
// wherever it is, stops the replica behind all before it.
func TestHeld(t *testing.T) {
	for name, change := range map[string]func(*kafka.ChangelogRecord){
		"whole": nil,
		"gap":   func(c *kafka.ChangelogRecord) { c.Seq++ },
		"hash":  func(c *kafka.ChangelogRecord) { c.BatchHash[0]++ },
		"batch within": func(c *kafka.ChangelogRecord) {
			c.Batch = append([]byte{9}, c.Batch[1:]...)
			c.BatchHash = state.HashBatch(c.Batch)
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOwner(t)
			for i := range 20 {
				if i%10 == 3 {
					o.abort(10, 1<<10)
				}
				o.commit(10, 100<<10)
			}
			o.commit(90, 100<<10) // three chunks
			good := o.store.Meta().Seq
			if change != nil {
				_, values := o.batch(10, 100<<10, change)
				o.produce(kgo.TryCommit, values...)
				o.store.Rows().Abort()
			}
			store := open(t, vfs.NewMem())
			r, registry := o.replica(store), prometheus.NewRegistry()
			r.metrics, r.holdFor = NewMetrics(registry), patience
			err := r.CatchUp(within(t))
			if _, ok := errors.AsType[*kafka.LossError](err); ok != (change != nil) || !ok && err != nil {
				t.Errorf("error %v", err)
			}
			if store.Meta().Seq != good {
				t.Errorf("it stopped behind %d of %d", store.Meta().Seq, good)
			}
			same(t, store, o.store)
			if next := store.Meta().Offset + 1; r.Position() < next || r.Position() > next+1 {
				t.Errorf("position %d, the last batch stands at %d", r.Position(), next-1)
			}
			if got := counted(t, registry, "batches"); got != float64(good) {
				t.Errorf("%v batches are counted of %d", got, good)
			}
			if n := cap(r.held.records); n < 16 { // more than eight
				t.Errorf("batches weren't held together: there was room for %d", n)
			}
		})
	}
}

// counted is what a counter says.
func counted(t *testing.T, registry *prometheus.Registry, what string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "highwater_replica_"+what+"_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return -1
}

// What was read is applied though what is committed behind it doesn't come.
func TestHeldWithoutMore(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	o := newOwnerAt(t, fake.ListenAddrs(), "app")
	o.commit(30, 100<<10)
	first := o.position()
	for range 3 {
		o.commit(30, 100<<10)
	}
	fetches := 0
	fake.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		fetches++
		return nil, errors.New("gone"), fetches > 1
	})
	r := o.replica(open(t, vfs.NewMem()))
	run(t, r)
	if err := r.WaitFor(within(t), first); err != nil {
		t.Fatal(err)
	}
	if got, all := r.Store().Meta().Seq, o.store.Meta().Seq; got == all {
		t.Errorf("all %d batches came with one fetch", got)
	}
}

// BenchmarkRestore follows a changelog on kfake, an op an event of three rows;
// the broker's own CPU time is in the figure.
func BenchmarkRestore(b *testing.B) {
	o := newOwner(b)
	for done := 0; done < b.N; done += 5000 {
		n := min(5000, b.N-done)
		for range n {
			o.rows()
		}
		o.commit(0, 8)
	}
	// What the owner's state still had to compact would be in the figure.
	if err := o.store.Close(); err != nil {
		b.Fatal(err)
	}
	store := open(b, vfs.NewMem())
	r := o.replica(store)
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime()
	if err := r.CatchUp(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
	if store.Meta().Hash != o.store.Meta().Hash {
		b.Error("not the same")
	}
}
