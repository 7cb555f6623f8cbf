package shard

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/kafka"
)

// catchUp applies what the changelog has and the state lacks, up to the
// changelog's high watermark. REQUIRES: no transaction of the shard is open.
func (s *Shard) catchUp(ctx context.Context) error {
	topic := s.cfg.Names.Changelog()
	end, err := kafka.HighWatermark(ctx, s.client, topic, s.id)
	if err != nil {
		return err
	}
	next := s.store.Meta().Offset + 1
	if next > end {
		return &kafka.LossError{
			Missing: fmt.Sprintf("%s/%d ends at %d, but the state in %s came from its record %d", topic, s.id, end, s.store.Dir(), next-1),
			Action:  sendAgain,
		}
	}
	client, err := kgo.NewClient(append(kafka.FollowerOptions(s.cfg.Client),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {s.id: kgo.NewOffset().At(next)}}))...)
	if err != nil {
		return err
	}
	defer client.Close()
	var joined kafka.Assembler
	for next < end {
		fetches := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.receive(fetches); err != nil {
			return err
		}
		for r := range fetches.RecordsAll() {
			next = r.Offset + 1
			if r.Attrs.IsControl() {
				continue
			}
			record, err := kafka.DecodeChangelogRecord(r.Value)
			if err != nil {
				return err
			}
			whole, err := joined.Add(&record)
			if err != nil {
				return err
			}
			if whole {
				if err := s.store.ApplyRepr(record.Batch, record.BatchHash, r.Offset); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
