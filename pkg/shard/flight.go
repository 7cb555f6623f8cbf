package shard

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/kafka"
	"highwater/pkg/state"
)

// flight is one batch on its way to Kafka.
type flight struct {
	batch *state.Batch
	seq   int64
	chain state.Hash
	out   *outbox

	events     int
	inputBytes int
	taken      [kafka.ReadTopics]int

	// err is nil where the transaction was committed for sure; offset is then
	// where the batch's last record stands in the changelog.
	err    error
	offset int64
}

// committer carries flights to Kafka, one at a time, in a goroutine of its
// own. Nothing else produces with its client.
type committer struct {
	client  *kgo.Client
	metrics *Metrics
	hooks   *hooks
	todo    chan *flight
	done    chan *flight
	// knowsTopics tells that the client has learned where the changelog is.
	knowsTopics bool

	mu sync.Mutex
	// wake ends the poll that the owner is in.
	wake context.CancelFunc
}

func newCommitter(client *kgo.Client, metrics *Metrics, hooks *hooks) *committer {
	return &committer{client: client, metrics: metrics, hooks: hooks, todo: make(chan *flight, 1), done: make(chan *flight, 1)}
}

// run carries flights until todo is closed.
func (c *committer) run(ctx context.Context) {
	for f := range c.todo {
		f.err = c.carry(ctx, f)
		c.done <- f
		c.wakeOwner()
	}
}

// onLanding sets what is called when a flight has landed. A flight that lands
// before is in done already.
func (c *committer) onLanding(wake context.CancelFunc) {
	c.mu.Lock()
	c.wake = wake
	c.mu.Unlock()
}

func (c *committer) wakeOwner() {
	c.mu.Lock()
	wake := c.wake
	c.mu.Unlock()
	if wake != nil {
		wake()
	}
}

// carry runs one transaction. Any error leaves open whether it happened; a
// cancelled context makes it one, as long as the commit wasn't asked for.
func (c *committer) carry(ctx context.Context, f *flight) error {
	began := time.Now()
	if err := c.client.BeginTransaction(); err != nil {
		return fmt.Errorf("begin transaction of batch %d: %w", f.seq, err)
	}
	if err := c.produce(ctx, f); err != nil {
		return fmt.Errorf("produce batch %d: %w", f.seq, err)
	}
	if !c.knowsTopics {
		c.learnTopics()
	}
	c.metrics.spent(phaseProduce, began)
	if c.hooks.produced != nil {
		c.hooks.produced()
	}
	began = time.Now()
	// A cancelled commit may have happened: it is never cancelled.
	if err := c.commit(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("commit batch %d: %w", f.seq, err)
	}
	c.metrics.spent(phaseCommit, began)
	f.offset = f.out.changes[len(f.out.changes)-1].Offset
	return nil
}

// learnTopics waits until the client has stored what it learned of the topics
// that it wrote for the first time. It lets go of records that waited for a
// topic a moment before it stores the topic's partitions; a commit in between
// finds no partition written, and silently aborts (franz-go v1.22.2,
// storePartitionsUpdate and EndTransaction). Every transaction writes the
// changelog: once that is stored, a commit is one.
func (c *committer) learnTopics() {
	// Forgetting a topic that it never had is done where topics are stored.
	c.client.PurgeTopicsFromProducing("-")
	c.knowsTopics = true
}

func (c *committer) commit(ctx context.Context) error {
	if c.hooks.commit != nil {
		return c.hooks.commit(ctx, c.client)
	}
	return c.client.EndTransaction(ctx, kgo.TryCommit)
}

// produce writes every record of the flight and returns nil only if each of
// them was acknowledged (I4): the client would commit the others without
// complaint.
func (c *committer) produce(ctx context.Context, f *flight) error {
	var mu sync.Mutex
	var failed error
	acknowledged := 0
	promise := func(r *kgo.Record, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			acknowledged++
		} else if failed == nil || errors.Is(failed, kgo.ErrAborting) {
			failed = unwritten(r.Topic, err)
		}
	}
	buffered := 0
	for r := range f.out.each {
		if buffered == kafka.MaxTransactionRecords {
			if err := c.client.Flush(ctx); err != nil {
				return err
			}
			buffered = 0
		}
		c.client.Produce(ctx, r, promise)
		buffered++
	}
	if err := c.client.Flush(ctx); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	if failed != nil {
		return failed
	}
	if acknowledged != f.out.count {
		panic(fmt.Sprintf("shard: I4: %d of %d records acknowledged after a flush", acknowledged, f.out.count))
	}
	return nil
}

// unwritten says what a producer's error means for people.
func unwritten(topic string, err error) error {
	if kafka.ClassOf(err) == kafka.DataLoss {
		return &kafka.LossError{
			Missing: fmt.Sprintf("topic %s was deleted and created again while it was written: what it had is gone", topic),
			Action:  sendAgain,
			Err:     err,
		}
	}
	return fmt.Errorf("to %s: %w", topic, err)
}
