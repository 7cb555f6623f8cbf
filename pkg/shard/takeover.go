package shard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// takeOver makes this client the shard's owner and brings the state to where
// the owner before left it.
func (s *Shard) takeOver(ctx context.Context) error {
	began := time.Now()
	s.cfg.Metrics.takeovers.Inc()
	// I1: from here on nobody else commits; what was open is over, its markers
	// are written.
	if err := s.fence(ctx); err != nil {
		return err
	}
	if err := s.untilAnswered(ctx, s.prepare); err != nil {
		return err
	}
	s.report()
	s.cfg.Metrics.takeover.Observe(time.Since(began).Seconds())
	meta := s.store.Meta()
	s.log.Info("shard taken over", "seq", meta.Seq, "watermark", meta.Watermark, "chain", meta.Hash, "took", time.Since(began))
	return nil
}

// prepare does what a takeover takes once nobody else commits. It may be done
// again.
func (s *Shard) prepare(ctx context.Context) error {
	lineage, err := kafka.ReadLineage(ctx, s.client, s.cfg.Names)
	if err != nil {
		return err
	}
	s.lineage = lineage
	if s.id >= lineage.Partitions {
		return fmt.Errorf("there are only %d partitions", lineage.Partitions)
	}
	if err := s.catchUp(ctx); err != nil {
		return err
	}
	if err := s.checkChangelog(ctx); err != nil {
		return err
	}
	if err := s.readSkips(ctx); err != nil {
		return err
	}
	s.decoder = s.newDecoder(ctx)
	return s.restart(ctx)
}

// untilAnswered does something again for as long as it fails for reasons that
// pass, or takes long: it must go on from where it was. A topic that seems not
// to exist may be one that a broker which has just started doesn't know yet.
func (s *Shard) untilAnswered(ctx context.Context, do func(context.Context) error) error {
	missing := 0
	var open []kafka.OpenTransaction
	for {
		attempt, cancel := context.WithTimeout(ctx, s.cfg.hooks.answerWithin)
		err := do(attempt)
		late := attempt.Err() != nil
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if late && kafka.ClassOf(err) != kafka.DataLoss {
			s.log.Warn("a takeover takes long; it goes on from what is there", "after", s.cfg.hooks.answerWithin, "error", err)
			open = s.sayHanging(ctx, open)
			continue
		}
		if _, ok := errors.AsType[*kafka.TopicError](err); ok {
			missing++
		} else if kafka.ClassOf(err) != kafka.Retry {
			return err
		}
		if missing > maxMissing {
			return err
		}
		s.log.Debug("asking Kafka failed; trying again", "error", err)
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// sayHanging logs the transactions that were open the last time, too, in
// topics that only owners of this shard write. Those before are fenced, so the
// broker has lost their ends, and what waits for them waits for a person. It
// returns what is open now.
func (s *Shard) sayHanging(ctx context.Context, before []kafka.OpenTransaction) (open []kafka.OpenTransaction) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.hooks.answerWithin)
	defer cancel()
	topics := []string{s.cfg.Names.Changelog()}
	for _, output := range kafka.Outputs() {
		topics = append(topics, s.cfg.Names.Output(output))
	}
	open, err := kafka.OpenTransactions(ctx, s.client, s.id, topics...)
	if err != nil {
		s.log.Debug("asking for open transactions failed", "error", err)
		return before
	}
	for _, t := range open {
		if slices.Contains(before, t) {
			s.log.Warn("a transaction hangs though its owner is gone: Kafka has lost its end, and nobody reads past it before a person ends it; how is in docs/operating.md, \"A takeover takes long\"",
				"topic", t.Topic, "partition", t.Partition, "start_offset", t.StartOffset, "producer_id", t.ProducerID, "producer_epoch", t.ProducerEpoch)
		}
	}
	return open
}

