package oracle

import (
	"fmt"

	"highwater/pkg/event"
)

// part is a part of one grant.
type part struct {
	grant  *grant
	amount int64
}

func sumOf(parts []part) int64 {
	sum := int64(0)
	for _, p := range parts {
		sum += p.amount
	}
	return sum
}

// taking is what a subtract, spend, transfer or hold, and the captures of a
// hold, took and didn't give back. Parts stand in the order they were taken.
type taking struct {
	by *Taken
	// to is where its credits are when they are used up.
	to bucket
	// inside is what a hold still holds.
	inside []part
	// drawn is what it drew at its place or its captures at theirs; repaid is
	// what repayments added since.
	drawn, repaid []part
	// lacks are its own or its captures' shortfalls, as far as they were
	// neither repaid nor undone.
	lacks []*lack
}

// lack is what one event ran short of.
type lack struct {
	eventID string
	amount  int64
	owed    bool
	of      *taking
}

// debit is a subtract's, spend's or transfer's entry.
func (c *credits) debit(by *Taken) event.Result {
	t := &taking{by: by, to: consumed}
	if by.Event.Kind == event.Transfer {
		t.to = sent
	}
	c.takings[by.Event.ID] = t
	r := event.Result{Outcome: accepted(by.Event.Kind), Amount: by.Event.Amount}
	t.drawn, r.Shortfall = c.draw(int64(by.Event.Amount), t.to)
	r.Slices = slicesOf(t.drawn)
	c.runShort(t, by, r.Shortfall)
	return r
}

// hold sets credits aside. One that is short owes nothing.
func (c *credits) hold(by *Taken) event.Result {
	t := &taking{by: by, to: consumed}
	c.takings[by.Event.ID] = t
	r := event.Result{Outcome: event.Accepted, Amount: by.Event.Amount}
	t.inside, r.Shortfall = c.draw(int64(by.Event.Amount), held)
	r.Slices = slicesOf(t.inside)
	return r
}

// capture consumes what the hold has, first drawn first.
func (c *credits) capture(by *Taken) (event.Result, error) {
	t := c.takings[by.Event.Ref]
	if t == nil || t.by.Event.Kind != event.Hold {
		return event.Result{}, fmt.Errorf("%q is not a hold before it", by.Event.Ref)
	}
	r := event.Result{Outcome: event.Accepted, Amount: by.Amount}
	missing := int64(by.Amount)
	c.ahead[by.Event.Ref] -= missing
	var got []part
	for missing > 0 && len(t.inside) > 0 {
		first := &t.inside[0]
		n := min(missing, first.amount)
		c.move(first.grant, n, held, consumed)
		got = append(got, part{first.grant, n})
		missing -= n
		if first.amount -= n; first.amount == 0 {
			t.inside = t.inside[1:]
		}
	}
	t.drawn = append(t.drawn, got...)
	r.Slices, r.Shortfall = slicesOf(got), missing
	c.runShort(t, by, missing)
	// Unlike any other debit it may be short while something is usable, which
	// then repays at once.
	for len(c.owed) > 0 && len(c.usable) > 0 {
		r.Repaid = append(r.Repaid, c.repay(c.usable[0])...)
	}
	return r, nil
}

// draw takes what there is, in the order of drawing.
func (c *credits) draw(amount int64, to bucket) (parts []part, missing int64) {
	for amount > 0 && len(c.usable) > 0 {
		g := c.usable[0]
		n := min(amount, g.in[available])
		c.move(g, n, available, to)
		parts = append(parts, part{g, n})
		amount -= n
	}
	return parts, amount
}

// runShort notes what an event missed; under debt it is owed.
func (c *credits) runShort(t *taking, by *Taken, missing int64) {
	if missing == 0 {
		return
	}
	l := &lack{eventID: by.Event.ID, amount: missing, owed: by.Policy.Debt, of: t}
	t.lacks = append(t.lacks, l)
	if l.owed {
		c.owed = append(c.owed, l)
		c.debt = c.debt.plus(missing)
	}
}

// repay takes from what a grant has available what is owed, in the order of
// the events that ran short. They have drawn it.
func (c *credits) repay(g *grant) []event.Repayment {
	var repaid []event.Repayment
	for len(c.owed) > 0 && g.in[available] > 0 {
		l := c.owed[0]
		n := min(l.amount, g.in[available])
		c.move(g, n, available, l.of.to)
		l.of.repaid = append(l.of.repaid, part{g, n})
		repaid = append(repaid, event.Repayment{EventID: l.eventID, GrantID: g.id, Amount: event.Amount(n)})
		c.settle(l, n)
	}
	return repaid
}

// settle lessens what an event lacks.
func (c *credits) settle(l *lack, n int64) {
	l.amount -= n
	if !l.owed {
		return
	}
	c.debt = c.debt.plus(-n)
	if l.amount > 0 {
		return
	}
	for i := range c.owed {
		if c.owed[i] == l {
			c.owed = append(c.owed[:i:i], c.owed[i+1:]...)
			return
		}
	}
}

func slicesOf(parts []part) []event.Slice {
	var out []event.Slice
	for _, p := range parts {
		out = append(out, p.grant.slice(p.amount))
	}
	return out
}

// accepted is the outcome of what wasn't rejected.
func accepted(k event.Kind) event.Outcome {
	if k.IsConditional() {
		return event.Accepted
	}
	return event.Applied
}
