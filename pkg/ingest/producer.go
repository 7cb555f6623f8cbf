package ingest

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// linger is how long a batch waits for more events: nobody notices it, and
// under load it makes a request of many events.
const linger = time.Millisecond

// leastDelivery is the shortest delivery time-out that kgo knows.
const leastDelivery = time.Second

// producer hands events to Kafka. It is safe for concurrent use.
type producer struct {
	client  *kgo.Client
	topics  *topics
	names   [event.Orders + 1]string
	encoder *codec.Encoder
	timeout time.Duration
	// slots has a place for each event that waits for Kafka, answered or not
	// (I4).
	slots   chan struct{}
	metrics *metrics
}

func newProducer(cfg *Config, m *metrics) (*producer, error) {
	client, err := kgo.NewClient(append(append([]kgo.Opt{}, cfg.Client...),
		// I1: acknowledged means on all in-sync replicas, and written once
		// however often a request is sent.
		kgo.RequiredAcks(kgo.AllISRAcks()),
		// I3.
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(linger),
		// The slots are the bound; kgo's must not be met before them.
		kgo.MaxBufferedRecords(cfg.MaxBuffered+1),
		// Gives up what was never sent; what was is tried until its fate is
		// known, long after its request was answered.
		kgo.RecordDeliveryTimeout(max(cfg.ProduceTimeout, leastDelivery)),
	)...)
	if err != nil {
		return nil, err
	}
	p := &producer{
		client: client, topics: newTopics(client, cfg.Names, cfg.Logger),
		encoder: cfg.Encoder, timeout: cfg.ProduceTimeout,
		slots: make(chan struct{}, cfg.MaxBuffered), metrics: m,
	}
	for _, t := range event.Inputs {
		p.names[t] = cfg.Names.Input(t)
	}
	return p, nil
}

// write hands an event, which must have passed its check, to Kafka. It waits
// while too many events wait already, at most until the time-out is over, and
// also for a sender who seems to have gone: that only says that no more comes
// from there. Nothing of e is kept.
func (p *producer) write(e *event.Event) *write {
	w := &write{id: strings.Clone(e.ID), begun: time.Now(), timeout: p.timeout, done: make(chan struct{})}
	if err := p.admit(w); err != nil {
		w.never, w.err = true, err
		close(w.done)
		return w
	}
	topic := e.Kind.Topic()
	record := &kgo.Record{
		Topic: p.names[topic], Partition: kafka.PartitionOf(e.User, p.topics.partitions),
		Key: []byte(e.User), Value: p.encoder.AppendEvent(nil, e),
	}
	// Without a context that ends: kgo would fail all that waits for the same
	// partition with it, other requests' events too.
	p.client.Produce(context.Background(), record, func(r *kgo.Record, err error) {
		<-p.slots
		w.err = err
		w.position = event.Position{Topic: topic, Partition: r.Partition, Offset: r.Offset}
		if err == nil {
			p.metrics.produceSeconds.Observe(time.Since(w.begun).Seconds())
		}
		close(w.done)
	})
	return w
}

// admit waits for the topics to be known and for a slot.
func (p *producer) admit(w *write) error {
	if err := p.topics.why(); err != nil {
		return err
	}
	if p.topics.isKnown() {
		select {
		case p.slots <- struct{}{}:
			return nil
		default:
		}
	}
	ctx, cancel := context.WithDeadline(context.Background(), w.begun.Add(w.timeout))
	defer cancel()
	if err := p.topics.wait(ctx); err != nil {
		return err
	}
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errFull
	}
}

var errFull = errors.New("too many events wait for Kafka already")

// close hands over what is left, within ctx.
func (p *producer) close(ctx context.Context) error {
	err := p.client.Flush(ctx)
	p.client.Close()
	return err
}
