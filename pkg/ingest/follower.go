package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

const (
	// followWithin bounds the start of following a partition, which the first
	// write to it waits for; followAgain is the pause after a start that failed.
	followWithin = time.Second
	followAgain  = time.Second
	// keepFollowing is how long a partition is followed that nobody waits on,
	// so that steady traffic never pays for the start; sweepEvery is how often
	// such are looked for.
	keepFollowing = 30 * time.Second
	sweepEvery    = 5 * time.Second
	// followMaxWait is how long Kafka holds a fetch without news. A partition
	// added meanwhile is part of the next one: this is what it waits.
	followMaxWait = 50 * time.Millisecond
)

// The streams that outcomes are read from.
const (
	entryStream = iota
	letterStream
	streams
)

// follower reads outcomes as they are committed, of the partitions that
// somebody waits on, and hands them to who waits.
//
// One client reads all of them. A partition is added from its end, which is
// asked before the first event is handed to Kafka that its outcome is waited
// for: whatever becomes of the event stands behind it (I7).
type follower struct {
	client  *kgo.Client
	names   kafka.Names
	topics  [streams]string
	logger  *slog.Logger
	metrics *metrics
	// schemaByID asks the registry; nil where there is none.
	schemaByID                func(context.Context, uint32) (string, error)
	decoder                   codec.Decoder // the polling goroutine's
	maxWaiters, maxPartitions int

	// life ends with the follower; begins are the goroutines that start to
	// follow a partition.
	life   context.Context
	end    context.CancelFunc
	begins sync.WaitGroup

	// changing is held while partitions and what the client reads change, so
	// that the two change in the same order. It is locked before mu.
	changing sync.Mutex
	// mu guards what follows, and the fields of followed and waiter that say so.
	mu         sync.Mutex
	partitions map[int32]*followed
	waiters    int
	// failing says that the last try to read failed.
	failing bool
	// unreadable says that a record that couldn't be read was logged.
	unreadable bool
}

// followed is one partition that is read.
type followed struct {
	partition int32
	// begun is closed once it is read, or once that has failed.
	begun chan struct{}

	// These are guarded by the follower's mu. live says that everything from
	// its begin on is read; retryAt, unless zero, that this has failed, and when
	// it may be tried again.
	live    bool
	retryAt time.Time
	// next is what is read next of each stream; moved is closed and made anew
	// when that changes and somebody watches.
	next     [streams]int64
	moved    chan struct{}
	watchers int
	// waiting are who waits, by user; since is when the last one left.
	waiting map[string][]*waiter
	since   time.Time
}

func newFollower(cfg *Config, m *metrics) (*follower, error) {
	client, err := kgo.NewClient(append(kafka.FollowerOptions(cfg.Client), kgo.FetchMaxWait(followMaxWait))...)
	if err != nil {
		return nil, err
	}
	f := &follower{
		client: client, names: cfg.Names, logger: cfg.Logger, metrics: m, schemaByID: cfg.SchemaByID,
		topics:     [streams]string{cfg.Names.Output(kafka.Entries), cfg.Names.Output(kafka.DeadLetters)},
		maxWaiters: cfg.MaxWaiting, maxPartitions: cfg.MaxFollowed,
		partitions: make(map[int32]*followed),
	}
	f.life, f.end = context.WithCancel(context.Background())
	if f.schemaByID != nil {
		f.decoder.SchemaByID = func(id uint32) (string, error) { return f.schemaByID(f.life, id) }
	}
	return f, nil
}

// run reads until its context ends, and closes the client.
func (f *follower) run(ctx context.Context) {
	var sweeping sync.WaitGroup
	sweeping.Go(func() { f.sweep(ctx) })
	for ctx.Err() == nil {
		fetches := f.client.PollFetches(ctx)
		// Records first: they are not fetched again, whatever came with them.
		fetches.EachPartition(f.take)
		failed := f.failures(fetches)
		if err := failed[everyPartition]; err != nil {
			f.restart(err)
			continue
		}
		for partition, err := range failed {
			f.lose(partition, err)
		}
	}
	sweeping.Wait()
	f.mu.Lock()
	f.end() // no partition is begun any more
	f.mu.Unlock()
	f.begins.Wait()
	f.client.Close()
}

// everyPartition stands for all of them; it is also kgo's word for a topic as
// a whole.
const everyPartition = -1

// failures are why reading can't go on as it is, by partition.
func (f *follower) failures(fetches kgo.Fetches) map[int32]error {
	failed := make(map[int32]error)
	fetches.EachError(func(topic string, partition int32, err error) {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return // the poll's own end
		}
		if kafka.ClassOf(err) == kafka.Retry {
			f.logger.Debug("outcomes can't be read; the client tries again", "topic", topic, "partition", partition, "error", err)
			return
		}
		failed[partition] = fmt.Errorf("read %s/%d: %w", topic, partition, err)
		if isOfTopic(err) {
			failed[everyPartition] = failed[partition]
		}
	})
	return failed
}

