package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/kafka"
	"highwater/pkg/state"
)

// Options are what a Replica is made with.
type Options struct {
	// Client are the common options of a client; see kafka.CommonOptions.
	Client []kgo.Opt
	Names  kafka.Names
	// Store is the state to write to. Its shard is the partition to follow.
	Store *state.Store
	// Logger is optional.
	Logger *slog.Logger
	// Metrics are optional.
	Metrics *Metrics
}

// Replica follows one partition of the changelog. Run and CatchUp are for one
// goroutine at a time; everything else may be called by any.
type Replica struct {
	store     *state.Store
	topic     string
	partition int32
	client    *kgo.Client
	log       *slog.Logger
	metrics   *Metrics
	label     string

	// following is held by Run and CatchUp; it guards what follows.
	following sync.Mutex
	joined    kafka.Assembler
	begun     bool  // the client reads from next on
	readyEnd  int64 // from which position on it is ready
	isReady   bool  // ready is closed
	read      int64 // offset behind what was read
	held      held  // what of it isn't applied; nothing when Run and CatchUp return
	holdFor   time.Duration

	next  atomic.Int64 // offset behind what was applied
	end   atomic.Int64 // the changelog's end, as far as known
	ready chan struct{}

	// mu guards what follows.
	mu      sync.Mutex
	waiters int           // who waits for changed
	changed chan struct{} // closed and made anew after something was read
	failed  error         // why nothing will change any more
}

// New makes a replica of what the store's changelog says. It doesn't talk to
// Kafka yet.
func New(o Options) (*Replica, error) {
	r := &Replica{
		store: o.Store, topic: o.Names.Changelog(), partition: o.Store.Shard(),
		log: o.Logger, metrics: o.Metrics, label: strconv.Itoa(int(o.Store.Shard())),
		ready: make(chan struct{}), changed: make(chan struct{}), holdFor: holdFor,
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.log = r.log.With("changelog", r.topic, "partition", r.partition)
	if r.metrics == nil {
		r.metrics = NewMetrics(nil)
	}
	client, err := kgo.NewClient(kafka.FollowerOptions(o.Client)...)
	if err != nil {
		return nil, fmt.Errorf("client of replica %d: %w", r.partition, err)
	}
	r.client = client
	r.read = o.Store.Meta().Offset + 1
	r.next.Store(r.read)
	return r, nil
}

// Run applies batches as they are committed, until the context is cancelled;
// then it returns nil.
func (r *Replica) Run(ctx context.Context) error {
	r.following.Lock()
	defer r.following.Unlock()
	err := r.begin(ctx)
	for err == nil {
		err = r.poll(ctx)
	}
	if r.settle(ctx, err) {
		return nil
	}
	return err
}

// CatchUp applies what the changelog has and the state lacks, up to the
// changelog's end as it is now. It is complete only while no transaction of
// the shard's owner can commit.
func (r *Replica) CatchUp(ctx context.Context) error {
	r.following.Lock()
	defer r.following.Unlock()
	err := r.begin(ctx)
	if err == nil {
		err = r.readTo(ctx)
	}
	r.settle(ctx, err)
	return err
}

func (r *Replica) readTo(ctx context.Context) error {
	end, err := r.askEnd(ctx)
	for err == nil && r.next.Load() < end {
		err = r.poll(ctx)
	}
	return err
}

// settle tells a stop that was asked for from a failure, after which this
// replica is of no use: what was fetched and not applied is gone.
func (r *Replica) settle(ctx context.Context, err error) (stopped bool) {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return true
	}
	r.fail(err)
	return false
}

// Close ends the client. The store stays open. REQUIRES: Run and CatchUp have
// returned, or are about to because their context is over.
func (r *Replica) Close() {
	r.following.Lock()
	defer r.following.Unlock()
	r.client.Close()
	r.metrics.forget(r.label)
	r.fail(errors.New("the replica is closed"))
}

// Store is the state that is written to.
func (r *Replica) Store() *state.Store { return r.store }

// Partition is the one that is followed.
func (r *Replica) Partition() int32 { return r.partition }

// Position is the changelog's offset behind what was applied.
func (r *Replica) Position() int64 { return r.next.Load() }

// Lag is how many records of the changelog, markers included, are known to
// come after the position.
func (r *Replica) Lag() int64 { return max(r.end.Load()-r.next.Load(), 0) }

// Hash is the hash chain's value of the state.
func (r *Replica) Hash() state.Hash { return r.store.Meta().Hash }

// Ready is closed once everything has been applied that was in the changelog
// when the replica began.
func (r *Replica) Ready() <-chan struct{} { return r.ready }

