package shard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/state"
)

// cycle processes until the context is cancelled or the shard can't go on.
func (s *Shard) cycle(ctx context.Context) error {
	s.tickAt = time.Now().Add(tickEvery)
	for {
		if ctx.Err() != nil {
			return s.finish(ctx)
		}
		if err := s.step(ctx); err != nil {
			return err
		}
	}
}

// step does what is due, then waits for more.
func (s *Shard) step(ctx context.Context) error {
	waiting, wake := context.WithCancel(ctx)
	defer wake()
	s.committer.onLanding(wake)
	if err := s.land(ctx); err != nil {
		return err
	}
	s.fill()
	if s.hasLanded() {
		return nil
	}
	now := time.Now()
	if s.mayGo(now) {
		return s.send(now)
	}
	if s.isTick(now) {
		return s.tick(now)
	}
	if s.halt != nil && s.flying == nil && !s.open.isOpen() {
		return s.halt
	}
	if !s.inbox.empty() && !s.isFull() && s.halt == nil && !now.Before(s.heldUntil) && !s.awaits(now) {
		return nil
	}
	return s.wait(waiting, wake)
}

// wait polls where records can be taken, and otherwise only lets time pass,
// until something is due or wake is called.
func (s *Shard) wait(waiting context.Context, wake context.CancelFunc) error {
	began := time.Now()
	defer s.cfg.Metrics.spent(phasePoll, began)
	if due, ok := s.nextDue(); ok {
		defer time.AfterFunc(due.Sub(began), wake).Stop()
	}
	if !s.inbox.empty() && !s.awaits(began) || s.isFull() || s.halt != nil {
		<-waiting.Done()
		return nil
	}
	fetches, err := s.poll(waiting)
	if err != nil {
		return err
	}
	return s.receive(fetches)
}

// nextDue is when something is due that neither a record nor a landing brings.
func (s *Shard) nextDue() (due time.Time, ok bool) {
	switch {
	case s.flying != nil:
		return time.Time{}, false
	case s.open.isOpen():
		now := time.Now()
		due = s.leavesAt(now)
		if !s.inbox.empty() && s.awaits(now) && s.awaitedTo().Before(due) {
			due = s.awaitedTo()
		}
		return due, true
	case s.engine.Busy():
		return s.readyAt, true
	case !s.inbox.empty() && s.awaits(time.Now()):
		return s.awaitedTo(), true
	case !s.inbox.empty():
		return s.heldUntil, true
	}
	return s.tickAt, true
}

// awaitedTo is until when records wait for older ones. REQUIRES: awaits.
func (s *Shard) awaitedTo() time.Time { return s.lagsSince.Add(awaitWithin) }

// isFull reports whether the batch takes no more: it is large, or the
// watermark's move needs it and more.
func (s *Shard) isFull() bool {
	b := &s.open
	return b.isOpen() && (s.engine.Busy() || b.events >= s.cfg.MaxEvents || b.inputBytes >= s.cfg.MaxBytes ||
		b.out.size >= 4*s.cfg.MaxBytes || s.rows.Size() >= 4*s.cfg.MaxBytes)
}

// mayGo reports whether the batch may leave now.
func (s *Shard) mayGo(now time.Time) bool {
	return s.flying == nil && s.open.isOpen() && !now.Before(s.leavesAt(now))
}

// leavesAt is when the open batch leaves as things are: when the pace allows it,
// if waiting would bring nothing, and else when that has taken long enough.
// Where as much waits as another batch takes, what a transaction costs is better
// paid once for many. REQUIRES: a batch is open.
func (s *Shard) leavesAt(now time.Time) time.Time {
	if s.isFull() || s.halt != nil || now.Before(s.heldUntil) {
		return s.readyAt
	}
	age := maxBatchAge
	switch {
	case s.inbox.backlog() >= int64(s.cfg.MaxEvents):
		age = maxBacklogAge
	case s.inbox.empty() || s.awaits(now):
		return s.readyAt
	}
	if grown := s.open.begun.Add(age); grown.After(s.readyAt) {
		return grown
	}
	return s.readyAt
}

// isTick reports whether the time may have something to say.
func (s *Shard) isTick(now time.Time) bool {
	return s.flying == nil && !s.open.isOpen() && s.halt == nil && !now.Before(s.readyAt) &&
		(s.engine.Busy() || !now.Before(s.tickAt))
}