// isOfTopic reports whether an error that comes with a partition is of its
// topic: that is another one now, or can't be read at all.
func isOfTopic(err error) bool {
	return errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, kerr.InconsistentTopicID) || errors.Is(err, kerr.TopicAuthorizationFailed)
}

// take hands on what was read of one partition of a stream.
func (f *follower) take(p kgo.FetchTopicPartition) {
	if len(p.Records) == 0 {
		return
	}
	stream := slices.Index(f.topics[:], p.Topic)
	for _, r := range f.awaited(stream, &p) {
		if o, id, ok := f.read(stream, r); ok {
			f.hand(r, id, &o)
		}
	}
	f.advance(p.Partition, stream, p.Records[len(p.Records)-1].Offset+1)
}

// awaited are the records of users that somebody waits on now: who begins to
// wait later writes later, and none of these is of that event. What was read
// before the partition was followed anew isn't awaited.
func (f *follower) awaited(stream int, p *kgo.FetchTopicPartition) (records []*kgo.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	of := f.partitions[p.Partition]
	if of == nil || !of.live || len(of.waiting) == 0 {
		return nil
	}
	for _, r := range p.Records {
		if !r.Attrs.IsControl() && r.Offset >= of.next[stream] && len(of.waiting[string(r.Key)]) > 0 {
			records = append(records, r)
		}
	}
	return records
}

// isAwaited reports whether somebody waits for an event of a record's user.
func (f *follower) isAwaited(r *kgo.Record, id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	of := f.partitions[r.Partition]
	return of != nil && slices.ContainsFunc(of.waiting[string(r.Key)], func(w *waiter) bool { return w.id == id })
}

// read is the outcome in a record that somebody may wait for, and the event_id
// of its event where the record says it.
func (f *follower) read(stream int, r *kgo.Record) (o outcome, id string, ok bool) {
	var err error
	if stream == letterStream {
		o, err = outcomeOfLetter(r, f.names)
	} else {
		var e event.Entry
		if err = f.decoder.DecodeEntry(r.Value, &e); err == nil {
			// One that was received is of another user's event.
			if e.Kind == event.Received || !f.isAwaited(r, e.EventID) {
				return outcome{}, "", false
			}
			if slices.ContainsFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == kafka.HeaderOmitted }) {
				return outcome{}, "", false // the query service has it whole
			}
			o, id = outcomeOfEntry(&e), e.EventID
		}
	}
	if err != nil {
		f.metrics.unreadable.Inc()
		f.mu.Lock()
		defer f.mu.Unlock()
		if !f.unreadable {
			f.unreadable = true
			f.logger.Warn("an outcome can't be read; outcomes are asked of the query service where this goes on",
				"topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", err)
		}
		return outcome{}, "", false
	}
	return o, id, true
}

// hand gives an outcome to who waits for it.
func (f *follower) hand(r *kgo.Record, id string, o *outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	of := f.partitions[r.Partition]
	if of == nil {
		return
	}
	for _, w := range of.waiting[string(r.Key)] {
		if o.isLetter() || w.id == id {
			w.sees(o)
		}
	}
}

// advance notes how far a stream was handed on.
func (f *follower) advance(partition int32, stream int, next int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	of := f.partitions[partition]
	if of == nil || next <= of.next[stream] {
		return
	}
	of.next[stream] = next
	of.wake()
}

// wake wakes who watches. REQUIRES: follower.mu.
func (of *followed) wake() {
	if of.watchers > 0 {
		close(of.moved)
		of.moved = make(chan struct{})
	}
}

// expect is a waiter for an event that isn't written yet; nil where too many
// wait already. The first one of a partition waits until it is followed, at
// most until ctx ends.
func (f *follower) expect(ctx context.Context, partition int32, user, id string) *waiter {
	w := newWaiter(f, user, id)
	if !f.admit(w, partition) {
		return nil
	}
	if w.of == nil {
		return w
	}
	select {
	case <-w.of.begun:
	case <-ctx.Done():
		f.mu.Lock()
		defer f.mu.Unlock()
		w.missed = true // it may be written before the follower has begun
	}
	return w
}

func (f *follower) admit(w *waiter, partition int32) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiters == f.maxWaiters {
		return false
	}
	f.waiters++
	of := f.partitions[partition]
	if of != nil && !of.retryAt.IsZero() && time.Now().After(of.retryAt) {
		delete(f.partitions, partition)
		of = nil
	}
	if of == nil && len(f.partitions) < f.maxPartitions && f.life.Err() == nil {
		of = &followed{partition: partition, begun: make(chan struct{}), moved: make(chan struct{}), waiting: make(map[string][]*waiter)}
		f.partitions[partition] = of
		f.begins.Go(func() { f.begin(of) })
	}
	if of != nil {
		w.of = of
		of.waiting[w.user] = append(of.waiting[w.user], w)
	}
	return true
}

