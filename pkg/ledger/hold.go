package ledger

import (
	"slices"
	"strings"

	"highwater/pkg/event"
)

// Hold is what an accepted hold has set aside and may still be captured.
type Hold struct {
	ID string
	// At is the hold's time, ExpiresAt event.NoTime for none.
	At        event.Time
	ExpiresAt event.Time
	// Left is what captures and a release may still take of the amount that
	// was asked for, whether or not it was there.
	Left event.Amount
	// Pieces are the parts of grants set aside, in the order they were drawn.
	// They are replaced and never changed in place (I6).
	Pieces []Grant
	// Forfeit is the policy under which its time-out gives back.
	Forfeit bool
}

func (h Hold) equal(o Hold) bool {
	return h.ID == o.ID && h.At == o.At && h.ExpiresAt == o.ExpiresAt && h.Left == o.Left &&
		h.Forfeit == o.Forfeit && slices.EqualFunc(h.Pieces, o.Pieces, Grant.Equal)
}

func (x *rare) findHold(id string) (int, bool) {
	return slices.BinarySearchFunc(x.holds, id, func(h Hold, id string) int { return strings.Compare(h.ID, id) })
}

// openHold is the index of the hold that an accepted capture or release
// takes of.
func (a *Account) openHold(op *event.Placed) int {
	i, found := a.look().findHold(op.Ref())
	if !found {
		panic("ledger: I7: an accepted " + op.Kind.String() + " of a hold that is not there")
	}
	if a.holds[i].Left < op.Amount {
		panic("ledger: I7: an accepted " + op.Kind.String() + " of more than is left of its hold")
	}
	return i
}

// hold sets aside what there is of the amount.
func (a *Account) hold(op *event.Placed, r *event.Result) {
	r.Outcome = event.Accepted
	pieces := slices.Clone(a.take(op.Amount, r))
	drawn := total(pieces)
	r.Shortfall = int64(op.Amount - drawn)
	a.held += int64(drawn)
	h := Hold{
		ID: strings.Clone(op.ID), At: op.Time, ExpiresAt: op.ExpiresAt(), Left: op.Amount, Pieces: pieces,
		Forfeit: op.Marks.Has(event.ForfeitMark),
	}
	i, _ := a.findHold(h.ID)
	a.holds = slices.Insert(a.holds, i, h)
	if len(pieces) == 0 {
		a.bareBy(op.ExpiresAt())
	} else if op.ExpiresAt() != event.NoTime {
		a.dueBy(op.ExpiresAt())
	}
	if op.Marks.Has(event.RefundedMark) {
		a.remember(Draws{ID: h.ID, At: op.Time})
	}
}

// capture consumes of a hold, first drawn first. What the replay left the
// hold short of is the capture's shortfall.
func (a *Account) capture(op *event.Placed, r *event.Result) {
	r.Outcome = event.Accepted
	i := a.openHold(op)
	h := &a.holds[i]
	consumed, stay := cutFirst(h.Pieces, op.Amount)
	for _, g := range consumed {
		r.Slices = append(r.Slices, event.Slice{GrantID: g.ID, Amount: g.Remaining, ExpiresAt: g.ExpiresAt})
	}
	drawn := total(consumed)
	a.held -= int64(drawn)
	r.Shortfall = int64(op.Amount - drawn)
	a.rememberCapture(op, consumed, r.Shortfall)
	a.shrinkHold(i, op.Amount, stay)
	if r.Shortfall > 0 {
		a.owe(op, r.Shortfall)
		a.repayFromUsable(r)
	}
}

// release gives back what a hold has beyond what captures accepted before it,
// but placed after it, still take.
func (a *Account) release(op *event.Placed, r *event.Result) {
	r.Outcome = event.Accepted
	i := a.openHold(op)
	h := a.holds[i]
	later := h.Left - op.Amount
	back := max(total(h.Pieces)-later, 0)
	stay, off := cutLast(h.Pieces, back)
	a.held -= int64(back)
	a.shrinkHold(i, op.Amount, stay)
	a.giveBack(off, giving{at: op.Time, drawnAt: h.At, id: op.ID, forfeit: op.Marks.Has(event.ForfeitMark)}, r)
}

