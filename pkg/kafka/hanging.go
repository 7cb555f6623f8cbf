package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// OpenTransaction is one that a partition has no end of yet. Who reads
// committed records there gets no further than its start.
type OpenTransaction struct {
	Topic         string
	Partition     int32
	StartOffset   int64
	ProducerID    int64
	ProducerEpoch int16
}

// OpenTransactions are those of one partition of each topic, as its leader
// knows them. The coordinator may believe them complete: a broker that was
// killed can lose the markers that it still had to write.
func OpenTransactions(ctx context.Context, client *kgo.Client, partition int32, topics ...string) ([]OpenTransaction, error) {
	asked := make(kadm.TopicsSet)
	for _, topic := range topics {
		asked.Add(topic, partition)
	}
	described, err := kadm.NewClient(client).DescribeProducers(ctx, asked)
	if err != nil {
		return nil, fmt.Errorf("describe producers of partition %d: %w", partition, err)
	}
	var open []OpenTransaction
	for _, topic := range topics {
		p := described[topic].Partitions[partition]
		if p.Err != nil {
			return nil, fmt.Errorf("describe producers of %s/%d: %w", topic, partition, p.Err)
		}
		for _, producer := range p.ActiveProducers.Sorted() {
			if producer.CurrentTxnStartOffset >= 0 {
				open = append(open, OpenTransaction{
					Topic: topic, Partition: partition, StartOffset: producer.CurrentTxnStartOffset,
					ProducerID: producer.ProducerID, ProducerEpoch: producer.ProducerEpoch,
				})
			}
		}
	}
	return open, nil
}