// leave ends a wait.
func (f *follower) leave(w *waiter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiters--
	if w.of == nil {
		return
	}
	left := slices.DeleteFunc(w.of.waiting[w.user], func(o *waiter) bool { return o == w })
	if len(left) > 0 {
		w.of.waiting[w.user] = left
		return
	}
	delete(w.of.waiting, w.user)
	if len(w.of.waiting) == 0 {
		w.of.since = time.Now()
	}
}

// begin reads a partition from its end on.
func (f *follower) begin(of *followed) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(f.life, followWithin)
	defer cancel()
	ends, err := kafka.HighWatermarks(ctx, f.client, of.partition, f.topics[:]...)
	f.changing.Lock()
	defer f.changing.Unlock()
	defer close(of.begun)
	if !f.isBegun(of, ends, err) {
		return
	}
	from := make(map[string]map[int32]kgo.Offset, streams)
	for _, topic := range f.topics {
		from[topic] = map[int32]kgo.Offset{of.partition: kgo.NewOffset().At(ends[topic])}
	}
	f.client.AddConsumePartitions(from)
	f.metrics.followSeconds.Observe(time.Since(began).Seconds())
}

// isBegun notes how a begin went, and reports whether the partition is to be
// read. REQUIRES: f.changing.
func (f *follower) isBegun(of *followed, ends map[string]int64, err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !of.retryAt.IsZero() {
		return false // it was given up meanwhile
	}
	if err != nil {
		of.giveUp()
		f.fail(err)
		return false
	}
	of.live = true
	for stream, topic := range f.topics {
		of.next[stream] = ends[topic]
	}
	if f.failing {
		f.failing = false
		f.logger.Info("outcomes are read again")
	}
	return true
}

// giveUp ends the following of a partition for a while. REQUIRES: follower.mu.
func (of *followed) giveUp() {
	of.live, of.retryAt = false, time.Now().Add(followAgain)
	of.wake()
}

// fail counts a failure, and logs the first of several. REQUIRES: f.mu.
func (f *follower) fail(err error) {
	if f.life.Err() != nil {
		return
	}
	f.metrics.followFailures.Inc()
	if !f.failing {
		f.failing = true
		f.logger.Warn("outcomes can't be read; they are asked of the query service until they can", "error", err)
	}
}

// lose gives up a partition: reading it failed in a way that doesn't pass by
// itself. Later writes begin anew; who waits now asks the query service.
func (f *follower) lose(partition int32, err error) {
	f.changing.Lock()
	defer f.changing.Unlock()
	f.mu.Lock()
	f.fail(err)
	if of := f.partitions[partition]; of != nil {
		of.giveUp()
	}
	f.mu.Unlock()
	f.unread([]int32{partition})
}

// unread makes the client read partitions no more. REQUIRES: f.changing.
func (f *follower) unread(partitions []int32) {
	f.client.RemoveConsumePartitions(map[string][]int32{
		f.topics[entryStream]: partitions, f.topics[letterStream]: slices.Clone(partitions),
	})
}

// restart gives up every partition, as lose does, and what the client knows of
// the topics.
func (f *follower) restart(err error) {
	f.changing.Lock()
	defer f.changing.Unlock()
	f.mu.Lock()
	f.fail(err)
	for _, of := range f.partitions {
		of.giveUp()
	}
	f.mu.Unlock()
	f.client.PurgeTopicsFromClient(slices.Clone(f.topics[:])...) // it sorts what it is given
}

// sweep stops to follow partitions that nobody has waited on for a while.
func (f *follower) sweep(ctx context.Context) {
	again := time.NewTicker(sweepEvery)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-again.C:
			f.drop(now.Add(-keepFollowing))
		}
	}
}

// drop stops to follow partitions that nobody has waited on since before.
func (f *follower) drop(before time.Time) {
	f.changing.Lock()
	defer f.changing.Unlock()
	var idle []int32
	f.mu.Lock()
	for partition, of := range f.partitions {
		if len(of.waiting) == 0 && of.since.Before(before) && (of.live || !of.retryAt.IsZero()) {
			if of.live {
				idle = append(idle, partition)
			}
			of.live = false
			delete(f.partitions, partition)
		}
	}
	f.mu.Unlock()
	if idle != nil {
		f.unread(idle)
	}
}

// readLetters waits until every dead letter that is committed now was handed
// on. It is false where that can't be known for this waiter.
func (f *follower) readLetters(ctx context.Context, w *waiter) bool {
	if f.mayMiss(w) {
		return false
	}
	end, err := kafka.HighWatermark(ctx, f.client, f.topics[letterStream], w.of.partition)
	if err != nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for !w.isBlind() && ctx.Err() == nil {
		if w.of.next[letterStream] >= end {
			return true
		}
		w.of.watchers++
		moved := w.of.moved
		f.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
		}
		f.mu.Lock()
		w.of.watchers--
	}
	return false
}

// mayMiss reports whether a waiter's outcome may be missed here.
func (f *follower) mayMiss(w *waiter) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return w.isBlind()
}

// count is what is waited for and read now, for metrics.
func (f *follower) count() (waiters, partitions int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waiters, len(f.partitions)
}