// fence makes every other owner of the transactional id unable to commit. It
// returns once the transaction such an owner may have left open is over.
func (s *Shard) fence(ctx context.Context) error {
	for {
		_, _, err := s.client.ProducerID(ctx)
		if err == nil {
			return nil
		}
		if kafka.ClassOf(err) != kafka.Retry || ctx.Err() != nil {
			return fmt.Errorf("become the owner of transactional id %s: %w", s.cfg.Names.TransactionalID(s.id), err)
		}
		s.log.Debug("becoming the owner failed; trying again", "error", err)
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// restart makes a new engine over the rows as they were applied, and reads the
// inputs from there.
func (s *Shard) restart(ctx context.Context) error {
	if err := s.forget(); err != nil {
		return err
	}
	if err := s.checkLineage(); err != nil {
		return err
	}
	if err := s.checkPositions(ctx); err != nil {
		return err
	}
	if err := s.checkOutputs(ctx); err != nil {
		return err
	}
	s.readInputs()
	return nil
}

// forget drops everything that was computed and not applied (I5).
func (s *Shard) forget() error {
	s.rows.Abort()
	s.inbox.reset()
	s.lagsSince = time.Time{}
	s.open, s.flying, s.halt, s.registryErr = batch{}, nil, nil, nil
	// A client may still hold what the outboxes before had.
	s.idle = []*outbox{
		newOutbox(s.cfg.Names, s.id, s.lineage.Partitions, s.cfg.Encoder),
		newOutbox(s.cfg.Names, s.id, s.lineage.Partitions, s.cfg.Encoder),
	}
	s.positions = kafka.Positions(s.store.Meta().Positions)
	cfg := s.cfg.Engine
	cfg.Partition = s.id
	var err error
	if s.engine, err = engine.New(cfg, s.rows, &s.sink); err != nil {
		return fmt.Errorf("begin with the rows of shard %d: %w", s.id, err)
	}
	return nil
}

// readInputs reads the inputs from the positions on, and nothing else.
func (s *Shard) readInputs() {
	old := s.ownShards()
	inputs := make(map[string]map[int32]kgo.Offset)
	for topic := event.Grants; topic <= event.Transfers; topic++ {
		name := s.cfg.Names.Input(topic)
		old[name] = []int32{s.id}
		inputs[name] = map[int32]kgo.Offset{s.id: kgo.NewOffset().At(s.positions.Next(topic))}
	}
	s.client.RemoveConsumePartitions(old)
	s.client.ResumeFetchPartitions(old)
	s.client.AddConsumePartitions(inputs)
}

// ownShards is the shard's partition of the shards topic.
func (s *Shard) ownShards() map[string][]int32 {
	return map[string][]int32{s.cfg.Names.Shards(): {s.id}}
}

// readSkips reads what a person told this shard to skip.
func (s *Shard) readSkips(ctx context.Context) error {
	topic := s.cfg.Names.Shards()
	s.skips = make(map[event.Position]struct{})
	end, err := kafka.HighWatermark(ctx, s.client, topic, s.id)
	if err != nil {
		return err
	}
	starts, err := kafka.StartOffsets(ctx, s.client, s.id, topic)
	if err != nil {
		return err
	}
	if starts[topic] >= end {
		return nil
	}
	s.client.RemoveConsumePartitions(s.ownShards())
	s.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {s.id: kgo.NewOffset().At(starts[topic])}})
	s.client.ResumeFetchPartitions(s.ownShards())
	defer s.client.PauseFetchPartitions(s.ownShards())
	for position := starts[topic]; position < end; {
		fetches := s.client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.receive(fetches); err != nil {
			return err
		}
		for r := range fetches.RecordsAll() {
			position = r.Offset + 1
			if at, skipped, ok := kafka.ParseSkip(r); !ok {
				continue
			} else if skipped {
				s.skips[at] = struct{}{}
			} else {
				delete(s.skips, at)
			}
		}
		if len(s.skips) > kafka.MaxSkips {
			return fmt.Errorf("%d records are to be skipped; at most %d are allowed in one partition", len(s.skips), kafka.MaxSkips)
		}
	}
	return nil
}

// pause waits before something is tried again.
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
