package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater/pkg/event"
)

// Timestamps with a meaning of their own in ListOffsets.
const (
	latestOffset   = -1
	earliestOffset = -2
)

// Isolation levels of ListOffsets.
const (
	readUncommitted = 0
	readCommitted   = 1
)

// HighWatermarks are the ends of one partition of each topic, as far as
// written by anybody: what is committed, aborted or still open lies below.
// Reading what was committed is complete once the reader's position is there;
// the last stable offset lags behind for some milliseconds after a commit.
func HighWatermarks(ctx context.Context, client *kgo.Client, partition int32, topics ...string) (map[string]int64, error) {
	return listOffsets(ctx, client, readUncommitted, latestOffset, partition, topics)
}

// LastStableOffsets are up to where a reader of what is committed gets
// something now: before the first transaction that is still open.
func LastStableOffsets(ctx context.Context, client *kgo.Client, partition int32, topics ...string) (map[string]int64, error) {
	return listOffsets(ctx, client, readCommitted, latestOffset, partition, topics)
}

// StartOffsets are the first offsets that are still there, of one partition of
// each topic.
func StartOffsets(ctx context.Context, client *kgo.Client, partition int32, topics ...string) (map[string]int64, error) {
	return listOffsets(ctx, client, readUncommitted, earliestOffset, partition, topics)
}

// HighWatermark is the end of one partition; see [HighWatermarks].
func HighWatermark(ctx context.Context, client *kgo.Client, topic string, partition int32) (int64, error) {
	ends, err := HighWatermarks(ctx, client, partition, topic)
	return ends[topic], err
}

func listOffsets(ctx context.Context, client *kgo.Client, isolation int8, at int64, partition int32, topics []string) (map[string]int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	req.IsolationLevel = isolation
	for _, name := range topics {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition = partition
		p.Timestamp = at
		p.CurrentLeaderEpoch = -1
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = name
		t.Partitions = append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
	}
	offsets := make(map[string]int64, len(topics))
	for _, shard := range client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return nil, fmt.Errorf("list offsets of partition %d: %w", partition, shard.Err)
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return nil, fmt.Errorf("list offsets of %s/%d: %w", t.Topic, p.Partition, err)
				}
				offsets[t.Topic] = p.Offset
			}
		}
	}
	for _, name := range topics {
		if _, ok := offsets[name]; !ok {
			return nil, fmt.Errorf("list offsets of %s/%d: the brokers didn't answer for it", name, partition)
		}
	}
	return offsets, nil
}

// FirstCommitted finds the first record in one partition that isn't a marker
// or part of an aborted transaction.
func FirstCommitted(ctx context.Context, common []kgo.Opt, topic string, partition int32) (offset int64, found bool, err error) {
	client, err := kgo.NewClient(append(FollowerOptions(common),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}))...)
	if err != nil {
		return 0, false, fmt.Errorf("client of %s/%d: %w", topic, partition, err)
	}
	defer client.Close()
	end, err := HighWatermark(ctx, client, topic, partition)
	if err != nil {
		return 0, false, err
	}
	starts, err := StartOffsets(ctx, client, partition, topic)
	if err != nil {
		return 0, false, err
	}
	for next := starts[topic]; next < end; {
		fetches := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return 0, false, err
		}
		for _, e := range fetches.Errors() {
			if ClassOf(e.Err) != Retry {
				return 0, false, fmt.Errorf("read %s/%d: %w", topic, partition, e.Err)
			}
		}
		for r := range fetches.RecordsAll() {
			if !r.Attrs.IsControl() {
				return r.Offset, true, nil
			}
			next = r.Offset + 1
		}
	}
	return 0, false, nil
}

// PublishPositions shows how far a shard is, as committed offsets of
// [Names.PositionGroup]: what tools that display lag look at.
func PublishPositions(ctx context.Context, client *kgo.Client, names Names, shard int32, positions Positions) error {
	var offsets kadm.Offsets
	for _, t := range event.Inputs {
		offsets.AddOffset(names.Input(t), shard, positions.Next(t), -1)
	}
	answer, err := kadm.NewClient(client).CommitOffsets(ctx, names.PositionGroup(), offsets)
	if err == nil {
		err = answer.Error()
	}
	if err != nil {
		return fmt.Errorf("publish positions of shard %d: %w", shard, err)
	}
	return nil
}
