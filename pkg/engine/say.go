package engine

import (
	"fmt"
	"strconv"

	"highwater/pkg/event"
)

// maxPart bounds the stretches and changes of one part of a correction, and
// maxPartBytes about how many bytes they have; one change alone may have more.
const (
	maxPart      = 500
	maxPartBytes = 1 << 20
)

// publishEvery is the least time between two records of the watermarks topic.
const publishEvery = 1_000_000

func (e *Engine) stamp(s stream) event.Stamp {
	seq := e.meta.seqs[s]
	e.meta.seqs[s]++
	return event.Stamp{Partition: e.cfg.Partition, Seq: seq, Watermark: e.cause, CommittedAt: e.now}
}

func (e *Engine) refuse(rec *Record, r *event.Refusal) {
	e.sink.DeadLetter(rec, &event.DeadLetter{Refusal: *r, Stamp: e.stamp(deadLetters)})
}

// fillEvent makes the scratch entry say r about an event.
func (e *Engine) fillEvent(user, asset string, op *event.Placed, r *event.Result) *event.Entry {
	e.entry = event.Entry{
		EventID: op.ID, UserID: user, Asset: asset, Kind: op.Kind,
		OccurredAt: op.OccurredAt(), EffectiveAt: op.Time, ArrivedAt: op.ArrivedAt,
		Input: e.inputOf(op), Counterparty: counterparty(op), Revision: revision(op), Result: *r,
		Late: op.Marks.Has(event.LateMark), AfterFinal: op.Marks.Has(event.AfterFinalMark),
	}
	return &e.entry
}

// inputOf is where an event's record stands: what a transfer brought stands
// with its sender.
func (e *Engine) inputOf(op *event.Placed) event.Position { return inputOf(op, e.cfg.Partition) }

func inputOf(op *event.Placed, partition int32) event.Position {
	if in := op.Incoming(); in != nil {
		partition = in.Partition
	}
	return event.Position{Topic: op.Kind.Topic(), Partition: partition, Offset: op.Offset}
}

// counterparty is the other side of a transfer.
func counterparty(op *event.Placed) string {
	if op.Kind == event.Received {
		return op.From()
	}
	return op.To()
}

// revision is that of the event's entry: one that waited had an entry before.
func revision(op *event.Placed) int32 {
	if op.Marks.Has(event.WaitedMark) {
		return 1
	}
	return 0
}

// fillDue makes the scratch entry say r about a due item.
func (e *Engine) fillDue(user, asset string, place event.Place, r *event.Result, afterFinal bool) *event.Entry {
	kind := place.Due.Kind()
	e.entry = event.Entry{
		EventID: dueID(place), UserID: user, Asset: asset, Kind: kind,
		OccurredAt: place.Time, EffectiveAt: place.Time, ArrivedAt: event.NoTime,
		Result: *r, AfterFinal: afterFinal,
	}
	return &e.entry
}

// dueID is the event_id of a due item.
func dueID(place event.Place) string { return place.Due.Kind().String() + "/" + place.ID }

func (e *Engine) sayEntry(entry *event.Entry) {
	entry.Stamp = e.stamp(entries)
	e.sink.Entry(entry)
	e.sayHits(entry)
	if entry.Code == event.AmountOverflow {
		e.sayAlert(&event.Alert{
			UserID: entry.UserID, Asset: entry.Asset, Kind: event.OverflowAlert, EventID: entry.EventID,
			Message: "the total ever credited or debited would pass the limit; the event is rejected",
			Value:   overflowTotal(entry, e), Limit: strconv.FormatInt(event.MaxTotal, 10),
		})
	}
	if entry.Shortfall > 0 {
		e.sayShortfall(entry.UserID, entry.Asset, entry.EventID, entry.Shortfall)
	}
}

func (e *Engine) saySettled(entry *event.Entry) {
	if !e.cfg.Settled {
		return
	}
	entry.Stamp = e.stamp(settled)
	e.sink.Settled(entry)
}

func (e *Engine) sayShortfall(user, asset, id string, shortfall int64) {
	e.sayAlert(&event.Alert{
		UserID: user, Asset: asset, Kind: event.ShortfallAlert, EventID: id,
		Message: fmt.Sprintf("%d of what the event takes was not there", shortfall),
		Value:   strconv.FormatInt(shortfall, 10), Limit: "0",
	})
}

func (e *Engine) sayAlert(a *event.Alert) {
	a.Stamp = e.stamp(alerts)
	e.sink.Alert(a)
}

// sayCorrection cuts what changed into parts, stretches first.
func (e *Engine) sayCorrection(c *event.Correction, number uint64) {
	stretches, changes := c.Changes, c.Entries
	c.Parts = 0
	for s, n := 0, 0; s < len(stretches) || n < len(changes); c.Parts++ {
		more, moreChanges := partOf(stretches[s:], changes[n:])
		s, n = s+more, n+moreChanges
	}
	for c.Part = 1; c.Part <= c.Parts; c.Part++ {
		n, m := partOf(stretches, changes)
		c.Changes, c.Entries = stretches[:n], changes[:m]
		stretches, changes = stretches[n:], changes[m:]
		c.Stamp = e.stamp(corrections)
		e.sink.Correction(c)
		e.keepCorrection(c, number)
	}
}

// partOf is how many stretches and changes the next part of a correction has.
func partOf(stretches []event.Stretch, changes []event.EntryChange) (n, m int) {
	n = min(maxPart, len(stretches))
	bytes := 0
	for n+m < maxPart && m < len(changes) {
		if bytes += changeBytes(&changes[m]); bytes > maxPartBytes && n+m > 0 {
			break
		}
		m++
	}
	return n, m
}

// changeBytes is about how many bytes a change takes in a record.
func changeBytes(c *event.EntryChange) int {
	const change, slice = 120, 24
	bytes := change + len(c.EventID)
	for _, r := range [...]*event.Result{c.Before, c.After} {
		if r == nil {
			continue
		}
		for i := range r.Slices {
			bytes += slice + len(r.Slices[i].GrantID)
		}
		for i := range r.Repaid {
			bytes += slice + len(r.Repaid[i].GrantID) + len(r.Repaid[i].EventID)
		}
	}
	return bytes
}

func (e *Engine) sayWatermark() {
	m := &e.meta
	at := e.marks.At
	if at == 0 || at <= m.publishedMark || m.publishedMark != event.NoTime && e.now-m.publishedAt < publishEvery {
		return
	}
	m.publishedMark, m.publishedAt = at, e.now
	e.cause = at
	e.sink.Watermark(&event.Watermark{At: at, Stamp: e.stamp(watermarks)})
}
