package verify

import (
	"sort"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/oracle"
)

// history is all that one partition's topics hold up to the cut.
type history struct {
	v         *verifier
	report    *report
	partition int32
	decoder   *codec.Decoder
	chain     *chain
	// cutMillis is when the newest transaction was processed.
	cutMillis int64

	// inputs are the records of each topic that the shard reads, by offset.
	inputs map[event.Topic][]*input

	entries     []*published[event.Entry]
	corrections []*published[event.Correction]
	balances    []*published[event.Balance]
	settled     []*published[event.Entry]
	orderStates []*published[event.OrderState]
	orderStats  []*published[event.OrderStats]
	alerts      []*published[event.Alert]
	watermarks  []*published[event.Watermark]
	deadLetters []*deadLetter

	// decided is what arrival decided of each event, by its entry.
	decided map[*event.Entry]*decision
	// received are the records of the topic of transfers, by what they bring.
	received map[remitted]*input
	// lines are the replays up to the cut, by account.
	lines map[oracle.AccountName]*oracle.Timeline
}

// input is one input record.
type input struct {
	record   *kgo.Record
	position event.Position
	event    event.Event
	// refusal is what the record is refused for, whatever came before it; nil
	// where it is an event.
	refusal *event.Refusal
	// remittance is what a transfer brought, where the record is one.
	remittance *event.Remittance
	// entry is the first that was made of it.
	entry  *event.Entry
	letter *deadLetter
}

// arrivedAt is when the event's record was appended; for what a transfer
// brought, the sender's.
func (in *input) arrivedAt() event.Time {
	if in.remittance != nil {
		return in.remittance.ArrivedAt
	}
	return event.TimeOf(in.record.Timestamp).Clamped()
}

// place is where the event stands.
func (in *input) place() event.Place {
	if in.remittance != nil {
		return in.remittance.Place()
	}
	return in.event.Place()
}

// published is one output record.
type published[T any] struct {
	value  T
	stamp  event.Stamp
	record *kgo.Record
}

// deadLetter is a record of the dead-letters topic.
type deadLetter struct {
	record *kgo.Record
	stamp  event.Stamp
	// input is where it says it came from, code why.
	input event.Position
	code  event.Code
}

func newHistory(v *verifier, p int32) *history {
	return &history{
		v: v, report: v.report, partition: p, decoder: v.decoder(), chain: newChain(p, v.report),
		inputs:  map[event.Topic][]*input{},
		decided: map[*event.Entry]*decision{}, received: map[remitted]*input{},
		lines: map[oracle.AccountName]*oracle.Timeline{},
	}
}

// input takes a record of an input topic.
func (h *history) input(record *kgo.Record) {
	topic, ok := h.v.Names.ParseInput(record.Topic)
	if !ok {
		return
	}
	in := &input{record: record, position: event.Position{Topic: topic, Partition: h.partition, Offset: record.Offset}}
	if topic == event.Transfers {
		h.transfer(in)
	} else {
		in.refusal = h.read(in)
	}
	h.inputs[topic] = append(h.inputs[topic], in)
}

// read decodes an input record, and says why it can't be an event here.
func (h *history) read(in *input) *event.Refusal {
	if r := h.decoder.Decode(in.position.Topic, in.record.Key, in.record.Value, event.TimeOf(in.record.Timestamp), &in.event); r != nil {
		return r
	}
	if p := kafka.PartitionOf(in.record.Key, h.v.partitions); p != h.partition {
		return &event.Refusal{Code: event.WrongPartition, Field: "user_id", Message: "the user lives in partition " + strconv.Itoa(int(p))}
	}
	return nil
}

// find is the input record at a position; nil where there is none.
func (h *history) find(p event.Position) *input {
	records := h.inputs[p.Topic]
	i := sort.Search(len(records), func(i int) bool { return records[i].position.Offset >= p.Offset })
	if p.Partition != h.partition || i == len(records) || records[i].position.Offset != p.Offset {
		return nil
	}
	return records[i]
}

// of is the input record that an entry was made of; nil where there is none
// that was taken.
func (h *history) of(e *event.Entry) *input {
	if e.Kind == event.Received {
		return h.received[remitted{e.Counterparty, e.EventID, e.UserID}]
	}
	return h.find(e.Input)
}