// timeOut gives back what a hold has at its expires_at.
func (a *Account) timeOut(i int, r *event.Result) {
	h := a.holds[i]
	back := total(h.Pieces)
	r.Amount = back
	_, off := cutLast(h.Pieces, back)
	a.held -= int64(back)
	a.shrinkHold(i, h.Left, nil)
	a.giveBack(off, giving{at: h.ExpiresAt, drawnAt: h.At, id: event.HoldExpired.String() + "/" + h.ID, forfeit: h.Forfeit}, r)
	a.findDue()
}

// shrinkHold takes amount off what may still be captured, and leaves pieces
// set aside.
func (a *Account) shrinkHold(i int, amount event.Amount, pieces []Grant) {
	h := &a.holds[i]
	wasDue := h.ExpiresAt == a.due
	h.Left -= amount
	h.Pieces = pieces
	isBare := len(pieces) == 0
	if h.Left == 0 {
		if !isBare {
			panic("ledger: I1: a hold has more set aside than may be captured")
		}
		id := h.ID
		a.holds = slices.Delete(a.holds, i, i+1)
		a.forgetEmpty(id)
	} else if isBare {
		a.bareBy(h.ExpiresAt)
	}
	if isBare && wasDue {
		a.findDue()
	}
}

// bareBy takes note that a hold that expires at t has nothing set aside.
func (x *rare) bareBy(t event.Time) {
	if t != event.NoTime && (x.bareDue == 0 || t < x.bareDue) {
		x.bareDue = t
	}
}

// DropBare forgets the holds whose expires_at has come by a time and that had
// nothing to give back. Apply does it before an event; a reader does it for a
// time without one.
func (a *Account) DropBare(t event.Time) {
	if a.rare == nil || a.bareDue == 0 || a.bareDue > t {
		return
	}
	a.bareDue = 0
	for i := 0; i < len(a.holds); {
		h := &a.holds[i]
		switch {
		case len(h.Pieces) > 0 || h.ExpiresAt == event.NoTime:
			i++
		case h.ExpiresAt > t:
			a.bareBy(h.ExpiresAt)
			i++
		default:
			a.shrinkHold(i, h.Left, nil)
		}
	}
}

// nextTimeOut is the index of the hold whose time-out is next at the due
// time, -1 where none is.
func (a *Account) nextTimeOut() int {
	for i := range a.Holds() {
		if h := &a.holds[i]; h.ExpiresAt == a.due && len(h.Pieces) > 0 {
			return i
		}
	}
	return -1
}

// cutFirst takes amount off the front of pieces, as far as they reach.
func cutFirst(pieces []Grant, amount event.Amount) (off, stay []Grant) {
	for i := range pieces {
		if amount == 0 {
			return off, pieces[i:]
		}
		g := pieces[i]
		if g.Remaining > amount {
			stay = slices.Clone(pieces[i:])
			stay[0].Remaining -= amount
			g.Remaining = amount
			return append(off, g), stay
		}
		amount -= g.Remaining
		off = append(off, g)
	}
	return off, nil
}

// cutLast takes amount off the end of pieces; what comes off stands last
// first.
func cutLast(pieces []Grant, amount event.Amount) (stay, off []Grant) {
	for i := len(pieces) - 1; i >= 0 && amount > 0; i-- {
		g := pieces[i]
		if g.Remaining > amount {
			stay = slices.Clone(pieces[:i+1])
			stay[i].Remaining -= amount
			g.Remaining = amount
			return stay, append(off, g)
		}
		amount -= g.Remaining
		pieces = pieces[:i]
		off = append(off, g)
	}
	if len(pieces) == 0 {
		return nil, off
	}
	return slices.Clip(pieces), off
}

func total(pieces []Grant) (sum event.Amount) {
	for i := range pieces {
		sum += pieces[i].Remaining
	}
	return sum
}
