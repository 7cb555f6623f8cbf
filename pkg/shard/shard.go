package shard

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

	"highwater/pkg/codec"
	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/state"
)

// Shard is one partition's owner, for as long as the group gives the
// partition to this process.
type Shard struct {
	cfg    Config
	id     int32
	label  string
	store  *state.Store
	rows   *state.Rows
	log    *slog.Logger
	status atomic.Pointer[Status]

	client    *kgo.Client
	committer *committer
	lineage   kafka.Lineage
	// lineageKept is true once the state has it.
	lineageKept bool
	// reads are the names of the topics it reads.
	reads   [kafka.ReadTopics]string
	topicOf map[string]event.Topic
	skips   map[event.Position]struct{}

	decoder *codec.Decoder
	// record and remittance are those being taken.
	record     engine.Record
	remittance event.Remittance
	// registryErr is why the decoder couldn't ask the registry.
	registryErr error

	engine *engine.Engine
	sink   sink
	inbox  inbox
	open   batch
	flying *flight
	idle   []*outbox
	// positions are behind what was taken, landed or not.
	positions kafka.Positions
	// readyAt is when the pace allows the next produce, tickAt when the time
	// may have something to say, heldUntil when the inbox may be looked at.
	readyAt, tickAt, heldUntil time.Time
	// lagsSince is since when the inbox lacks older records; zero if it doesn't.
	lagsSince time.Time
	// halt is why no more records are taken; what was taken is committed first.
	halt error

	publishing  sync.WaitGroup
	publishedAt time.Time
	published   kafka.Positions
	isPublished atomic.Bool // no publication is under way
}

// sink hands what the engine says to the outbox of the batch being computed.
type sink struct{ *outbox }

// batch is what is being computed.
type batch struct {
	begun       time.Time // zero where there is none
	processedAt event.Time
	out         *outbox
	events      int
	inputBytes  int
	taken       [kafka.ReadTopics]int
}

func (b *batch) isOpen() bool { return !b.begun.IsZero() }

// Status is how far a shard is.
type Status struct {
	Shard int32
	// Owner is true once the shard has been taken over.
	Owner     bool
	Positions kafka.Positions
	Watermark event.Time
	Seq       int64
	Chain     state.Hash
}

// New is a shard over its state, which it doesn't own: the caller opens it
// before, and flushes and closes it after Run.
func New(cfg Config, store *state.Store) *Shard {
	cfg.fillDefaults()
	s := &Shard{
		cfg: cfg, id: store.Shard(), label: strconv.Itoa(int(store.Shard())), store: store, rows: store.Rows(),
		log:     cfg.Logger.With("shard", store.Shard()),
		reads:   kafka.ReadNames(cfg.Names),
		topicOf: make(map[string]event.Topic),
	}
	for i, name := range s.reads {
		s.topicOf[name] = event.Grants + event.Topic(i)
	}
	s.isPublished.Store(true)
	s.status.Store(&Status{Shard: s.id})
	return s
}

// Status may be asked for at any time.
func (s *Shard) Status() Status { return *s.status.Load() }

// Run takes the shard over and processes until the context is cancelled, then
// lands what is on its way and returns nil; where the cause is ErrLost it
// drops everything at once. ErrFenced, or an error for a person, otherwise.
func (s *Shard) Run(ctx context.Context) (err error) {
	s.cfg.Metrics.owned.Inc()
	defer s.cfg.Metrics.owned.Dec()
	defer s.cfg.Metrics.forget(s.id)
	if b := s.cfg.Accounts; b != nil {
		b.shards.Add(1)
		defer b.shards.Add(-1)
	}

	client, err := kgo.NewClient(kafka.ShardOptions(s.cfg.Client, s.cfg.Names, s.id)...)
	if err != nil {
		return fmt.Errorf("client of shard %d: %w", s.id, err)
	}
	s.client = client
	// Nothing is read before the shard is taken over: a fetch that waits for
	// news would hold up the first one of the inputs.
	client.PauseFetchPartitions(s.ownShards())
	// I1: a client never outlives the assignment it was made for.
	defer client.Close()
	defer s.publishing.Wait()
	defer s.rows.Abort()

	if err := s.takeOver(ctx); err != nil {
		return s.ended(ctx, fmt.Errorf("take over shard %d: %w", s.id, err))
	}
	// What flies is stopped by closing the client only, so that a graceful
	// stop may still land it.
	carrying, drop := context.WithCancel(context.WithoutCancel(ctx))
	defer drop()
	s.committer = newCommitter(client, s.cfg.Metrics, &s.cfg.hooks)
	var carried sync.WaitGroup
	carried.Go(func() { s.committer.run(carrying) })
	defer func() {
		close(s.committer.todo)
		drop()
		client.Close()
		carried.Wait()
	}()
	return s.ended(ctx, s.cycle(ctx))
}

// ended tells a stop that was asked for from a failure.
func (s *Shard) ended(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && kafka.ClassOf(err) != kafka.DataLoss:
		s.log.Debug("shard stopped in the middle", "error", err)
		return nil
	case errors.Is(err, ErrFenced):
		s.cfg.Metrics.fenced.Inc()
		s.log.Warn("shard was taken over", "error", err)
	}
	return err
}

// report shows how far the shard is.
func (s *Shard) report() {
	meta := s.store.Meta()
	s.status.Store(&Status{
		Shard: s.id, Owner: true, Positions: meta.Positions, Watermark: meta.Watermark, Seq: meta.Seq, Chain: meta.Hash,
	})
	s.cfg.Metrics.watermark.WithLabelValues(s.label).Set(float64(meta.Watermark) / 1e6)
	s.cfg.Metrics.seq.WithLabelValues(s.label).Set(float64(meta.Seq))
}

// publish shows the positions as a group's offsets, for tools that display
// lag: now and then, in the background, and without consequence where it
// fails.
func (s *Shard) publish(ctx context.Context, now time.Time) {
	positions := kafka.Positions(s.store.Meta().Positions)
	if now.Sub(s.publishedAt) < publishEvery || positions == s.published || !s.isPublished.CompareAndSwap(true, false) {
		return
	}
	s.publishedAt, s.published = now, positions
	s.publishing.Go(func() {
		defer s.isPublished.Store(true)
		ctx, cancel := context.WithTimeout(ctx, publishEvery)
		defer cancel()
		if err := kafka.PublishPositions(ctx, s.client, s.cfg.Names, s.id, positions); err != nil {
			s.log.Debug("positions were not published", "error", err)
		}
	})
}
