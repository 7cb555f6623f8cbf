package engine

import (
	"encoding/binary"
	"fmt"

	"highwater/pkg/event"
	"highwater/pkg/pack"
)

// A correction row, version 1, keeps what was published so that it can be
// read again by account, as pack's parts:
//
//	version | committed_at | the cause: event_id, kind byte, after-final byte,
//	occurred_at, offset, partition if it is what a transfer brought, late by
//	| watermark - occurred_at | part | parts
//	| count, (from - occurred_at, 0 or to - from + 1, balance, held, debt)
//	| count, (event_id, kind byte, effective_at - occurred_at, before, after)
const correctionRowVersion = 1

func (e *Engine) keepCorrection(c *event.Correction, number uint64) {
	e.key = binary.BigEndian.AppendUint64(appendNumbered(e.key[:0], keyCorrection, number), uint64(c.Seq))
	e.val = appendCorrection(e.val[:0], c)
	e.rows.Set(e.key, e.val)
}

func appendCorrection(b []byte, c *event.Correction) []byte {
	b = append(b, correctionRowVersion)
	b = pack.Uint(b, uint64(c.CommittedAt))
	b = pack.String(b, c.Cause.EventID)
	b = append(b, byte(c.Cause.Kind), flag(c.AfterFinal))
	late := c.Cause.OccurredAt
	b = pack.Uint(b, uint64(late))
	b = pack.Uint(b, uint64(c.Cause.Input.Offset))
	if c.Cause.Kind == event.Received {
		b = pack.Uint(b, uint64(c.Cause.Input.Partition))
	}
	b = pack.Uint(b, uint64(c.Cause.LateBy))
	b = pack.Int(b, int64(c.Watermark-late))
	b = pack.Uint(b, uint64(c.Part))
	b = pack.Uint(b, uint64(c.Parts))
	b = pack.Uint(b, uint64(len(c.Changes)))
	for i := range c.Changes {
		s := &c.Changes[i]
		b = pack.Int(b, int64(s.From-late))
		if s.To == event.NoTime {
			b = pack.Uint(b, 0)
		} else {
			b = pack.Uint(b, uint64(s.To-s.From)+1)
		}
		b = pack.Int(b, s.Balance)
		b = pack.Int(b, s.Held)
		b = pack.Int(b, s.Debt)
	}
	b = pack.Uint(b, uint64(len(c.Entries)))
	for i := range c.Entries {
		n := &c.Entries[i]
		b = pack.String(b, n.EventID)
		b = append(b, byte(n.Kind))
		b = pack.Int(b, int64(n.EffectiveAt-late))
		b = appendResult(b, n.Before)
		b = appendResult(b, n.After)
	}
	return b
}

// decodeCorrection reads a correction row into c.
func decodeCorrection(row string, c *event.Correction) error {
	r := pack.NewReader(row)
	if v := r.Byte(); v != correctionRowVersion {
		return fmt.Errorf("correction row of version %d: this program reads version %d", v, correctionRowVersion)
	}
	c.CommittedAt = event.Time(r.Uint())
	c.Cause.EventID = r.String()
	c.Cause.Kind = event.Kind(r.Byte())
	c.AfterFinal = r.Byte() == 1
	late := event.Time(r.Uint())
	c.Cause.OccurredAt = late
	c.Cause.Input.Offset = int64(r.Uint())
	if c.Cause.Kind == event.Received {
		c.Cause.Input.Partition = int32(r.Uint())
	}
	c.Cause.LateBy = int64(r.Uint())
	c.Watermark = late + event.Time(r.Int())
	c.Part, c.Parts = int32(r.Uint()), int32(r.Uint())
	for range r.Count(5) {
		s := event.Stretch{From: late + event.Time(r.Int()), To: event.NoTime}
		if n := r.Uint(); n > 0 {
			s.To = s.From + event.Time(n-1)
		}
		s.Balance, s.Held, s.Debt = r.Int(), r.Int(), r.Int()
		c.Changes = append(c.Changes, s)
	}
	for range r.Count(5) {
		n := event.EntryChange{EventID: r.String(), Kind: event.Kind(r.Byte()), EffectiveAt: late + event.Time(r.Int())}
		n.Before, n.After = readResult(&r), readResult(&r)
		c.Entries = append(c.Entries, n)
	}
	if err := r.Close(); err != nil {
		return fmt.Errorf("correction row: %w", err)
	}
	return nil
}

// appendResult appends a result, version as its row; nil is one zero byte.
func appendResult(b []byte, s *event.Result) []byte {
	if s == nil {
		return append(b, 0)
	}
	b = append(b, byte(s.Outcome), byte(s.Code), byte(s.Order.Status))
	b = pack.Uint(b, uint64(s.Amount+1))
	b = pack.Uint(b, uint64(s.Shortfall))
	b = pack.Uint(b, uint64(s.Undone))
	b = pack.Uint(b, uint64(len(s.Slices)))
	for i := range s.Slices {
		b = pack.String(b, s.Slices[i].GrantID)
		b = pack.Uint(b, uint64(s.Slices[i].Amount))
		b = pack.Uint(b, uint64(s.Slices[i].ExpiresAt+1))
	}
	b = pack.Uint(b, uint64(len(s.Repaid)))
	for i := range s.Repaid {
		b = pack.String(b, s.Repaid[i].EventID)
		b = pack.String(b, s.Repaid[i].GrantID)
		b = pack.Uint(b, uint64(s.Repaid[i].Amount))
	}
	b = pack.Int(b, s.After.Balance)
	b = pack.Int(b, s.After.Held)
	b = pack.Int(b, s.After.Debt)
	b = pack.String(b, s.Order.OrderID)
	return pack.Uint(b, uint64(s.Order.Cancelled))
}

func readResult(r *pack.Reader) *event.Result {
	outcome := event.Outcome(r.Byte())
	if outcome == event.NoOutcome {
		return nil
	}
	s := &event.Result{Outcome: outcome, Code: event.Code(r.Byte())}
	s.Order.Status = event.OrderStatus(r.Byte())
	s.Amount = event.Amount(r.Uint()) - 1
	s.Shortfall, s.Undone = int64(r.Uint()), int64(r.Uint())
	for range r.Count(3) {
		s.Slices = append(s.Slices, event.Slice{GrantID: r.String(), Amount: event.Amount(r.Uint()), ExpiresAt: event.Time(r.Uint()) - 1})
	}
	for range r.Count(3) {
		s.Repaid = append(s.Repaid, event.Repayment{EventID: r.String(), GrantID: r.String(), Amount: event.Amount(r.Uint())})
	}
	s.After.Balance, s.After.Held, s.After.Debt = r.Int(), r.Int(), r.Int()
	s.Order.OrderID = r.String()
	s.Order.Cancelled = int64(r.Uint())
	return s
}

func flag(on bool) byte {
	if on {
		return 1
	}
	return 0
}
