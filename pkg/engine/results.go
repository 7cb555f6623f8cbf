package engine

import (
	"slices"

	"highwater/pkg/event"
	"highwater/pkg/pack"
)

// What a result has that isn't like the other one.
const (
	isResult = 1 << iota
	otherDecision
	otherAmount
	otherSlices
	// takesRest: the last slice is what the others leave of the amount without
	// the shortfall.
	takesRest
	otherBalance
	otherShortfall
	// From here on the marks take a second byte.
	otherHeld
	otherRepaid
	otherOrder
)

// resultCoder writes and reads the results of one correction, each as far as
// it differs from another one that it is probably like:
//
//	marks, 0 for none | what is marked: outcome byte, code byte | amount+1
//	| shortfall, undone | count, (grant, amount), the last one without amount if
//	marked | count, (event_id, grant id, amount) | balance, difference
//	| held, debt, differences | status byte, order_id, cancelled
type resultCoder struct {
	grants grantCoder
	// balances are those of the last result.
	balances event.Balances
}

// likeLast is what the next result is like if nothing is known of it but the one
// before.
func (w *resultCoder) likeLast() event.Result {
	return event.Result{Outcome: event.Applied, After: w.balances}
}

// likely is what a result after is probably like: the one before, but for what
// the stretches say of the balances at its time.
func (w *resultCoder) likely(before *event.Result, stretches []event.Stretch, at event.Time) event.Result {
	if before == nil {
		return w.likeLast()
	}
	like := *before
	i, _ := slices.BinarySearchFunc(stretches, at, func(s event.Stretch, at event.Time) int {
		if s.From <= at {
			return -1
		}
		return 1
	})
	if i > 0 && (stretches[i-1].To == event.NoTime || at < stretches[i-1].To) {
		diff := &stretches[i-1].Balances
		like.After.Balance += diff.Balance
		like.After.Held += diff.Held
		like.After.Debt += diff.Debt
	}
	return like
}

func (w *resultCoder) append(b []byte, s, like *event.Result) []byte {
	if s == nil {
		return append(b, 0)
	}
	w.balances = s.After
	marks := uint64(isResult)
	set := func(bit uint64, on bool) {
		if on {
			marks |= bit
		}
	}
	set(otherDecision, s.Outcome != like.Outcome || s.Code != like.Code)
	set(otherAmount, s.Amount != like.Amount)
	set(otherShortfall, s.Shortfall != like.Shortfall || s.Undone != like.Undone)
	set(otherSlices, !slices.Equal(s.Slices, like.Slices))
	set(takesRest, marks&otherSlices != 0 && len(s.Slices) > 0 && restOf(s) == s.Slices[len(s.Slices)-1].Amount)
	set(otherRepaid, !slices.Equal(s.Repaid, like.Repaid))
	set(otherBalance, s.After.Balance != like.After.Balance)
	set(otherHeld, s.After.Held != like.After.Held || s.After.Debt != like.After.Debt)
	set(otherOrder, s.Order != like.Order)
	b = pack.Uint(b, marks)
	if marks&otherDecision != 0 {
		b = append(b, byte(s.Outcome), byte(s.Code))
	}
	if marks&otherAmount != 0 {
		b = pack.Uint(b, uint64(s.Amount+1))
	}
	if marks&otherShortfall != 0 {
		b = pack.Uint(pack.Uint(b, uint64(s.Shortfall)), uint64(s.Undone))
	}
	if marks&otherSlices != 0 {
		b = pack.Uint(b, uint64(len(s.Slices)))
		for i := range s.Slices {
			b = w.grants.append(b, &s.Slices[i])
			if marks&takesRest == 0 || i < len(s.Slices)-1 {
				b = pack.Uint(b, uint64(s.Slices[i].Amount))
			}
		}
	}
	if marks&otherRepaid != 0 {
		b = pack.Uint(b, uint64(len(s.Repaid)))
		for i := range s.Repaid {
			b = pack.String(b, s.Repaid[i].EventID)
			b = pack.String(b, s.Repaid[i].GrantID)
			b = pack.Uint(b, uint64(s.Repaid[i].Amount))
		}
	}
	if marks&otherBalance != 0 {
		b = pack.Int(b, s.After.Balance-like.After.Balance)
	}
	if marks&otherHeld != 0 {
		b = pack.Int(pack.Int(b, s.After.Held-like.After.Held), s.After.Debt-like.After.Debt)
	}
	if marks&otherOrder != 0 {
		b = append(b, byte(s.Order.Status))
		b = pack.Uint(pack.String(b, s.Order.OrderID), uint64(s.Order.Cancelled))
	}
	return b
}