// tick runs a transaction without records, and sends it if it says anything.
func (s *Shard) tick(now time.Time) error {
	s.begin()
	return s.send(now)
}

// begin begins a batch where none is open.
func (s *Shard) begin() {
	if s.open.isOpen() {
		return
	}
	out := s.idle[len(s.idle)-1]
	s.idle = s.idle[:len(s.idle)-1]
	now := s.cfg.hooks.now()
	out.stamp = now
	s.open = batch{begun: time.Now(), processedAt: event.TimeOf(now), out: out}
	s.sink.outbox = out
	if b := s.cfg.Accounts; b != nil {
		s.engine.SetCacheBytes(b.share())
	}
	s.engine.Begin(s.open.processedAt)
}

// send ends the batch and hands it to the committer. Where it took nothing and
// says nothing, the rows that the engine keeps about the time go with the next
// one.
func (s *Shard) send(now time.Time) error {
	began := time.Now()
	s.tickAt = now.Add(tickEvery)
	b := s.open
	if b.out.refused != nil {
		return b.out.refused
	}
	if err := s.engine.Commit(); err != nil {
		return fmt.Errorf("compute batch of shard %d: %w", s.id, err)
	}
	if b.events == 0 && b.out.empty() {
		b.out.reset()
		s.idle = append(s.idle, b.out)
		s.open = batch{}
		return nil
	}
	s.keepLineage()
	progress := state.Progress{Positions: s.positions, Watermark: s.engine.Watermark(), ProcessedAt: b.processedAt}
	sealed, err := s.rows.Seal(progress)
	if err != nil {
		return err
	}
	if len(sealed.Bytes()) > kafka.MaxBatchBytes {
		return fmt.Errorf("batch %d has %d bytes; at most %d go into the changelog", sealed.Seq(), len(sealed.Bytes()), kafka.MaxBatchBytes)
	}
	b.out.changelog(s.cfg.Names.Changelog(), &kafka.ChangelogRecord{
		Shard: s.id, Seq: sealed.Seq(), PrevHash: sealed.PrevHash(), BatchHash: sealed.Hash(),
		Positions: s.positions, Watermark: progress.Watermark, ProcessedAt: progress.ProcessedAt,
		Events: int32(b.events), Batch: sealed.Bytes(),
	})
	s.flying = &flight{
		batch: sealed, seq: sealed.Seq(), chain: sealed.ChainHash(), out: b.out,
		events: b.events, inputBytes: b.inputBytes, taken: b.taken,
	}
	s.open = batch{}
	s.committer.todo <- s.flying
	s.cfg.Metrics.spent(phaseSeal, began)
	return nil
}

// hasLanded reports whether the flight is over and not looked at.
func (s *Shard) hasLanded() bool { return len(s.committer.done) > 0 }

// land looks at a flight that is over: applies what happened, or finds out.
func (s *Shard) land(ctx context.Context) error {
	var f *flight
	select {
	case f = <-s.committer.done:
	default:
		return nil
	}
	if f.err != nil {
		return s.findOut(ctx, f)
	}
	return s.apply(ctx, f)
}

func (s *Shard) apply(ctx context.Context, f *flight) error {
	began := time.Now()
	if err := s.rows.Apply(f.batch, f.offset); err != nil {
		return err
	}
	s.cfg.Metrics.spent(phaseApply, began)
	s.cfg.Metrics.landed(f, committed)
	f.out.reset()
	s.idle = append(s.idle, f.out)
	s.flying = nil
	now := time.Now()
	s.readyAt = now.Add(s.cfg.Pacer.Committed(now))
	s.report()
	s.publish(ctx, now)
	return nil
}

// finish ends gracefully: what flies lands, what was being computed is left to
// whoever comes next.
func (s *Shard) finish(ctx context.Context) error {
	if s.flying == nil || errors.Is(context.Cause(ctx), ErrLost) {
		return nil
	}
	timeout := time.NewTimer(landWithin)
	defer timeout.Stop()
	select {
	case f := <-s.committer.done:
		if f.err != nil {
			s.log.Info("last commit is unconfirmed; the next owner finds out", "seq", f.seq, "error", f.err)
			return nil
		}
		return s.apply(ctx, f)
	case <-timeout.C:
		s.log.Warn("last commit took too long; the next owner finds out", "seq", s.flying.seq)
		return nil
	}
}
