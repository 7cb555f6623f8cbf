package shard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// UnknownSchemaError stops a shard: a record can't be read, and it may be
// somebody's money.
type UnknownSchemaError struct {
	Position event.Position
	Refusal  event.Refusal
}

// Error names the position and the schema.
func (e *UnknownSchemaError) Error() string {
	return fmt.Sprintf("record %s: %s", kafka.FormatPosition(e.Position), e.Refusal.Message)
}

// PersonMustDecide says that no restart cures it.
func (e *UnknownSchemaError) PersonMustDecide() (missing, action string) {
	position := kafka.FormatPosition(e.Position)
	if e.Position.Topic == event.Transfers {
		return fmt.Sprintf("what record %s sends to a user here (%s)", position, e.Refusal.Message),
			fmt.Sprintf("upgrade Highwater if a newer version made the record (nothing else may write to this topic); `highwater dead-letters skip %s` goes on without it, but then a transfer that was debited from its sender never reaches its receiver", position)
	}
	return fmt.Sprintf("the schema of record %s (%s)", position, e.Refusal.Message),
		fmt.Sprintf("upgrade Highwater or register the schema; or put the record aside with `highwater dead-letters skip %s`, or all such records with unknown.schema=dead-letter", position)
}

// newDecoder reads events, asking the registry where there is one.
func (s *Shard) newDecoder(ctx context.Context) *codec.Decoder {
	d := &codec.Decoder{MaxBytes: s.cfg.MaxEventBytes}
	if ask := s.cfg.SchemaByID; ask != nil {
		d.SchemaByID = func(id uint32) (string, error) {
			text, err := ask(ctx, id)
			if err != nil && !errors.Is(err, kafka.ErrNoSuchSchema) {
				s.registryErr = err
			}
			return text, err
		}
	}
	return d
}

// fill takes records from the inbox until the batch is full, the inbox is
// empty, or something else is due.
func (s *Shard) fill() {
	if s.inbox.empty() || s.halt != nil || s.isFull() || time.Now().Before(s.heldUntil) {
		return
	}
	began := time.Now()
	defer s.cfg.Metrics.spent(phaseCompute, began)
	var e event.Event
	for n := 1; !s.inbox.empty() && !s.isFull(); n++ {
		if s.inbox.lags() && s.awaits(time.Now()) {
			return
		}
		topic, record := s.inbox.peek()
		if !s.take(topic, record, &e) {
			return
		}
		s.inbox.drop(topic)
		if n%landCheckEvery == 0 && (s.hasLanded() || s.mayGo(time.Now())) {
			return
		}
	}
}

// awaits reports whether records wait for older ones of another topic, which
// the broker has and the client has not fetched yet: where there is a backlog,
// a spend would be decided before the grants that were there long before it. It
// doesn't wait long.
func (s *Shard) awaits(now time.Time) bool {
	if !s.inbox.lags() {
		return false
	}
	if s.lagsSince.IsZero() {
		s.lagsSince = now
	}
	if now.Sub(s.lagsSince) < awaitWithin {
		return true
	}
	s.inbox.goOn()
	s.lagsSince = time.Time{}
	return false
}

// poll waits for records, but for those of topics that are far ahead of others.
func (s *Shard) poll(ctx context.Context) (kgo.Fetches, error) {
	change := s.inbox.steer(s.cfg.hooks.aheadBytes)
	if len(change.pause) > 0 {
		s.client.PauseFetchPartitions(s.partitionsOf(change.pause))
	}
	if len(change.resume) > 0 {
		s.client.ResumeFetchPartitions(s.partitionsOf(change.resume))
	}
	if len(change.refetch) > 0 {
		s.refetch(change.refetch)
	}
	fetches := s.client.PollFetches(ctx)
	if fetches.IsClientClosed() {
		return nil, errors.New("client closed under the shard")
	}
	return fetches, nil
}

// refetch ends the fetches under way, so that the next ones bring these topics.
// It costs a connection to each broker.
func (s *Shard) refetch(topics []event.Topic) {
	offsets := make(map[string]map[int32]kgo.EpochOffset)
	for _, t := range topics {
		q := s.inbox.queue(t)
		offsets[s.cfg.Names.Input(t)] = map[int32]kgo.EpochOffset{s.id: {Epoch: q.epoch, Offset: q.fetched}}
	}
	s.client.SetOffsets(offsets)
}

// partitionsOf are the shard's partitions of topics that it reads.
func (s *Shard) partitionsOf(topics []event.Topic) map[string][]int32 {
	partitions := make(map[string][]int32)
	for _, t := range topics {
		partitions[s.cfg.Names.Input(t)] = []int32{s.id}
	}
	return partitions
}

