package bench

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// FloorPlan says what a floor moves: as many bytes as were measured, through
// the same protocol, with nothing computed or stored.
type FloorPlan struct {
	// Inputs are whose topics are read, Names whose are written. The inputs of
	// Names are read, too: what comes while latency is measured comes there.
	Inputs     kafka.Names `json:"inputs"`
	Names      kafka.Names `json:"names"`
	Partitions int32       `json:"partitions"`
	// Events is how many a transaction takes under backlog.
	Events  int           `json:"events"`
	Outputs []FloorOutput `json:"outputs"`
	// ChangelogBytes is the size of a batch of rows, for an event.
	ChangelogBytes float64 `json:"changelog_bytes"`
	// ChangelogSample are rows that were written, one batch after the other.
	ChangelogSample []byte `json:"changelog_sample"`
	// MaxBacklog bounds what each partition moves of what is there at first.
	MaxBacklog int64 `json:"max_backlog"`
	// Echo has each event's first output say which event it is of.
	Echo bool `json:"echo"`
	// Done is a file that is made once all that was there at first is moved.
	Done string `json:"done"`
}

// FloorOutput is what goes to one topic.
type FloorOutput struct {
	Topic string `json:"topic"`
	// Records is how many there are for an event.
	Records    float64 `json:"records"`
	KeyBytes   int     `json:"key_bytes"`
	ValueBytes int     `json:"value_bytes"`
	// Sample are values that were written, one after the other: records are cut
	// out of them, so that a compression finds what it found.
	Sample []byte `json:"sample"`
}

// floorGap is what a shard leaves between a commit's return and the next
// produce, at least.
const floorGap = time.Millisecond

// RunFloor moves what the plan says, one client a partition: what is there,
// and, where it echoes, what comes. It ends when ctx is cancelled.
func RunFloor(ctx context.Context, common []kgo.Opt, plan *FloorPlan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running, moving sync.WaitGroup
	moving.Add(int(plan.Partitions))
	go func() {
		moving.Wait()
		if ctx.Err() == nil {
			// Whoever waits for the file tells that it is missing.
			_ = os.WriteFile(plan.Done, nil, 0o600)
		}
	}()
	failures := make([]error, plan.Partitions)
	for p := range plan.Partitions {
		running.Go(func() {
			defer cancel() // one that fails ends them all
			f := &floor{FloorPlan: plan, partition: p, owed: make([]float64, len(plan.Outputs)), moved: sync.OnceFunc(moving.Done)}
			defer f.moved()
			for _, output := range plan.Outputs {
				f.payloads = append(f.payloads, payload{sample: append(output.Sample, 0)})
			}
			f.payloads = append(f.payloads, payload{sample: append(plan.ChangelogSample, 0)})
			if err := f.run(ctx, common); err != nil && ctx.Err() == nil {
				failures[p] = fmt.Errorf("floor of partition %d: %w", p, err)
			}
		})
	}
	running.Wait()
	return errors.Join(failures...)
}

// floor is one partition's. While one transaction is on its way, the next one
// is read.
type floor struct {
	*FloorPlan
	partition int32
	client    *kgo.Client
	// moved is called once the backlog is gone.
	moved func()

	// The rest is of who moves.
	seq    int64
	chain  [32]byte
	landed time.Time
	// owed is what each output is owed, in records.
	owed []float64
	// payloads are of each output, the last one is the changelog's.
	payloads []payload
	// records and values are memory for the next transaction.
	records []kgo.Record
	values  []byte
}

// payload hands out bytes of a sample, over and over.
type payload struct {
	sample []byte
	next   int
}

// take is n bytes, which stay as they are.
func (p *payload) take(n int) []byte {
	for len(p.sample) < n {
		p.sample = append(p.sample, p.sample...)
	}
	if p.next+n > len(p.sample) {
		p.next = 0
	}
	p.next += n
	return p.sample[p.next-n : p.next : p.next]
}

// cargo is what one transaction took.
type cargo struct {
	events    int
	positions kafka.Positions
	// echoes are what came, where that is to be told.
	echoes []*kgo.Record
}

func (f *floor) run(ctx context.Context, common []kgo.Opt) error {
	client, err := kgo.NewClient(kafka.ShardOptions(common, f.Names, f.partition)...)
	if err != nil {
		return err
	}
	defer client.Close()
	f.client = client
	if _, _, err := client.ProducerID(ctx); err != nil {
		return fmt.Errorf("become the owner: %w", err)
	}
	topics := make(map[string]event.Topic)
	inputs := make(map[string]map[int32]kgo.Offset)
	backlog := int64(0)
	for _, names := range []kafka.Names{f.Inputs, f.Names} {
		for t := event.Grants; t <= event.Transfers; t++ {
			name := names.Input(t)
			topics[name] = t
			inputs[name] = map[int32]kgo.Offset{f.partition: kgo.NewOffset().AtStart()}
			end, err := kafka.HighWatermark(ctx, client, name, f.partition)
			if err != nil {
				return err
			}
			backlog += end
		}
	}
	backlog = min(backlog, f.MaxBacklog)
	client.RemoveConsumePartitions(map[string][]int32{f.Names.Shards(): {f.partition}})
	client.AddConsumePartitions(inputs)

	todo, landed := make(chan cargo, 1), make(chan error, 1)
	var carrying sync.WaitGroup
	defer carrying.Wait()
	defer close(todo)
	carrying.Go(func() {
		for c := range todo {
			landed <- f.move(ctx, c)
		}
	})
	return f.read(ctx, topics, backlog, todo, landed)
}