// begin reads from the state's place on, and makes sure that the changelog
// still has it. Only the first call does anything.
func (r *Replica) begin(ctx context.Context) error {
	if err := r.failure(); err != nil {
		return err
	}
	if r.begun {
		return nil
	}
	next := r.next.Load()
	end, err := r.askEnd(ctx)
	if err != nil {
		return err
	}
	if next > end {
		return r.lost(next, fmt.Sprintf("it ends at %d, but the state in %s came from its record %d", end, r.store.Dir(), next-1), nil)
	}
	r.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{r.topic: {r.partition: kgo.NewOffset().At(next)}})
	r.begun, r.readyEnd = true, end
	r.noteReady()
	return nil
}

// noteReady closes ready once that is due.
func (r *Replica) noteReady() {
	if !r.isReady && r.next.Load() >= r.readyEnd {
		r.isReady = true
		close(r.ready)
	}
}

// askEnd is the changelog's end by ListOffsets, read uncommitted: right after
// a commit the last stable offset lies before it.
func (r *Replica) askEnd(ctx context.Context) (int64, error) {
	for {
		end, err := kafka.HighWatermark(ctx, r.client, r.topic, r.partition)
		if err == nil {
			r.noteEnd(end)
			return end, nil
		}
		if kafka.ClassOf(err) != kafka.Retry || ctx.Err() != nil {
			return 0, fmt.Errorf("replica %d: %w", r.partition, err)
		}
		r.log.Debug("asking for the end failed; trying again", "error", err)
		if err := pause(ctx); err != nil {
			return 0, err
		}
	}
}

// retryEvery is the pause before Kafka is asked again after an error that
// passes; the client itself has tried for a while by then.
const retryEvery = 50 * time.Millisecond

func pause(ctx context.Context) error {
	timer := time.NewTimer(retryEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// poll takes what was fetched, waiting until there is something, and applies it,
// unless there is more to apply it with.
func (r *Replica) poll(ctx context.Context) error {
	fetches := r.fetch(ctx)
	// Records first, for they are not fetched again, whatever came with them.
	more, err := r.takeAll(fetches)
	if err == nil {
		err = r.pollError(fetches)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil && more && r.held.bytes < r.store.Group() && time.Now().Before(r.held.until) {
		r.noteLag()
		return nil
	}
	if err := r.applyHeld(); err != nil {
		return err
	}
	r.noteLag()
	r.noteReady()
	return err
}

func (r *Replica) fetch(ctx context.Context) kgo.Fetches {
	if len(r.held.records) > 0 {
		within, cancel := context.WithDeadline(ctx, r.held.until)
		defer cancel()
		ctx = within
	}
	return r.client.PollFetches(ctx)
}

func (r *Replica) noteLag() { r.metrics.lag.WithLabelValues(r.label).Set(float64(r.Lag())) }

// takeAll takes records up to the first that can't be, and reports whether more
// is committed behind them.
func (r *Replica) takeAll(fetches kgo.Fetches) (more bool, err error) {
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) > 0 {
			r.noteEnd(p.HighWatermark)
		}
		for _, record := range p.Records {
			if err == nil {
				err = r.take(record)
			}
		}
		more = len(p.Records) > 0 && r.read < p.LastStableOffset
	})
	return more, err
}

func (r *Replica) pollError(fetches kgo.Fetches) (failed error) {
	fetches.EachError(func(_ string, _ int32, err error) {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return // the poll's own end
		}
		switch kafka.ClassOf(err) {
		case kafka.Retry:
			r.log.Debug("poll failed; the client tries again", "error", err)
		case kafka.DataLoss:
			failed = r.lost(r.read, "records from here on were truncated, or deleted, or the topic was made anew", err)
		default:
			failed = fmt.Errorf("replica %d: poll: %w", r.partition, err)
		}
	})
	return failed
}

// take takes one record, in the order of offsets.
func (r *Replica) take(record *kgo.Record) error {
	offset := record.Offset
	if !record.Attrs.IsControl() {
		change, err := kafka.DecodeChangelogRecord(record.Value)
		if err != nil {
			return r.unreadable(offset, 0, err)
		}
		whole, err := r.joined.Add(&change)
		if err != nil {
			return r.unreadable(offset, change.Seq, err)
		}
		if whole {
			if err := r.hold(&change, offset); err != nil {
				return err
			}
		}
		r.metrics.bytes.Add(float64(len(record.Value)))
	}
	r.read = offset + 1
	return nil
}

func (r *Replica) noteEnd(end int64) {
	for {
		known := r.end.Load()
		if end <= known || r.end.CompareAndSwap(known, end) {
			return
		}
	}
}
