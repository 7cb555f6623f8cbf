package shard

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/state"
)

// offline is a shard whose transactions land at once, without Kafka.
type offline struct {
	*Shard
	offset int64
}

func newOffline(b *testing.B) *offline {
	b.Helper()
	c := &cluster{t: b, names: kafka.Names{Application: "app"}, partitions: 1}
	cfg := c.config()
	cfg.Engine.CacheBytes = 512 << 20
	store, err := state.Open(state.Options{Dir: b.TempDir(), Sparse: engine.Sparse()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	})
	o := &offline{Shard: New(cfg, store)}
	o.lineage.Partitions, o.lineageKept = 1, true
	o.decoder = o.newDecoder(context.Background())
	o.committer = newCommitter(nil, o.cfg.Metrics, &o.cfg.hooks)
	if err := o.forget(); err != nil {
		b.Fatal(err)
	}
	o.publishedAt = time.Now().Add(time.Hour)
	return o
}

// process takes records from poll to the applied state, a batch at a time.
func (o *offline) process(b *testing.B, topic event.Topic, records []*kgo.Record) {
	b.Helper()
	o.inbox.add(topic, records)
	for !o.inbox.empty() {
		for !o.inbox.empty() && !o.isFull() {
			o.fill()
		}
		if err := o.send(time.Now()); err != nil {
			b.Fatal(err)
		}
		f := <-o.committer.todo
		o.offset++
		f.offset = o.offset
		if err := o.apply(context.Background(), f); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkShard is a shard without Kafka: decode, engine, state, outputs and
// changelog of events on time, in batches of 5,000. cpu-ns/event counts every
// goroutine, the state's compactions included.
func BenchmarkShard(b *testing.B) {
	for _, users := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			o := newOffline(b)
			start := time.Now().Add(-time.Hour)
			encoder := codec.SingleObject()
			var e event.Event
			record := func(topic event.Topic, user int, offset int64) *kgo.Record {
				name := "user-" + strconv.Itoa(user)
				e.User, e.Asset = name, event.DefaultAsset
				e.OccurredAt = event.TimeOf(start).Add(offset * 100)
				return &kgo.Record{
					Topic: topic.String(), Key: []byte(name), Value: encoder.AppendEvent(nil, &e),
					Offset: offset, Timestamp: e.OccurredAt.AsTime(),
				}
			}
			var grants []*kgo.Record
			for u := range users {
				e.Clear()
				e.ID = "grant-" + strconv.Itoa(u)
				e.Kind, e.Ref, e.Amount = event.Grant, e.ID, 1_000_000_000
				grants = append(grants, record(event.Grants, u, int64(u)))
			}
			o.process(b, event.Grants, grants)
			const size = DefaultMaxEvents
			next := 0
			batch := func() []*kgo.Record {
				records := make([]*kgo.Record, size)
				for i := range records {
					e.Clear()
					e.ID = "3f2c8a1e-77b0-4f6e-9c55-" + strconv.Itoa(1_000_000_000+next)
					e.Kind, e.Amount = event.Subtract, 7
					records[i] = record(event.Subtracts, next*7919%users, int64(next))
					next++
				}
				return records
			}
			runtime.GC()
			var spent, cpu time.Duration
			batches := 0
			for b.Loop() {
				b.StopTimer()
				records := batch()
				began, cpuBegan := time.Now(), cpuTime(b)
				b.StartTimer()
				o.process(b, event.Subtracts, records)
				spent += time.Since(began)
				cpu += cpuTime(b) - cpuBegan
				batches++
			}
			events := float64(batches * size)
			b.ReportMetric(events/spent.Seconds(), "events/s")
			b.ReportMetric(float64(cpu.Nanoseconds())/events, "cpu-ns/event")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// cpuTime is what the process has used of the processors.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
