package shard

import (
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

const (
	// recordSlab is how many records are made at a time.
	recordSlab = 1024
	// keptArenaBytes is what an outbox keeps of its memory between two
	// transactions; a rare giant gives its own back.
	keptArenaBytes = 64 << 20
	keptSlabs      = 256
	// transferRoom is what a transfer's record needs beside its value: its key
	// and Kafka's framing.
	transferRoom = 1 << 10
)

// outbox is what one transaction publishes: the engine's records, encoded at
// once, and the changelog's. Two of them take turns, one being filled while
// the other is on its way. It is an engine.Sink.
type outbox struct {
	shard   int32
	encoder *codec.Encoder
	topics  [kafka.OutputCount]string
	// transfers is the internal topic, partitions how many it has.
	transfers  string
	partitions int32

	// input is the record that the engine was called with.
	input *kgo.Record
	// stamp is Kafka's timestamp of every record.
	stamp time.Time

	slabs   [][]kgo.Record
	count   int
	arena   []byte
	size    int
	said    [kafka.OutputCount]int
	changes []*kgo.Record // the changelog's
	// refused is why the transaction can't be published.
	refused error
}

var _ engine.Sink = (*outbox)(nil)

func newOutbox(names kafka.Names, shard, partitions int32, encoder *codec.Encoder) *outbox {
	o := &outbox{shard: shard, encoder: encoder, transfers: names.Input(event.Transfers), partitions: partitions}
	for _, output := range kafka.Outputs() {
		o.topics[output] = names.Output(output)
	}
	return o
}

func (o *outbox) empty() bool { return o.count == 0 }

// reset forgets the transaction. REQUIRES: no client holds a record.
func (o *outbox) reset() {
	for i, left := 0, o.count; left > 0; i, left = i+1, left-recordSlab {
		clear(o.slabs[i][:min(left, recordSlab)])
	}
	if len(o.slabs) > keptSlabs {
		o.slabs = o.slabs[:keptSlabs]
	}
	o.count, o.size, o.input, o.refused = 0, 0, nil, nil
	o.said = [kafka.OutputCount]int{}
	clear(o.changes)
	o.changes = o.changes[:0]
	if cap(o.arena) > keptArenaBytes {
		o.arena = nil
	}
	o.arena = o.arena[:0]
}

// each yields the records in the order in which they were said, the
// changelog's last.
func (o *outbox) each(yield func(*kgo.Record) bool) {
	left := o.count
	for _, slab := range o.slabs {
		for i := range slab[:min(left, recordSlab)] {
			if !yield(&slab[i]) {
				return
			}
		}
		left -= min(left, recordSlab)
	}
}

func (o *outbox) record(topic string) *kgo.Record {
	slab := o.count / recordSlab
	if slab == len(o.slabs) {
		o.slabs = append(o.slabs, make([]kgo.Record, recordSlab))
	}
	r := &o.slabs[slab][o.count%recordSlab]
	o.count++
	r.Topic, r.Partition, r.Timestamp = topic, o.shard, o.stamp
	return r
}

func (o *outbox) output(output kafka.Output) *kgo.Record {
	o.said[output]++
	return o.record(o.topics[output])
}

// since is what was appended to the arena from a length on. The arena may move
// when it grows; what was cut off before stays where it was.
func (o *outbox) since(from int) []byte {
	o.size += len(o.arena) - from
	return o.arena[from:len(o.arena):len(o.arena)]
}

func (o *outbox) text(s string) []byte {
	from := len(o.arena)
	o.arena = append(o.arena, s...)
	return o.since(from)
}

func (o *outbox) key(parts ...string) []byte {
	from := len(o.arena)
	o.arena = codec.AppendKey(o.arena, parts...)
	return o.since(from)
}

func (o *outbox) decimal(n int64) []byte {
	from := len(o.arena)
	o.arena = strconv.AppendInt(o.arena, n, 10)
	return o.since(from)
}

// Entry publishes an entry.
func (o *outbox) Entry(e *event.Entry) { o.entry(kafka.Entries, e) }

// Settled publishes an entry that the watermark has passed.
func (o *outbox) Settled(e *event.Entry) { o.entry(kafka.Settled, e) }

func (o *outbox) entry(output kafka.Output, e *event.Entry) {
	r := o.output(output)
	r.Key = o.text(e.UserID)
	e, omitted := codec.PublishedEntry(e)
	r.Headers = omits(omitted)
	from := len(o.arena)
	o.arena = o.encoder.AppendEntry(o.arena, e)
	r.Value = o.since(from)
}

// omits is the header of a record that would have been too large.
func omits(omitted []byte) []kgo.RecordHeader {
	if omitted == nil {
		return nil
	}
	return []kgo.RecordHeader{{Key: kafka.HeaderOmitted, Value: omitted}}
}

// Correction publishes a correction.
func (o *outbox) Correction(c *event.Correction) {
	r := o.output(kafka.Corrections)
	r.Key = o.text(c.UserID)
	c, omitted := codec.PublishedCorrection(c)
	r.Headers = omits(omitted)
	from := len(o.arena)
	o.arena = o.encoder.AppendCorrection(o.arena, c)
	r.Value = o.since(from)
}

// Balance publishes a balance.
func (o *outbox) Balance(b *event.Balance) {
	r := o.output(kafka.Balances)
	r.Key = o.key(b.UserID, b.Asset)
	from := len(o.arena)
	o.arena = o.encoder.AppendBalance(o.arena, b)
	r.Value = o.since(from)
}

// OrderState publishes an order's state, or a tombstone where it is gone.
func (o *outbox) OrderState(s *event.OrderState) {
	r := o.output(kafka.OrderStates)
	r.Key = o.key(s.UserID, s.OrderID)
	if s.Gone {
		r.Headers = o.stampHeaders(make([]kgo.RecordHeader, 0, 3), &s.Stamp)
		return
	}
	from := len(o.arena)
	o.arena = o.encoder.AppendOrderState(o.arena, s)
	r.Value = o.since(from)
}

// OrderStats publishes a window's statistics.
func (o *outbox) OrderStats(s *event.OrderStats) {
	r := o.output(kafka.OrderStats)
	r.Key = o.key(s.Currency, strconv.FormatInt(int64(s.WindowStart), 10))
	from := len(o.arena)
	o.arena = o.encoder.AppendOrderStats(o.arena, s)
	r.Value = o.since(from)
}

// Watermark publishes the partition's watermark.
func (o *outbox) Watermark(w *event.Watermark) {
	r := o.output(kafka.Watermarks)
	r.Key = o.decimal(int64(w.Partition))
	from := len(o.arena)
	o.arena = o.encoder.AppendWatermark(o.arena, w)
	r.Value = o.since(from)
}

// Alert publishes an alert.
func (o *outbox) Alert(a *event.Alert) {
	r := o.output(kafka.Alerts)
	r.Key = o.text(a.UserID)
	from := len(o.arena)
	o.arena = o.encoder.AppendAlert(o.arena, a)
	r.Value = o.since(from)
}

// Remittance sends a transfer's credits to the receiver's shard, in the same
// transaction as the debit.
func (o *outbox) Remittance(m *event.Remittance) {
	r := o.record(o.transfers)
	r.Key = o.text(m.To)
	r.Partition = kafka.PartitionOf(r.Key, o.partitions)
	from := len(o.arena)
	o.arena = codec.AppendRemittance(o.arena, m)
	r.Value = o.since(from)
	if o.refused == nil && len(r.Value) > kafka.MaxOutputBytes-transferRoom {
		o.refused = &OversizedError{Position: m.Input, Grants: len(m.Grants)}
	}
}

// OversizedError stops a shard: a transfer sends more grants than a record
// holds, and what it lacked would be somebody's money.
type OversizedError struct {
	Position event.Position
	Grants   int
}

// Error names the position.
func (e *OversizedError) Error() string {
	return fmt.Sprintf("the transfer of record %s draws from %d grants, more than one record of %d bytes can send",
		kafka.FormatPosition(e.Position), e.Grants, kafka.MaxOutputBytes)
}

// PersonMustDecide says that no restart cures it.
func (e *OversizedError) PersonMustDecide() (missing, action string) {
	return e.Error(), fmt.Sprintf("put the record aside with `highwater dead-letters skip %s`, which leaves the credits with the sender; transfer them in smaller amounts, each with an event_id of its own",
		kafka.FormatPosition(e.Position))
}

// DeadLetter puts the input record aside as it came, with headers that say
// why. One that would fit no topic stays in the input, and the letter says so.
func (o *outbox) DeadLetter(rec *engine.Record, d *event.DeadLetter) {
	r := o.output(kafka.DeadLetters)
	key, value, headers := o.input.Key, o.input.Value, o.input.Headers
	message := d.Message
	if d.Field != "" {
		message = d.Field + ": " + d.Message
	}
	if bytes, omits := kafka.LetterOmits(o.input); omits {
		key, headers = kafka.OmittedLetter(o.input, bytes)
		value = nil
		message += "; the record is too large for a dead letter and stands in the input alone"
	}
	r.Key, r.Value = key, value
	o.size += len(key) + len(value)
	h := make([]kgo.RecordHeader, 0, len(headers)+8)
	h = append(h, headers...)
	h = append(h,
		kgo.RecordHeader{Key: "__streams.errors.topic", Value: []byte(o.input.Topic)},
		kgo.RecordHeader{Key: "__streams.errors.partition", Value: o.decimal(int64(rec.Input.Partition))},
		kgo.RecordHeader{Key: "__streams.errors.offset", Value: o.decimal(rec.Input.Offset)},
		kgo.RecordHeader{Key: "__streams.errors.message", Value: o.text(message)},
		kgo.RecordHeader{Key: "__streams.errors.exception", Value: []byte(d.Code.String())})
	r.Headers = o.stampHeaders(h, &d.Stamp)
}

func (o *outbox) stampHeaders(h []kgo.RecordHeader, s *event.Stamp) []kgo.RecordHeader {
	return append(h,
		kgo.RecordHeader{Key: "highwater.partition", Value: o.decimal(int64(s.Partition))},
		kgo.RecordHeader{Key: "highwater.seq", Value: o.decimal(s.Seq)},
		kgo.RecordHeader{Key: "highwater.watermark", Value: o.decimal(int64(s.Watermark))})
}

// changelog adds the batch's own records.
func (o *outbox) changelog(topic string, whole *kafka.ChangelogRecord) {
	for chunk := range kafka.ChunkCount(len(whole.Batch)) {
		r := o.record(topic)
		from := len(o.arena)
		o.arena = kafka.AppendChangelogChunk(o.arena, whole, chunk)
		r.Value = o.since(from)
		o.changes = append(o.changes, r)
	}
}