// read reads a result; what it has in common with the other one they share.
func (w *resultCoder) read(r *pack.Reader, like *event.Result) *event.Result {
	marks := r.Uint()
	if marks == 0 {
		return nil
	}
	s := new(event.Result)
	*s = *like
	if marks&otherDecision != 0 {
		s.Outcome, s.Code = event.Outcome(r.Byte()), event.Code(r.Byte())
	}
	if marks&otherAmount != 0 {
		s.Amount = event.Amount(r.Uint()) - 1
	}
	if marks&otherShortfall != 0 {
		s.Shortfall, s.Undone = int64(r.Uint()), int64(r.Uint())
	}
	if marks&otherSlices != 0 {
		s.Slices = nil
		for left := r.Count(1) - 1; left >= 0; left-- {
			s.Slices = append(s.Slices, w.grants.read(r))
			last := &s.Slices[len(s.Slices)-1]
			if marks&takesRest == 0 || left > 0 {
				last.Amount = event.Amount(r.Uint())
			} else {
				last.Amount = restOf(s)
			}
		}
	}
	if marks&otherRepaid != 0 {
		s.Repaid = nil
		for range r.Count(3) {
			s.Repaid = append(s.Repaid, event.Repayment{EventID: r.String(), GrantID: r.String(), Amount: event.Amount(r.Uint())})
		}
	}
	if marks&otherBalance != 0 {
		s.After.Balance += r.Int()
	}
	if marks&otherHeld != 0 {
		s.After.Held += r.Int()
		s.After.Debt += r.Int()
	}
	if marks&otherOrder != 0 {
		s.Order.Status = event.OrderStatus(r.Byte())
		s.Order.OrderID = r.String()
		s.Order.Cancelled = int64(r.Uint())
	}
	w.balances = s.After
	return s
}

// restOf is what all slices but the last leave of a result's amount without the
// shortfall.
func restOf(s *event.Result) event.Amount {
	rest := s.Amount - event.Amount(s.Shortfall)
	for i := range len(s.Slices) - 1 {
		rest -= s.Slices[i].Amount
	}
	return rest
}

// grantCoder writes and reads the grants of a correction's slices, those that
// were there before by their number:
//
//	number, 0 for a new one | then: id, like the last new one | expires_at
type grantCoder struct {
	// from is what expires_at is written from.
	from  event.Time
	known [16]event.Slice
	n     int
	last  string
}

func (g *grantCoder) append(b []byte, s *event.Slice) []byte {
	for i := range g.known[:g.n] {
		if k := &g.known[i]; k.GrantID == s.GrantID && k.ExpiresAt == s.ExpiresAt {
			return pack.Uint(b, uint64(i)+1)
		}
	}
	b = pack.Like(append(b, 0), g.last, s.GrantID)
	g.know(s)
	return appendTime(b, s.ExpiresAt, g.from)
}

// read reads a slice without its amount.
func (g *grantCoder) read(r *pack.Reader) (s event.Slice) {
	switch n := r.Uint(); {
	case n == 0:
		s = event.Slice{GrantID: r.Like(g.last), ExpiresAt: readTime(r, g.from)}
		g.know(&s)
	case n <= uint64(g.n):
		s = event.Slice{GrantID: g.known[n-1].GrantID, ExpiresAt: g.known[n-1].ExpiresAt}
	default:
		r.Fail()
	}
	return s
}

// know gives a grant the next number, if there is one left: few corrections are
// about many grants, and each slice looks through all that have one.
func (g *grantCoder) know(s *event.Slice) {
	g.last = s.GrantID
	if g.n < len(g.known) {
		g.known[g.n] = *s
		g.n++
	}
}
