package verify

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// remitted names a transfer: nobody sends two of one id.
type remitted struct{ from, id, to string }

// transfers is what was sent and what came, over all partitions. It is held in
// memory: of each transfer its slices.
type transfers struct {
	// sent are the accepted ones, up to each sender's cut.
	sent map[remitted]*sentTransfer
	// cuts are the positions in ledger up to which each sender was looked at.
	cuts map[int32]int64
	// received are those that made an entry up to the receiver's cut.
	received map[remitted]*event.Remittance
}

// sentTransfer is an accepted transfer as it was decided.
type sentTransfer struct {
	entry    *event.Entry
	sequence int64
	// found counts its records in the topic of transfers.
	found int
}

func newTransfers() transfers {
	return transfers{sent: map[remitted]*sentTransfer{}, cuts: map[int32]int64{}, received: map[remitted]*event.Remittance{}}
}

// transfer reads what a transfer brings this partition.
func (h *history) transfer(in *input) {
	r := &event.Remittance{}
	if err := codec.DecodeRemittance(in.record.Value, r); err != nil {
		in.refusal = &event.Refusal{Code: event.UnknownSchema, Message: err.Error()}
		h.report.fail(checkRecords, "%s: %v", where(in.record), err)
		return
	}
	in.remittance = r
	name := remitted{r.From, r.EventID, r.To}
	if first := h.received[name]; first != nil {
		h.report.fail(checkTransfers, "%s brings %s of %s to %s, as %s does: sent twice", where(in.record), r.EventID, r.From, r.To, where(first.record))
		return
	}
	h.received[name] = in
}

// checkReceived checks that each record of the topic of transfers made one
// entry, and remembers what was sent and what came.
func (h *history) checkReceived() {
	for _, p := range h.entries {
		e := &p.value
		if e.Kind == event.Transfer && e.Outcome == event.Accepted {
			if in := h.find(e.Input); in != nil {
				h.v.transfers.sent[remitted{e.UserID, e.EventID, in.event.To}] = &sentTransfer{entry: e, sequence: in.event.Sequence}
			}
		}
		if e.Kind != event.Received {
			continue
		}
		h.report.count(checkTransfers, "received", 1)
		in := h.of(e)
		switch {
		case in == nil || in.position.Offset >= h.chain.last().positions.Next(event.Transfers):
			h.report.fail(checkTransfers, "%s: %s got %s of %s, but no record that was taken brings it", where(p.record), e.UserID, e.EventID, e.Counterparty)
		case in.entry != nil:
			h.report.fail(checkTransfers, "%s: %s got %s of %s, which entry %d has already: credited twice", where(p.record), e.UserID, e.EventID, e.Counterparty, in.entry.Seq)
		case e.Input != in.remittance.Input:
			h.report.fail(checkTransfers, "%s: %s of %s names the input %s, expected %s", where(p.record), e.EventID, e.Counterparty, kafka.FormatPosition(e.Input), kafka.FormatPosition(in.remittance.Input))
		default:
			in.entry = e
			h.v.transfers.received[remitted{e.Counterparty, e.EventID, e.UserID}] = in.remittance
		}
	}
	for _, in := range h.inputs[event.Transfers] {
		if r := in.remittance; r != nil && in.entry == nil && in.letter == nil {
			h.report.fail(checkTransfers, "%s brings %s of %s to %s, and was taken, but nothing came of it: lost", where(in.record), r.EventID, r.From, r.To)
		}
	}
	h.v.transfers.cuts[h.partition] = h.chain.last().positions.Next(event.Ledger)
}

// checkTransfers compares, once all partitions have been looked at, what was
// sent with the whole topic of transfers: each accepted transfer is there once,
// as it was decided.
func (v *verifier) checkTransfers(ctx context.Context) error {
	topic := v.Names.Input(event.Transfers)
	for p := range v.partitions {
		r, err := v.newReader(ctx, p, topic)
		if err != nil {
			return err
		}
		err = r.readToEnd(ctx, v.client, v.remittance)
		r.close()
		if err != nil {
			return err
		}
	}
	for name, s := range v.transfers.sent {
		v.report.count(checkTransfers, "sent", 1)
		if s.found != 1 {
			v.report.fail(checkTransfers, "%s of %s to %s was accepted (entry %d of partition %d), but is in %s %d times", name.id, name.from, name.to, s.entry.Seq, s.entry.Partition, topic, s.found)
		}
	}
	return nil
}

// remittance holds a record of the topic of transfers against the transfer
// that sent it.
func (v *verifier) remittance(record *kgo.Record) {
	var r event.Remittance
	if codec.DecodeRemittance(record.Value, &r) != nil {
		return // told when its partition was looked at
	}
	s := v.transfers.sent[remitted{r.From, r.EventID, r.To}]
	if s == nil {
		if r.Input.Offset < v.transfers.cuts[r.Input.Partition] {
			v.report.fail(checkTransfers, "%s brings %s of %s to %s, but no such transfer was accepted", where(record), r.EventID, r.From, r.To)
		}
		return
	}
	s.found++
	if difference := s.differs(&r); difference != "" {
		v.report.fail(checkTransfers, "%s brings %s of %s to %s, but %s", where(record), r.EventID, r.From, r.To, difference)
	}
}

// differs says where a record isn't what the transfer drew when it was decided.
func (s *sentTransfer) differs(r *event.Remittance) string {
	e := s.entry
	if r.Asset != e.Asset || r.OccurredAt != e.OccurredAt || r.Sequence != s.sequence || r.ArrivedAt != e.ArrivedAt || r.Input != e.Input {
		return fmt.Sprintf("it is of %s at %s/%d from %s, expected %s at %s/%d from %s", r.Asset, r.OccurredAt, r.Sequence, kafka.FormatPosition(r.Input),
			e.Asset, e.OccurredAt, s.sequence, kafka.FormatPosition(e.Input))
	}
	kept := len(e.Slices) // of what is left out, the sum must do
	if len(r.Grants) != kept+int(e.Omitted.Slices) {
		return fmt.Sprintf("it brings %d grants, and what was drawn were %d and %d that are left out", len(r.Grants), kept, e.Omitted.Slices)
	}
	same := slices.EqualFunc(r.Grants[:kept], e.Slices, func(g event.RemittedGrant, s event.Slice) bool {
		return g.Amount == s.Amount && g.ExpiresAt == s.ExpiresAt
	})
	if !same || r.Amount() != e.Amount {
		return fmt.Sprintf("its grants are %v of %d, and what was drawn %v of %d", r.Grants, r.Amount(), e.Slices, e.Amount)
	}
	return ""
}