// read collects records and hands them on: as many as the plan says, or, once
// the backlog is gone, what there is when the transaction before has landed.
func (f *floor) read(ctx context.Context, topics map[string]event.Topic, backlog int64, todo chan<- cargo, landed <-chan error) error {
	var c cargo
	flying := false
	land := func() error {
		if !flying {
			return nil
		}
		flying = false
		return <-landed
	}
	send := func() error {
		if err := land(); err != nil {
			return err
		}
		flying = true
		todo <- c
		c.events, c.echoes = 0, nil
		return nil
	}
	for {
		fetches := f.client.PollFetches(ctx)
		if err := errors.Join(ctx.Err(), fetches.Err()); err != nil {
			return err
		}
		for records := fetches.RecordIter(); !records.Done(); {
			r := records.Next()
			c.positions.Advance(topics[r.Topic], r.Offset)
			c.events++
			if backlog--; f.Echo {
				c.echoes = append(c.echoes, r)
			}
			if c.events == f.Events {
				if err := send(); err != nil {
					return err
				}
			}
		}
		if backlog > 0 {
			continue
		}
		if c.events > 0 {
			if err := send(); err != nil {
				return err
			}
		}
		if err := land(); err != nil {
			return err
		}
		if f.moved(); !f.Echo {
			<-ctx.Done() // nothing comes that is measured
			return ctx.Err()
		}
	}
}

// move runs one transaction.
func (f *floor) move(ctx context.Context, c cargo) error {
	gap := time.NewTimer(time.Until(f.landed.Add(floorGap)))
	defer gap.Stop()
	select {
	case <-gap.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	now := time.Now()
	if err := f.client.BeginTransaction(); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	var mu sync.Mutex
	var lost error
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			mu.Lock()
			lost = errors.Join(lost, err)
			mu.Unlock()
		}
	}
	records := f.load(c, now)
	for i := range records {
		f.client.Produce(ctx, &records[i], promise)
	}
	if err := f.client.Flush(ctx); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if lost != nil {
		return fmt.Errorf("produce: %w", lost)
	}
	if f.landed.IsZero() {
		// As a shard does: a commit before the client has stored what it learned
		// of its topics would silently abort.
		f.client.PurgeTopicsFromProducing("-")
	}
	if err := f.client.EndTransaction(context.WithoutCancel(ctx), kgo.TryCommit); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	f.landed = time.Now()
	return nil
}

// load makes the records of a transaction: the outputs, then the changelog's.
// They live until the next one.
func (f *floor) load(c cargo, now time.Time) []kgo.Record {
	f.records = f.records[:0]
	add := func(topic string, key, value []byte) {
		f.records = append(f.records, kgo.Record{Topic: topic, Partition: f.partition, Key: key, Value: value, Timestamp: now})
	}
	for i, output := range f.Outputs {
		value := func(of []byte) []byte {
			rest := f.payloads[i].take(output.ValueBytes)
			if f.Echo && i == 0 {
				return echo(of, rest)
			}
			return rest
		}
		f.owed[i] += output.Records * float64(c.events)
		if i == 0 {
			for _, r := range c.echoes {
				add(output.Topic, f.payloads[i].take(output.KeyBytes), value(r.Value))
				f.owed[i]--
			}
		}
		for ; f.owed[i] >= 1; f.owed[i]-- {
			add(output.Topic, f.payloads[i].take(output.KeyBytes), value(nil))
		}
	}
	f.seq++
	whole := &kafka.ChangelogRecord{
		Shard: f.partition, Seq: f.seq, PrevHash: f.chain, Positions: c.positions, ProcessedAt: event.TimeOf(now),
		Events: int32(c.events), Batch: f.payloads[len(f.Outputs)].take(int(f.ChangelogBytes * float64(c.events))),
	}
	whole.BatchHash = sha256.Sum256(whole.Batch)
	f.chain = kafka.ChainHash(whole.PrevHash, whole.BatchHash)
	f.values = f.values[:0]
	for chunk := range kafka.ChunkCount(len(whole.Batch)) {
		from := len(f.values)
		f.values = kafka.AppendChangelogChunk(f.values, whole, chunk)
		add(f.Names.Changelog(), nil, f.values[from:len(f.values):len(f.values)])
	}
	return f.records
}

// echo is an event's value, or none, in front of other bytes: its length in two
// bytes, then itself.
func echo(of, rest []byte) []byte {
	value := binary.BigEndian.AppendUint16(make([]byte, 0, max(len(rest), 2+len(of))), uint16(len(of)))
	value = append(value, of...)
	return append(value, rest[min(len(value), len(rest)):]...)
}

// echoed is the value that echo was given.
func echoed(value []byte) ([]byte, error) {
	if len(value) < 2 {
		return nil, errors.New("it has no echo")
	}
	n := int(binary.BigEndian.Uint16(value))
	if len(value) < 2+n {
		return nil, errors.New("its echo is cut")
	}
	return value[2 : 2+n], nil
}