// output takes a record of an output topic.
func (h *history) output(record *kgo.Record) {
	var err error
	d := h.decoder
	switch record.Topic {
	case h.v.Names.Output(kafka.Entries):
		err = take(record, &h.entries, noting(record, d.DecodeEntry, codec.NoteOmitted), func(e *event.Entry) event.Stamp { return e.Stamp })
	case h.v.Names.Output(kafka.Settled):
		err = take(record, &h.settled, noting(record, d.DecodeEntry, codec.NoteOmitted), func(e *event.Entry) event.Stamp { return e.Stamp })
	case h.v.Names.Output(kafka.Corrections):
		err = take(record, &h.corrections, noting(record, d.DecodeCorrection, codec.NoteOmittedChanges), func(c *event.Correction) event.Stamp { return c.Stamp })
	case h.v.Names.Output(kafka.Balances):
		err = take(record, &h.balances, d.DecodeBalance, func(b *event.Balance) event.Stamp { return b.Stamp })
	case h.v.Names.Output(kafka.OrderStates):
		err = take(record, &h.orderStates, orderState(d, record), func(s *event.OrderState) event.Stamp { return s.Stamp })
	case h.v.Names.Output(kafka.OrderStats):
		err = take(record, &h.orderStats, d.DecodeOrderStats, func(s *event.OrderStats) event.Stamp { return s.Stamp })
	case h.v.Names.Output(kafka.Alerts):
		err = take(record, &h.alerts, d.DecodeAlert, func(a *event.Alert) event.Stamp { return a.Stamp })
	case h.v.Names.Output(kafka.Watermarks):
		err = take(record, &h.watermarks, d.DecodeWatermark, func(w *event.Watermark) event.Stamp { return w.Stamp })
	case h.v.Names.Output(kafka.DeadLetters):
		var letter *deadLetter
		if letter, err = h.letter(record); err == nil {
			h.deadLetters = append(h.deadLetters, letter)
		}
	}
	if err != nil {
		h.report.fail(checkRecords, "%s: %v", where(record), err)
	}
}

// noting decodes a record and notes what its header says it lacks.
func noting[T any](record *kgo.Record, decode func([]byte, *T) error, note func([]byte, *T) error) func([]byte, *T) error {
	return func(value []byte, to *T) error {
		if err := decode(value, to); err != nil {
			return err
		}
		if omitted, ok := headersOf(record)[kafka.HeaderOmitted]; ok {
			return note([]byte(omitted), to)
		}
		return nil
	}
}

func take[T any](record *kgo.Record, to *[]*published[T], decode func([]byte, *T) error, stamp func(*T) event.Stamp) error {
	p := &published[T]{record: record}
	if err := decode(record.Value, &p.value); err != nil {
		return err
	}
	p.stamp = stamp(&p.value)
	*to = append(*to, p)
	return nil
}

// cut drops what lies behind the cut.
func (h *history) cut() {
	last := h.chain.last()
	for topic, records := range h.inputs {
		n := sort.Search(len(records), func(i int) bool { return records[i].position.Offset >= last.positions.Next(topic) })
		h.inputs[topic] = records[:n]
	}
	h.entries = upTo(h.cutMillis, h.entries)
	h.corrections = upTo(h.cutMillis, h.corrections)
	h.balances = upTo(h.cutMillis, h.balances)
	h.settled = upTo(h.cutMillis, h.settled)
	h.orderStates = upTo(h.cutMillis, h.orderStates)
	h.orderStats = upTo(h.cutMillis, h.orderStats)
	h.alerts = upTo(h.cutMillis, h.alerts)
	h.watermarks = upTo(h.cutMillis, h.watermarks)
	letters := h.deadLetters[:0]
	for _, l := range h.deadLetters {
		if l.input.Offset < last.positions.Next(l.input.Topic) {
			letters = append(letters, l)
		}
	}
	h.deadLetters = letters
	for _, topic := range []struct {
		output  kafka.Output
		records int
	}{
		{kafka.Entries, len(h.entries)}, {kafka.Corrections, len(h.corrections)}, {kafka.Balances, len(h.balances)},
		{kafka.Settled, len(h.settled)}, {kafka.OrderStates, len(h.orderStates)}, {kafka.OrderStats, len(h.orderStats)},
		{kafka.Alerts, len(h.alerts)}, {kafka.Watermarks, len(h.watermarks)}, {kafka.DeadLetters, len(h.deadLetters)},
	} {
		h.report.count(checkRecords, topic.output.String(), topic.records)
	}
}

// upTo keeps the records of transactions up to the cut.
func upTo[T any](cutMillis int64, all []*published[T]) []*published[T] {
	kept := all[:0]
	for _, p := range all {
		said := millis(p.stamp.CommittedAt)
		if len(p.record.Value) == 0 {
			said = p.record.Timestamp.UnixMilli()
		}
		if said <= cutMillis {
			kept = append(kept, p)
		}
	}
	return kept
}
