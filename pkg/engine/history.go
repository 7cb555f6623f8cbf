package engine

import (
	"encoding/binary"
	"fmt"

	"highwater/pkg/event"
	"highwater/pkg/pack"
)

// Marks of a correction row.
const (
	isAfterFinal = 1 << iota
	isPart
)

// A correction row, version 1, keeps what was published so that it can be
// read again by account, as pack's parts:
//
//	version | marks byte | kind byte of the cause | committed_at
//	| the cause: occurred_at, event_id, offset, partition if it is what a
//	transfer brought | watermark | if marked: part, parts
//	| count, stretches | count, changes of entries
//	| the cause's occurred_at + late by
//
// Times are written from the one before in their list, the first of them from
// occurred_at; what isn't a stretch's from the whole second of that:
//
//	stretch: shape byte | if marked: from | to, if marked | balance
//	| if marked: held, debt
//	change: event_id, like the last one | kind byte | effective_at | result
//	before | result after
//
// What was before and what is after are nearly the same, and so are the grants
// that one entry after the other draws on: results are in the form of
// [resultCoder].
const correctionRowVersion = 1

// Marks of a stretch.
const (
	isApart = 1 << iota
	isEnded
	isHeld
)

func (e *Engine) keepCorrection(c *event.Correction, number uint64) {
	e.key = binary.BigEndian.AppendUint64(appendNumbered(e.key[:0], keyCorrection, number), uint64(c.Seq))
	e.val = appendCorrection(e.val[:0], c)
	e.rows.Set(e.key, e.val)
}

func appendCorrection(b []byte, c *event.Correction) []byte {
	marks := byte(0)
	if c.AfterFinal {
		marks |= isAfterFinal
	}
	if c.Part != 1 || c.Parts != 1 {
		marks |= isPart
	}
	late := c.Cause.OccurredAt
	near := wholeSecond(late)
	b = append(b, correctionRowVersion, marks, byte(c.Cause.Kind))
	b = pack.Uint(b, uint64(c.CommittedAt))
	b = appendTime(b, late, 0)
	b = pack.String(b, c.Cause.EventID)
	b = pack.Uint(b, uint64(c.Cause.Input.Offset))
	if c.Cause.Kind == event.Received {
		b = pack.Uint(b, uint64(c.Cause.Input.Partition))
	}
	b = appendTime(b, c.Watermark, near)
	if marks&isPart != 0 {
		b = pack.Uint(b, uint64(c.Part))
		b = pack.Uint(b, uint64(c.Parts))
	}
	b = appendStretches(b, c.Changes, late)
	b = pack.Uint(b, uint64(len(c.Entries)))
	w := resultCoder{grants: grantCoder{from: near}}
	at, id := near, c.Cause.EventID
	for i := range c.Entries {
		n := &c.Entries[i]
		b = pack.Like(b, id, n.EventID)
		b = append(b, byte(n.Kind))
		b = appendTime(b, n.EffectiveAt, at)
		at, id = n.EffectiveAt, n.EventID
		like := w.likeLast()
		b = w.append(b, n.Before, &like)
		like = w.likely(n.Before, c.Changes, at)
		b = w.append(b, n.After, &like)
	}
	return appendTime(b, late+event.Time(c.Cause.LateBy), at)
}

func appendStretches(b []byte, stretches []event.Stretch, at event.Time) []byte {
	b = pack.Uint(b, uint64(len(stretches)))
	for i := range stretches {
		s := &stretches[i]
		marks := byte(0)
		if s.From != at {
			marks |= isApart
		}
		if s.To != event.NoTime {
			marks |= isEnded
		}
		if s.Held != 0 || s.Debt != 0 {
			marks |= isHeld
		}
		b = append(b, marks)
		if marks&isApart != 0 {
			b = appendTime(b, s.From, at)
		}
		at = s.From
		if marks&isEnded != 0 {
			b = appendTime(b, s.To, at)
			at = s.To
		}
		b = pack.Int(b, s.Balance)
		if marks&isHeld != 0 {
			b = pack.Int(pack.Int(b, s.Held), s.Debt)
		}
	}
	return b
}

func readStretches(r *pack.Reader, at event.Time) (stretches []event.Stretch) {
	for range r.Count(2) {
		marks := r.Byte()
		if marks&isApart != 0 {
			at = readTime(r, at)
		}
		s := event.Stretch{From: at, To: event.NoTime}
		if marks&isEnded != 0 {
			at = readTime(r, at)
			s.To = at
		}
		s.Balance = r.Int()
		if marks&isHeld != 0 {
			s.Held, s.Debt = r.Int(), r.Int()
		}
		stretches = append(stretches, s)
	}
	return stretches
}

// decodeCorrection reads a correction row into c.
func decodeCorrection(row string, c *event.Correction) error {
	r := pack.NewReader(row)
	if v := r.Byte(); v != correctionRowVersion {
		return fmt.Errorf("correction row of version %d: this program reads version %d", v, correctionRowVersion)
	}
	marks := r.Byte()
	c.AfterFinal = marks&isAfterFinal != 0
	c.Cause.Kind = event.Kind(r.Byte())
	c.CommittedAt = event.Time(r.Uint())
	late := readTime(&r, 0)
	near := wholeSecond(late)
	c.Cause.OccurredAt = late
	c.Cause.EventID = r.String()
	c.Cause.Input.Offset = int64(r.Uint())
	if c.Cause.Kind == event.Received {
		c.Cause.Input.Partition = int32(r.Uint())
	}
	c.Watermark = readTime(&r, near)
	if c.Part, c.Parts = 1, 1; marks&isPart != 0 {
		c.Part, c.Parts = int32(r.Uint()), int32(r.Uint())
	}
	c.Changes = readStretches(&r, late)
	w := resultCoder{grants: grantCoder{from: near}}
	at, id := near, c.Cause.EventID
	for range r.Count(5) {
		n := event.EntryChange{EventID: r.Like(id), Kind: event.Kind(r.Byte()), EffectiveAt: readTime(&r, at)}
		at, id = n.EffectiveAt, n.EventID
		like := w.likeLast()
		n.Before = w.read(&r, &like)
		like = w.likely(n.Before, c.Changes, at)
		n.After = w.read(&r, &like)
		c.Entries = append(c.Entries, n)
	}
	c.Cause.LateBy = int64(readTime(&r, at) - late)
	if err := r.Close(); err != nil {
		return fmt.Errorf("correction row: %w", err)
	}
	return nil
}

func flag(on bool) byte {
	if on {
		return 1
	}
	return 0
}
