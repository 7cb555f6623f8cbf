package verify

import (
	"bytes"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// checkStamps checks what every record carries.
func (h *history) checkStamps() {
	stamps(h, kafka.Entries, h.entries)
	stamps(h, kafka.Corrections, h.corrections)
	stamps(h, kafka.Balances, h.balances)
	stamps(h, kafka.Settled, h.settled)
	stamps(h, kafka.OrderStates, h.orderStates)
	stamps(h, kafka.OrderStats, h.orderStats)
	stamps(h, kafka.Alerts, h.alerts)
	stamps(h, kafka.Watermarks, h.watermarks)
	run := stampRun{h: h, output: kafka.DeadLetters, next: 0}
	for _, l := range h.deadLetters {
		run.take(l.record, l.stamp)
	}
	run.end(len(h.deadLetters))
	for _, e := range h.entries {
		h.checkTransaction(e)
	}
}

func stamps[T any](h *history, output kafka.Output, records []*published[T]) {
	run := stampRun{h: h, output: output}
	for _, p := range records {
		run.take(p.record, p.stamp)
	}
	run.end(len(records))
}

// stampRun goes through one topic's stamps.
type stampRun struct {
	h      *history
	output kafka.Output
	// next is the least seq that may follow; last the stamp before.
	next int64
	last event.Stamp
}

func (s *stampRun) take(record *kgo.Record, stamp event.Stamp) {
	r := s.h.report
	switch {
	case stamp.Seq > s.next && !s.output.IsCompacted():
		r.fail(checkSeq, "%s: seq %d, expected %d: records are missing", where(record), stamp.Seq, s.next)
	case stamp.Seq < s.next:
		r.fail(checkSeq, "%s: seq %d, expected %d or later: it was said before", where(record), stamp.Seq, s.next)
	}
	s.next = stamp.Seq + 1
	if stamp.Partition != s.h.partition {
		r.fail(checkStamps, "%s says it is of partition %d", where(record), stamp.Partition)
	}
	// A balance or a window is stamped by its last cause, not by its turn.
	if stamp.Watermark < s.last.Watermark && !s.output.IsCompacted() {
		r.fail(checkStamps, "%s: watermark %s, but %s was in force before", where(record), stamp.Watermark, s.last.Watermark)
	}
	if last := s.h.chain.last().watermark; stamp.Watermark > last {
		r.fail(checkStamps, "%s: watermark %s, but the changelog's is %s", where(record), stamp.Watermark, last)
	}
	if stamp.CommittedAt == event.NoTime {
		stamp.CommittedAt = s.last.CommittedAt
	} else if _, ok := s.h.chain.at(stamp.CommittedAt); !ok && !s.h.chain.wentBack {
		r.fail(checkStamps, "%s: committed_at %s is that of no transaction", where(record), stamp.CommittedAt)
	}
	if stamp.CommittedAt < s.last.CommittedAt {
		r.fail(checkStamps, "%s: committed_at %s, but %s was before", where(record), stamp.CommittedAt, s.last.CommittedAt)
	}
	s.last = stamp
}

func (s *stampRun) end(records int) {
	s.h.report.count(checkStamps, "records", records)
	if !s.output.IsCompacted() {
		s.h.report.count(checkSeq, "dense", records)
	} else {
		s.h.report.count(checkSeq, "increasing", records)
	}
}

// checkTransaction checks that an entry was published by the transaction that
// took its record, or later where it waited. A processor's clock that went back
// is no evidence.
func (h *history) checkTransaction(e *published[event.Entry]) {
	if e.value.Kind.IsDue() || h.chain.wentBack {
		return
	}
	in := h.of(&e.value)
	if in == nil {
		return // told as a failure of the inputs
	}
	t, ok := h.chain.taking(in.position)
	if ok && (t.processedAt != e.value.CommittedAt && e.value.Revision == 0 || t.processedAt > e.value.CommittedAt) {
		h.report.fail(checkStamps, "%s: committed_at %s, but its record %s was taken by the transaction of %s",
			where(e.record), e.value.CommittedAt, kafka.FormatPosition(e.value.Input), t.processedAt)
	}
}

// checkKeys checks each key against what the record says.
func (h *history) checkKeys() {
	ofUser := func(record *kgo.Record, user string, key []byte) {
		h.report.count(checkKeys, "keys", 1)
		if !bytes.Equal(record.Key, key) {
			h.report.fail(checkKeys, "%s has the key %q, expected %q", where(record), record.Key, key)
		}
		if user == "" {
			return
		}
		if p := kafka.PartitionOf(user, h.v.partitions); p != h.partition {
			h.report.fail(checkKeys, "%s is about %s, who lives in partition %d", where(record), user, p)
		}
	}
	for _, e := range h.entries {
		ofUser(e.record, e.value.UserID, []byte(e.value.UserID))
	}
	for _, e := range h.settled {
		ofUser(e.record, e.value.UserID, []byte(e.value.UserID))
	}
	for _, c := range h.corrections {
		ofUser(c.record, c.value.UserID, []byte(c.value.UserID))
	}
	for _, a := range h.alerts {
		ofUser(a.record, a.value.UserID, []byte(a.value.UserID))
	}
	for _, b := range h.balances {
		ofUser(b.record, b.value.UserID, codec.AppendKey(nil, b.value.UserID, b.value.Asset))
	}
	for _, s := range h.orderStates {
		ofUser(s.record, s.value.UserID, codec.AppendKey(nil, s.value.UserID, s.value.OrderID))
	}
	for _, in := range h.inputs[event.Transfers] {
		if r := in.remittance; r != nil {
			ofUser(in.record, r.To, []byte(r.To))
		}
	}
	for _, s := range h.orderStats {
		ofUser(s.record, "", codec.AppendKey(nil, s.value.Currency, strconv.FormatInt(int64(s.value.WindowStart), 10)))
	}
	for _, w := range h.watermarks {
		ofUser(w.record, "", strconv.AppendInt(nil, int64(h.partition), 10))
	}
}

// publishEvery is the least time between two records of the watermark.
const publishEvery = 1_000_000

// checkWatermarks checks that the published watermark moves on, is what was
// in force at the end of its transaction, and isn't overdue.
func (h *history) checkWatermarks() {
	last := event.Watermark{At: -1, Stamp: event.Stamp{CommittedAt: -1}}
	for _, p := range h.watermarks {
		w := p.value
		h.report.count(checkWatermarks, "moves", 1)
		if w.At <= last.At {
			h.report.fail(checkWatermarks, "%s: %s doesn't go on from %s", where(p.record), w.At, last.At)
		}
		if w.At != w.Watermark {
			h.report.fail(checkWatermarks, "%s: it says %s, its stamp %s", where(p.record), w.At, w.Watermark)
		}
		if t, ok := h.chain.at(w.CommittedAt); ok && t.watermark != w.At {
			h.report.fail(checkWatermarks, "%s: it says %s, the changelog %s", where(p.record), w.At, t.watermark)
		}
		last = w
	}
	if h.chain.wentBack {
		return
	}
	for _, t := range h.chain.transactions {
		if t.watermark > last.At && t.watermark > 0 && t.processedAt >= last.CommittedAt+publishEvery {
			h.report.fail(checkWatermarks, "partition %d: at %s (seq %d) the watermark was %s, but the newest that was published is %s of %s",
				h.partition, t.processedAt, t.seq, t.watermark, last.At, last.CommittedAt)
			return
		}
	}
}
