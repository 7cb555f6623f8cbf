package broker

import (
	"context"
	"errors"
	"hash/crc32"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// A partition with records of a transaction that is complete lacks its marker; one whose transaction is open doesn't.
func TestMendEndsWhatIsComplete(t *testing.T) {
	b := Own(t)
	topic := Prefix(t) + "t"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Bootstrap()), kgo.TransactionalID(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(ctx, 2, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	id, epoch, err := client.ProducerID(ctx)
	if err != nil {
		t.Fatal(err)
	}
	begin := func() {
		t.Helper()
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: 0}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	begin()
	if n, err := b.Mend(ctx); n != 0 || err != nil {
		t.Errorf("an open transaction: %d partitions mended, %v", n, err)
	}
	if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	// A straggler of the transaction that is over. The broker would refuse it.
	off := kadm.AlterConfig{Op: kadm.SetConfig, Name: "transaction.partition.verification.enable", Value: kadm.StringPtr("false")}
	if altered, err := admin.AlterBrokerConfigs(ctx, []kadm.AlterConfig{off}, 1); err != nil || altered[0].Err != nil {
		t.Fatal(err, altered)
	}
	produceLate(ctx, t, b, topic, 1, id, epoch)
	begin()
	if n, err := b.Mend(ctx); n != 1 || err != nil {
		t.Errorf("a hanging transaction: %d partitions mended, %v", n, err)
	}
	if n, err := b.Mend(ctx); n != 0 || err != nil {
		t.Errorf("mended already: %d partitions, %v", n, err)
	}
	if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
}

// produceLate writes one record of a transaction behind the back of its coordinator.
func produceLate(ctx context.Context, t *testing.T, b *Broker, topic string, partition int32, id int64, epoch int16) {
	t.Helper()
	// Later protocols tell the coordinator by themselves.
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Bootstrap()), kgo.MaxVersions(kversion.V3_9_0()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	const recordBytes = 6 // after its own length: attributes, time, offset, no key, empty value, no headers
	batch := kmsg.RecordBatch{
		Magic: 2, Attributes: 1 << 4, PartitionLeaderEpoch: -1, NumRecords: 1, ProducerID: id, ProducerEpoch: epoch,
		FirstTimestamp: time.Now().UnixMilli(), MaxTimestamp: time.Now().UnixMilli(),
		Records: []byte{recordBytes << 1, 0, 0, 0, 1, 0, 0},
	}
	raw := batch.AppendTo(nil)
	batch.Length = int32(len(raw) - 12)
	batch.CRC = int32(crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, batch.AppendTo(nil)
	topicRequest := kmsg.NewProduceRequestTopic()
	topicRequest.Topic, topicRequest.Partitions = topic, append(topicRequest.Partitions, p)
	request := kmsg.NewPtrProduceRequest()
	request.Acks, request.TimeoutMillis, request.TransactionID = -1, 10_000, &topic
	request.Topics = append(request.Topics, topicRequest)
	for {
		answer, err := request.RequestWith(ctx, client)
		if err == nil {
			err = kerr.ErrorForCode(answer.Topics[0].Partitions[0].ErrorCode)
		}
		if err == nil {
			return
		}
		// The broker's new setting takes a moment.
		if !errors.Is(err, kerr.InvalidProducerEpoch) {
			t.Fatal(err)
		}
	}
}
