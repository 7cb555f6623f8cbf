package shard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// The state keeps, in one row of the shell's, which topics its positions are
// about, so that a topic deleted and created again is found also while no
// shard ran:
//
//	key    03
//	value  version 1 (1 byte), partitions (4, big-endian), then the ids of
//	       grants, subtracts, ledger, orders, transfers (16 each)
var lineageKey = []byte{0x03}

const (
	lineageVersion = 1
	lineageBytes   = 85
)

const sendAgain = "restore it from a mirror or a backup, or start anew with another topic.prefix and application.id and send all events again"

// checkLineage compares the topics with those that the state knows.
func (s *Shard) checkLineage() error {
	row, ok := s.rows.Get(lineageKey)
	if err := s.rows.Err(); err != nil {
		return err
	}
	s.lineageKept = ok
	if !ok {
		return nil
	}
	before, err := decodeLineage(row)
	if err != nil {
		return err
	}
	return s.lineage.Continues(&before, s.cfg.Names)
}

// keepLineage writes the row with the first batch.
func (s *Shard) keepLineage() {
	if s.lineageKept {
		return
	}
	s.lineageKept = true
	value := append(make([]byte, 0, lineageBytes), lineageVersion)
	value = binary.BigEndian.AppendUint32(value, uint32(s.lineage.Partitions))
	for _, id := range s.lineage.IDs {
		value = append(value, id[:]...)
	}
	s.rows.Set(lineageKey, value)
}

func decodeLineage(row []byte) (kafka.Lineage, error) {
	var l kafka.Lineage
	if len(row) == 0 || row[0] != 1 {
		return l, fmt.Errorf("lineage row has a version this process doesn't know; upgrade it")
	}
	// Version 1 was released: what follows is frozen.
	if len(row) != 85 {
		return l, fmt.Errorf("lineage row of version 1 has %d bytes instead of 85", len(row))
	}
	l.Partitions = int32(binary.BigEndian.Uint32(row[1:]))
	for i := range l.IDs {
		copy(l.IDs[i][:], row[5+16*i:])
	}
	return l, nil
}

// checkChangelog makes sure that a state of nothing is the beginning: where
// records were published, the changelog that tells how far is gone, and all
// events would be applied again.
func (s *Shard) checkChangelog(ctx context.Context) error {
	if s.store.Meta().Seq > 0 {
		return nil
	}
	topics := []string{s.cfg.Names.Output(kafka.Entries), s.cfg.Names.Output(kafka.DeadLetters)}
	for _, topic := range topics {
		offset, found, err := kafka.FirstCommitted(ctx, s.cfg.Client, topic, s.id)
		if err != nil {
			return err
		}
		if found {
			return &kafka.LossError{
				Missing: fmt.Sprintf("%s/%d holds no batch, but %s/%d has records from %d on: the changelog was lost, and with it what was processed",
					s.cfg.Names.Changelog(), s.id, topic, s.id, offset),
				Action: sendAgain,
			}
		}
	}
	return nil
}

// checkPositions makes sure that what comes next is there, and takes note of how
// much there is.
func (s *Shard) checkPositions(ctx context.Context) error {
	ends, err := kafka.HighWatermarks(ctx, s.client, s.id, s.reads[:]...)
	if err != nil {
		return err
	}
	starts, err := kafka.StartOffsets(ctx, s.client, s.id, s.reads[:]...)
	if err != nil {
		return err
	}
	// What lies behind an open transaction can't be waited for.
	readable, err := kafka.LastStableOffsets(ctx, s.client, s.id, s.reads[:]...)
	if err != nil {
		return err
	}
	isNew := s.store.Meta().Seq == 0
	for i, name := range s.reads {
		next := &s.positions[i]
		switch start, end := starts[name], ends[name]; {
		case *next > end:
			return &kafka.LossError{
				Missing: fmt.Sprintf("%s/%d was processed up to offset %d but ends at %d: records were truncated", name, s.id, *next, end),
				Action:  sendAgain,
			}
		case *next < start && isNew:
			s.log.Warn("the oldest events were deleted before anything was processed; starting behind them", "topic", name, "from", start)
			*next = start
		case *next < start:
			return &kafka.LossError{
				Missing: fmt.Sprintf("%s/%d: records %d to %d were deleted (retention) before they were processed", name, s.id, *next, start-1),
				Action:  sendAgain,
			}
		}
		s.inbox.begin(event.Grants+event.Topic(i), *next, readable[name])
	}
	return nil
}

// checkOutputs makes sure that what was published is still there, or was: a
// topic has an offset for each record it ever got, also behind its retention.
func (s *Shard) checkOutputs(ctx context.Context) error {
	names := make([]string, kafka.OutputCount)
	for _, output := range kafka.Outputs() {
		names[output] = s.cfg.Names.Output(output)
	}
	ends, err := kafka.HighWatermarks(ctx, s.client, s.id, names...)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		// Which one it is shows in a comparison.
		if err := kafka.Verify(ctx, s.client, kafka.Catalogue(s.cfg.Names, s.lineage.Partitions, -1)); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	var said [kafka.OutputCount]int64 = s.engine.Said()
	for output, name := range names {
		if ends[name] < said[output] {
			return &kafka.LossError{
				Missing: fmt.Sprintf("%s/%d ends at %d, but %d records were published: it was truncated, or deleted and created again", name, s.id, ends[name], said[output]),
				Action:  sendAgain,
			}
		}
	}
	return nil
}

// lost says what a reader's error means for people.
func (s *Shard) lost(topic string, err error) error {
	var next int64
	if t, ok := s.topicOf[topic]; ok {
		next = s.positions.Next(t)
	}
	loss := &kafka.LossError{Action: sendAgain, Err: err}
	if data, ok := errors.AsType[*kgo.ErrDataLoss](err); ok {
		loss.Missing = fmt.Sprintf("%s/%d: records %d to %d were lost by the brokers", topic, s.id, data.ResetTo, data.ConsumedTo-1)
		return loss
	}
	switch {
	case errors.Is(err, kerr.OffsetOutOfRange):
		loss.Missing = fmt.Sprintf("%s/%d: record %d is gone: truncated, or deleted (retention) before it was processed", topic, s.id, next)
	case errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.InconsistentTopicID):
		loss.Missing = fmt.Sprintf("topic %s was deleted and created again: events of the old one from %d on that were not processed yet are gone", topic, next)
	default:
		loss.Missing = fmt.Sprintf("%s/%d: records from %d on", topic, s.id, next)
	}
	return loss
}
