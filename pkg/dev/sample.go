package dev

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/trace"
)

const (
	// sampleEvery is how often what is due of the sample is sent.
	sampleEvery = 20 * time.Millisecond
	// opening is the share of the sample that is there before the processor
	// is: news from every partition, so that the watermark follows the
	// sample's times and not the clock, which is an hour ahead.
	opening = 0.01
)

// sample sends the trace, an hour that ends now, faster than it was.
type sample struct {
	names      kafka.Names
	client     []kgo.Opt
	partitions int32
	over       time.Duration

	records  []trace.Record
	producer *kgo.Client
	sent     atomic.Int64
	// lost is the first error of Kafka's.
	lost atomic.Pointer[error]
	// done is closed when all is sent.
	done chan struct{}
}

func newSample(names kafka.Names, client []kgo.Opt, partitions int32, over time.Duration) *sample {
	return &sample{names: names, client: client, partitions: partitions, over: over, done: make(chan struct{})}
}

// open connects and sends the opening. A sample that is there already isn't
// sent again: its events would be others under the same ids.
func (s *sample) open(ctx context.Context) error {
	var err error
	if s.producer, err = kgo.NewClient(append(s.client, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))...); err != nil {
		return err
	}
	for partition := range s.partitions {
		end, err := kafka.HighWatermark(ctx, s.producer, s.names.Input(event.Subtracts), partition)
		if err != nil {
			return err
		}
		if end > 0 {
			return nil
		}
	}
	options := trace.Defaults()
	options.End = event.TimeOf(time.Now())
	options.JSON = true
	s.records = trace.Generate(options)
	s.send(ctx, int(opening*float64(len(s.records))))
	return s.producer.Flush(ctx)
}

// total is how many records there are; 0 where none are sent.
func (s *sample) total() int { return len(s.records) }

// send hands over records up to the n-th.
func (s *sample) send(ctx context.Context, n int) {
	for _, r := range s.records[s.sent.Load():n] {
		record := &kgo.Record{
			Topic: s.names.Input(r.Topic), Partition: kafka.PartitionOf(r.Key, s.partitions), Key: r.Key, Value: r.Value,
		}
		s.producer.Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil {
				s.lost.CompareAndSwap(nil, &err)
			}
		})
	}
	s.sent.Store(int64(n))
}

// run sends the rest at its pace: who comes when was decided by the trace.
func (s *sample) run(ctx context.Context) error {
	defer s.producer.Close()
	if n := len(s.records); n > 0 {
		if err := s.flow(ctx, s.records[s.sent.Load()].At, s.records[n-1].At); err != nil {
			return err
		}
	}
	close(s.done)
	<-ctx.Done()
	return ctx.Err()
}

func (s *sample) flow(ctx context.Context, first, last event.Time) error {
	began, tick := time.Now(), time.NewTicker(sampleEvery)
	defer tick.Stop()
	for int(s.sent.Load()) < len(s.records) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		share := float64(time.Since(began)) / float64(s.over)
		until := first + event.Time(share*float64(last-first))
		n := int(s.sent.Load())
		for n < len(s.records) && s.records[n].At <= until {
			n++
		}
		s.send(ctx, n)
		if lost := s.lost.Load(); lost != nil {
			return fmt.Errorf("send the sample: %w", *lost)
		}
	}
	return s.producer.Flush(ctx)
}
