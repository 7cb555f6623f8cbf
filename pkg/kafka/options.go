package kafka

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/event"
)

const (
	// TransactionTimeout is when the broker aborts an open transaction whose
	// owner is gone and has no successor.
	TransactionTimeout = 15 * time.Second
	// SessionTimeout is when a processor that is gone loses its shards.
	SessionTimeout = 6 * time.Second
	// producerBatchBytes bounds one batch of output records.
	producerBatchBytes = 8 << 20
	// maxDecompressBytes bounds what one compressed batch of a producer may
	// grow to; kgo's default, 1 GiB, lets one record end the process.
	maxDecompressBytes = 128 << 20
	// fetchPartitionBytes and fetchBytes bound what is read ahead. With 8 MiB
	// in all, the embedded broker cut fetches so that a batch that had been
	// aborted was handed out as committed; replica's TestCatchUp shows it.
	fetchPartitionBytes = 4 << 20
	fetchBytes          = 16 << 20
	// shardPartitionBytes and shardFetchBytes do so for a shard's inputs, some
	// transactions' worth: a small record takes three times its size once it
	// is here, and a process has many shards.
	shardPartitionBytes = 256 << 10
	shardFetchBytes     = 1 << 20
	// fetchMaxWait is how long a fetch without news is left with the broker. A
	// client has one under way; a partition that isn't part of it, as after a
	// change of leader, waits for its end.
	fetchMaxWait = time.Second
)

// backoff starts at 5 ms: kgo's default of 250 ms makes every passing error of
// a broker a visible pause. It grows to 1 s, with jitter so that the shards of
// a process don't come back in step.
func backoff(fails int) time.Duration {
	const least, most = 5 * time.Millisecond, time.Second
	d := most
	if fails <= 8 {
		d = min(least<<max(fails-1, 0), most)
	}
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}

// CommonOptions are what every client of Highwater has; connection says how
// to reach the brokers.
func CommonOptions(connection []kgo.Opt, logger *slog.Logger) []kgo.Opt {
	return append(append([]kgo.Opt{}, connection...),
		kgo.SoftwareNameAndVersion("highwater", "1"),
		kgo.RetryBackoffFn(backoff),
		// kgo's 5 s would be the pause after each change of a leader.
		kgo.MetadataMinAge(100*time.Millisecond),
		kgo.MaxDecompressBatchBytes(maxDecompressBytes),
		kgo.WithCompressor(uncompressed{}),
		kgo.WithLogger(&clientLogger{to: logger}),
	)
}

// Compression is the option for batches compressed as compression.type says:
// none, lz4, snappy or zstd. Many clients may be made with it: one made by
// kgo.ProducerBatchCompression writes into what they share.
func Compression(name string) (kgo.Opt, error) {
	if name == "none" {
		return kgo.WithCompressor(uncompressed{}), nil
	}
	codec, ok := map[string]kgo.CompressionCodec{
		"lz4": kgo.Lz4Compression(), "snappy": kgo.SnappyCompression(), "zstd": kgo.ZstdCompression(),
	}[name]
	if !ok {
		return nil, fmt.Errorf("compression.type: want none, lz4, snappy or zstd, got %q", name)
	}
	compressor, err := kgo.DefaultCompressor(codec)
	if err != nil {
		return nil, fmt.Errorf("compression.type: %w", err)
	}
	return kgo.WithCompressor(compressor), nil
}

// uncompressed leaves batches as they are.
type uncompressed struct{}

// Compress makes nothing, which is to say that the batch stays.
func (uncompressed) Compress(*bytes.Buffer, []byte, ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	return nil, kgo.CodecNone
}

// readerOptions make a reader that stops where records are missing (I2).
func readerOptions() []kgo.Opt {
	return []kgo.Opt{
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// Markers take offsets: without them a reader at the end of a
		// partition can't tell that it is there.
		kgo.KeepControlRecords(),
		// The default silently goes back a minute where the log lost data.
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMinBytes(1),
		kgo.FetchMaxWait(fetchMaxWait),
		kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxPartitionBytes(fetchPartitionBytes),
	}
}

