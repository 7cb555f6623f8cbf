package shard

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/kafka"
)

// findOut settles the fate of a flight whose transaction failed or was never
// confirmed, and goes on from there.
func (s *Shard) findOut(ctx context.Context, f *flight) error {
	s.log.Warn("transaction is unconfirmed; finding out", "seq", f.seq, "error", f.err)
	switch kafka.ClassOf(f.err) {
	case kafka.Retry:
	case kafka.Fenced:
		return fmt.Errorf("%w: %w", ErrFenced, f.err)
	default:
		return f.err
	}
	if err := s.settleOwnership(ctx); err != nil {
		return err
	}
	// What the flight wrote is in the changelog up to here, or never will be.
	s.rows.Abort()
	if err := s.untilAnswered(ctx, s.catchUp); err != nil {
		return err
	}
	switch meta := s.store.Meta(); {
	case meta.Seq == f.seq && meta.Hash == f.chain:
		s.cfg.Metrics.landed(f, recovered)
		s.log.Info("unconfirmed transaction had happened", "seq", f.seq)
	case meta.Seq == f.seq-1:
		s.cfg.Metrics.transactions.WithLabelValues(aborted).Inc()
		s.log.Info("unconfirmed transaction had not happened; its records are processed again", "seq", f.seq)
	default:
		return fmt.Errorf("%w: I1: the changelog is at batch %d with chain hash %s, not at this owner's %d with %s",
			ErrFenced, meta.Seq, meta.Hash, f.seq, f.chain)
	}
	if err := s.untilAnswered(ctx, s.restart); err != nil {
		return err
	}
	s.report()
	return nil
}

// settleOwnership ends the transaction on the broker's side and makes sure
// that the transactional id is still ours. An abort alone proves nothing: it
// succeeds also for an owner that was replaced.
func (s *Shard) settleOwnership(ctx context.Context) error {
	for {
		err := s.client.AbortBufferedRecords(ctx)
		if err == nil {
			err = s.client.EndTransaction(ctx, kgo.TryAbort)
		}
		_, _, idErr := s.client.ProducerID(ctx)
		if err == nil && idErr == nil {
			return nil
		}
		err = errors.Join(err, idErr)
		if ctx.Err() != nil {
			return fmt.Errorf("settle ownership: %w", err)
		}
		// An answer that isn't "later" is final for this client: it was
		// replaced, or the broker gave it up, or its commit happened and the
		// broker restarted before it answered and has forgotten the epoch before.
		// All this looks the same from here.
		if refused, ok := errors.AsType[*kerr.Error](idErr); ok && !refused.Retriable {
			return fmt.Errorf("%w: %w", ErrFenced, idErr)
		}
		s.log.Debug("ownership isn't settled; trying again", "error", err)
		if err := pause(ctx); err != nil {
			return err
		}
	}
}