// take processes one record; false where it can't be taken now.
func (s *Shard) take(topic event.Topic, record *kgo.Record, e *event.Event) (taken bool) {
	if record.Offset < s.positions.Next(topic) {
		return true // I6: it was taken before
	}
	if record.Attrs.IsControl() {
		s.positions.Advance(topic, record.Offset)
		return true
	}
	rec := &s.record
	*rec = engine.Record{
		Input:     event.Position{Topic: topic, Partition: s.id, Offset: record.Offset},
		ArrivedAt: event.TimeOf(record.Timestamp).Clamped(),
	}
	if topic == event.Transfers {
		rec.Refusal = s.readRemittance(rec, record)
	} else if rec.Refusal = s.read(rec, record, e); rec.Refusal == nil {
		rec.Event = e
	}
	if err := s.registryErr; err != nil {
		s.registryErr = nil
		s.heldUntil = time.Now().Add(retryEvery)
		s.log.Warn("schema registry is away; the shard waits for it", "position", kafka.FormatPosition(rec.Input), "error", err)
		return false
	}
	if rec.Refusal != nil && rec.Refusal.Code == event.UnknownSchema {
		if !s.cfg.DeadLetterUnknownSchemas || topic == event.Transfers {
			s.halt = &UnknownSchemaError{Position: rec.Input, Refusal: *rec.Refusal}
			return false
		}
		rec.Refusal.Code = event.Malformed
	}
	if s.begin(); s.engine.Busy() {
		return false // the watermark's move goes on first
	}
	s.open.out.input = record
	s.engine.Process(rec)
	s.positions.Advance(topic, record.Offset)
	s.open.events++
	s.open.inputBytes += len(record.Value)
	s.open.taken[topic-event.Grants]++
	return true
}

// readRemittance decodes what a transfer brings. What can't be read there is
// somebody's money for sure.
func (s *Shard) readRemittance(rec *engine.Record, record *kgo.Record) *event.Refusal {
	if _, ok := s.skips[rec.Input]; ok {
		return skipped()
	}
	if err := codec.DecodeRemittance(record.Value, &s.remittance); err != nil {
		return &event.Refusal{Code: event.UnknownSchema, Message: err.Error()}
	}
	if r := s.inPartition([]byte(s.remittance.To)); r != nil {
		return &event.Refusal{Code: event.UnknownSchema, Field: r.Field, Message: r.Message}
	}
	rec.Remittance = &s.remittance
	return nil
}

func skipped() *event.Refusal {
	return &event.Refusal{Code: event.Quarantined, Message: "a person had it skipped"}
}

// inPartition tells what is wrong with a user's record being here.
func (s *Shard) inPartition(user []byte) *event.Refusal {
	if p := kafka.PartitionOf(user, s.lineage.Partitions); p != s.id {
		return &event.Refusal{Code: event.WrongPartition, Field: "user_id", Message: fmt.Sprintf(
			"the user lives in partition %d of %d, the record is in %d; produce with the Java client's default partitioner (murmur2; librdkafka: partitioner=murmur2_random)",
			p, s.lineage.Partitions, s.id)}
	}
	return nil
}

// read decodes one record, and says why it can't be an event of this shard.
func (s *Shard) read(rec *engine.Record, record *kgo.Record, e *event.Event) *event.Refusal {
	if _, ok := s.skips[rec.Input]; ok {
		return skipped()
	}
	if r := s.decoder.Decode(rec.Input.Topic, record.Key, record.Value, event.TimeOf(record.Timestamp), e); r != nil {
		return r
	}
	return s.inPartition(record.Key)
}

// receive puts what a poll brought into the inbox and looks at its errors.
func (s *Shard) receive(fetches kgo.Fetches) error {
	var failed error
	fetches.EachError(func(topic string, partition int32, err error) {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return // the poll's own end
		}
		class := kafka.ClassOf(err)
		s.cfg.Metrics.fetchErrors.WithLabelValues(class.String()).Inc()
		switch class {
		case kafka.DataLoss:
			failed = s.lost(topic, err)
		case kafka.Retry:
			s.log.Debug("poll failed; the client tries again", "topic", topic, "error", err)
		default:
			failed = fmt.Errorf("poll %s/%d: %w", topic, partition, err)
		}
	})
	if failed != nil {
		return failed
	}
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		topic, ok := s.topicOf[p.Topic]
		if !ok || p.Partition != s.id {
			return // the rest of the shards topic
		}
		s.inbox.add(topic, p.Records)
		s.inbox.saw(topic, p.LastStableOffset)
		if n := len(p.Records); n > 0 {
			lag := p.HighWatermark - p.Records[n-1].Offset - 1
			s.cfg.Metrics.lag.WithLabelValues(s.label, topic.String()).Set(float64(max(lag, 0)))
		}
	})
	if !s.inbox.lags() {
		s.lagsSince = time.Time{}
	}
	return nil
}