// ShardOptions are those of one shard's client, which reads the shard's inputs
// and writes its transactions. It begins with the shard's own partition of the
// shards topic, from the start: without a partition to begin with the client
// wouldn't take any later. What isn't needed of its records any more may
// be recycled.
func ShardOptions(common []kgo.Opt, names Names, shard int32) []kgo.Opt {
	opts := append(append([]kgo.Opt{}, common...), readerOptions()...)
	return append(opts,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{names.Shards(): {shard: kgo.NewOffset().AtStart()}}),
		kgo.WithPools(&recordPool{}),
		kgo.FetchMaxBytes(shardFetchBytes),
		kgo.FetchMaxPartitionBytes(shardPartitionBytes),
		kgo.TransactionalID(names.TransactionalID(shard)),
		kgo.TransactionTimeout(TransactionTimeout),
		// The broker answers CONCURRENT_TRANSACTIONS until the markers of the
		// transaction before are written, a few milliseconds.
		kgo.ConcurrentTransactionsBackoff(2*time.Millisecond),
		// Output goes to the shard's own partition, whatever its key.
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		// Records are handed over a transaction at a time and then flushed:
		// so each partition gets one large batch at once, and lingering would
		// only wait for nothing.
		kgo.ManualFlushing(),
		kgo.MaxBufferedRecords(MaxTransactionRecords),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytesFn(func(topic string) int32 {
			// One dead letter, chunk or transfer may be larger than a batch need be.
			if topic == names.Output(DeadLetters) || topic == names.Changelog() || topic == names.Input(event.Transfers) {
				return MaxOutputBytes
			}
			return producerBatchBytes
		}),
		// An open transaction must end within TransactionTimeout anyhow; kgo
		// would try for ever.
		kgo.RecordDeliveryTimeout(2*TransactionTimeout),
	)
}

// MaxTransactionRecords is how many records one flush of a shard's transaction
// may hold.
const MaxTransactionRecords = 1 << 20

// FollowerOptions are those of a client that follows changelogs, or reads any
// other topic of the catalogue for what was committed.
func FollowerOptions(common []kgo.Opt) []kgo.Opt {
	return append(append([]kgo.Opt{}, common...), readerOptions()...)
}

// Membership is a processor's place in the group that shares the shards.
type Membership struct {
	Names Names
	// InstanceID makes the member static: it keeps its shards while it
	// restarts within SessionTimeout. "" makes it a new member each time.
	InstanceID string
	// Assigned is called after each time the group has confirmed this member,
	// also where it brings no new shards.
	Assigned func(shards []int32)
	// Revoked returns once the shards are handed over; Lost once they have
	// stopped, without a hand over.
	Revoked func(shards []int32)
	Lost    func(shards []int32)
}

// MemberOptions are those of the client that keeps a processor's membership.
// It reads nothing: pause its topic.
func MemberOptions(common []kgo.Opt, m Membership) []kgo.Opt {
	topic := m.Names.Shards()
	on := func(f func([]int32)) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) { f(partitions[topic]) }
	}
	opts := append(append([]kgo.Opt{}, common...),
		kgo.ConsumerGroup(m.Names.ProcessorGroup()),
		kgo.ConsumeTopics(topic),
		// Shards stay where they are when a member comes or goes.
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(SessionTimeout),
		kgo.HeartbeatInterval(SessionTimeout/6),
		kgo.RebalanceTimeout(30*time.Second),
		// The group carries ownership, not positions.
		kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(on(m.Assigned)),
		kgo.OnPartitionsRevoked(on(m.Revoked)),
		kgo.OnPartitionsLost(on(m.Lost)),
	)
	if m.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(m.InstanceID))
	}
	return opts
}
