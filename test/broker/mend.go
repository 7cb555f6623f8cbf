package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// mendWithin bounds one look at all transactions.
const mendWithin = 30 * time.Second

const transactionLog = "__transaction_state"

// Mend does what an administrator does with a hanging transaction (kafka-transactions.sh), and returns how many
// partitions had one. Call it after Restart, in tests that are about something else.
//
// Kafka 4.4.0 can lose the markers of a transaction that was to be committed or aborted when its broker died. The
// coordinator goes on with it as soon as it has read its log, while the broker isn't registered again. That registration
// takes every partition's leader away for a moment, and the coordinator skips partitions without a leader as if they
// were deleted (KRaftMetadataCache.getPartitionLeaderEndpoint, TransactionMarkerChannelManager.addTxnMarkersToBrokerQueue).
// If it still gets to write that the transaction is complete, nobody ever writes the markers: the last stable offset of
// these partitions stays where it is for good, whatever a client does.
func (b *Broker) Mend(ctx context.Context) (partitions int, err error) {
	ctx, cancel := context.WithTimeout(ctx, mendWithin)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.bootstrap), kgo.ConsumeTopics(transactionLog),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return 0, fmt.Errorf("client to mend transactions: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	// In this order: a transaction that was complete before it was found open in a partition hangs there.
	endings, err := readEndings(ctx, client, admin)
	if err != nil {
		return 0, err
	}
	producers, err := describeAll(ctx, admin)
	if err != nil {
		return 0, err
	}
	for _, p := range producers {
		i := slices.IndexFunc(endings[p.ProducerID], func(e ending) bool { return e.epoch > p.ProducerEpoch })
		if p.CurrentTxnStartOffset < 0 || i < 0 {
			continue
		}
		partitions++
		written, err := admin.WriteTxnMarkers(ctx, kadm.TxnMarkers{
			ProducerID: p.ProducerID, ProducerEpoch: p.ProducerEpoch, CoordinatorEpoch: max(p.CoordinatorEpoch, 0),
			Commit: endings[p.ProducerID][i].commit, Topics: kadm.TopicsSet{p.Topic: {p.Partition: {}}},
		})
		written.EachPartition(func(r kadm.TxnMarkersPartitionResponse) { err = errors.Join(err, r.Err) })
		if err != nil {
			return 0, fmt.Errorf("write the marker of %s/%d: %w", p.Topic, p.Partition, err)
		}
	}
	return partitions, nil
}

// ending is how a transaction ended. From transaction.version 2 on its epoch is higher than that of what was produced.
type ending struct {
	epoch  int16
	commit bool
}

// readEndings reads, for each producer, how its transactions ended, in their order.
func readEndings(ctx context.Context, client *kgo.Client, admin *kadm.Client) (map[int64][]ending, error) {
	ends, err := admin.ListEndOffsets(ctx, transactionLog)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list the ends of %s: %w", transactionLog, err)
	}
	left := make(map[int32]int64)
	ends.Each(func(end kadm.ListedOffset) {
		if end.Offset > 0 {
			left[end.Partition] = end.Offset
		}
	})
	endings := make(map[int64][]ending)
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("read %s: %w", transactionLog, err)
		}
		for r := range fetches.RecordsAll() {
			if end, ok := left[r.Partition]; ok && r.Offset+1 >= end {
				delete(left, r.Partition)
			}
			var value kmsg.TxnMetadataValue
			if r.Value == nil {
				continue // a transactional id that expired
			}
			if err := value.ReadFrom(r.Value); err != nil {
				return nil, fmt.Errorf("decode %s/%d at %d: %w", transactionLog, r.Partition, r.Offset, err)
			}
			if s := value.State; s == kmsg.TransactionStateCompleteCommit || s == kmsg.TransactionStateCompleteAbort {
				endings[value.ProducerID] = append(endings[value.ProducerID],
					ending{epoch: value.ProducerEpoch, commit: s == kmsg.TransactionStateCompleteCommit})
			}
		}
	}
	return endings, nil
}

// describeAll lists the producers of all topics.
func describeAll(ctx context.Context, admin *kadm.Client) ([]kadm.DescribedProducer, error) {
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	described, err := admin.DescribeProducers(ctx, topics.TopicsSet())
	if err != nil {
		return nil, fmt.Errorf("describe producers: %w", err)
	}
	var all []kadm.DescribedProducer
	for _, t := range described {
		for _, p := range t.Partitions {
			if p.Err != nil {
				return nil, fmt.Errorf("describe producers of %s/%d: %w", p.Topic, p.Partition, p.Err)
			}
			all = slices.AppendSeq(all, maps.Values(p.ActiveProducers))
		}
	}
	return all, nil
}
