package engine

import (
	"math/bits"
	"slices"

	"highwater/pkg/event"
)

// receive applies what a transfer brings. The record comes from the internal
// topic: it was decided where it was sent, is refused nowhere, and doesn't
// move the watermark.
func (e *Engine) receive(r *event.Remittance) {
	u := e.user(r.To)
	a := e.account(u, r.Asset)
	if a == nil {
		a = e.newAccount(u, r.Asset)
	}
	op := &e.op
	*op = event.Placed{
		ID: e.keep.str(r.EventID), Kind: event.Received, Time: r.OccurredAt,
		ArrivedAt: r.ArrivedAt, ProcessedAt: e.now, Sequence: r.Sequence, Offset: r.Input.Offset,
		Amount: r.Amount(), Marks: event.TimeGivenMark,
	}.With(event.Details{
		From: e.keep.str(r.From), OccurredAt: r.OccurredAt, EffectiveAt: event.NoTime, ExpiresAt: event.NoTime,
		Incoming: &event.Incoming{Partition: r.Input.Partition, Grants: slices.Clone(r.Grants)},
	})
	at := op.Place()
	e.key = appendPlaced(e.key[:0], keyEvent, a.number, at)
	if _, known := e.rows.Get(e.key); known {
		return
	}
	if op.Time <= e.marks.At {
		op.Marks |= event.AfterFinalMark
	}
	sum, carry := bits.Add64(a.credited, uint64(op.Amount), 0)
	a.credited, a.creditedHigh = sum, a.creditedHigh+carry
	edits := e.late.edits[:0]
	for n := range r.Grants {
		id := r.GrantID(n)
		e.key = appendName(e.key[:0], nameGrant, u.id, id, e.key2)
		e.writeName(e.key, id, a.number, at)
		edits = e.wakeRevokes(u, a, id, edits)
	}
	e.enter(a, op, &event.Event{}, edits)
}
