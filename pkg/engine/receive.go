package engine

import (
	"math/bits"
	"slices"

	"highwater/pkg/event"
	"highwater/pkg/timeline"
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
		ID: e.keep.str(r.EventID), From: e.keep.str(r.From), Kind: event.Received,
		Time: r.OccurredAt, OccurredAt: r.OccurredAt, EffectiveAt: event.NoTime, ExpiresAt: event.NoTime,
		ArrivedAt: r.ArrivedAt, ProcessedAt: e.now, Sequence: r.Sequence, Offset: r.Input.Offset,
		Amount: r.Amount(), Marks: event.TimeGivenMark,
		Incoming: &event.Incoming{Partition: r.Input.Partition, Grants: slices.Clone(r.Grants)},
	}
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
		e.writeName(e.key, a.number, at)
		edits = e.wakeRevokes(u, a, id, edits)
	}
	e.enter(a, op, &event.Event{}, edits)
}

// enter places a decided event and says what becomes of it and of the edits
// that it makes in the events known before.
func (e *Engine) enter(a *account, op *event.Placed, extra *event.Event, edits []timeline.Edit) {
	e.late.edits = edits
	at := op.Place()
	if a.said && at.Before(a.head.place) {
		op.Marks |= event.LateMark
	}
	changesSaid := op.Marks.Has(event.LateMark) || len(edits) > 0
	if changesSaid {
		// Before the event's row is there to be read, too.
		e.reach(a, at)
		for i := range edits {
			e.reach(a, edits[i].Place)
		}
	}
	e.writeEvent(a.number, op, extra)
	switch {
	case op.Marks.Has(event.LateMark):
		e.applyLate(a, op, edits)
	case len(edits) > 0:
		e.applyWithEdits(a, op, edits)
	default:
		e.sayDuesBefore(a, op)
		e.applyOnTime(a, op)
	}
	e.sayDues(a)
	e.touch(a)
	e.schedule(a)
}
