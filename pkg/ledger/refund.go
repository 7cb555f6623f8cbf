package ledger

import (
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"highwater/pkg/event"
)

// Draws are what a spend, or the captures of a hold, took and refunds may
// still give back. Its slices are replaced and never changed in place (I6).
type Draws struct {
	// ID is that of the spend or hold, At its time.
	ID string
	At event.Time
	// Consumed are the parts of grants in the order of consumption, Repaid
	// those that paid afterwards what was missing, in time.
	Consumed []Grant
	Repaid   []Grant
	// Shorts are what is still missing, by the event that missed it, oldest
	// first.
	Shorts []Debt
}

func (d Draws) equal(o Draws) bool {
	return d.ID == o.ID && d.At == o.At && slices.EqualFunc(d.Consumed, o.Consumed, Grant.Equal) &&
		slices.EqualFunc(d.Repaid, o.Repaid, Grant.Equal) && slices.Equal(d.Shorts, o.Shorts)
}

func (d *Draws) empty() bool { return len(d.Consumed) == 0 && len(d.Repaid) == 0 && len(d.Shorts) == 0 }

func (x *rare) findDraws(id string) (int, bool) {
	return slices.BinarySearchFunc(x.draws, id, func(d Draws, id string) int { return strings.Compare(d.ID, id) })
}

// spend debits at once. Only what a refund will ask for is remembered.
func (a *Account) spend(op *event.Placed, r *event.Result) {
	r.Outcome = event.Accepted
	if op.Kind == event.Transfer {
		a.take(op.Amount, r)
		r.Shortfall = int64(op.Amount - total(a.taken))
		a.owe(op, r.Shortfall)
		return
	}
	if !op.Marks.Has(event.RefundedMark) {
		a.debit(op, r)
		r.Outcome = event.Accepted
		return
	}
	d := Draws{ID: strings.Clone(op.ID), At: op.Time, Consumed: slices.Clone(a.take(op.Amount, r))}
	if r.Shortfall = int64(op.Amount - total(d.Consumed)); r.Shortfall > 0 {
		d.Shorts = []Debt{{EventID: d.ID, Amount: event.Amount(r.Shortfall)}}
		a.owe(op, r.Shortfall)
	}
	a.remember(d)
}

// take draws like draw and says which parts of grants it took. They are valid
// until the next time.
func (a *Account) take(want event.Amount, r *event.Result) []Grant {
	x := a.own()
	x.taken = x.taken[:0]
	left := want
	for _, g := range a.Usable() {
		if left == 0 {
			break
		}
		g.Remaining = min(g.Remaining, left)
		left -= g.Remaining
		x.taken = append(x.taken, g)
	}
	a.draw(want, r)
	return x.taken
}

func (a *Account) remember(d Draws) {
	i, _ := a.findDraws(d.ID)
	a.draws = slices.Insert(a.draws, i, d)
}

func (a *Account) rememberCapture(op *event.Placed, consumed []Grant, shortfall int64) {
	i, found := a.findDraws(op.Ref())
	if !found {
		return
	}
	d := &a.draws[i]
	d.Consumed = join(d.Consumed, consumed)
	if shortfall > 0 {
		d.Shorts = append(slices.Clip(d.Shorts), Debt{EventID: strings.Clone(op.ID), Amount: event.Amount(shortfall)})
	}
}

// join makes a list of both; what comes from the same grant as what is last is
// one part with it.
func join(parts, more []Grant) []Grant {
	joined := make([]Grant, len(parts), len(parts)+len(more))
	copy(joined, parts)
	for _, g := range more {
		if last := len(joined) - 1; last >= 0 && joined[last].ID == g.ID {
			joined[last].Remaining += g.Remaining
			continue
		}
		joined = append(joined, g)
	}
	return joined
}

// rememberRepayment counts a repayment as drawn by the event that ran short.
func (a *Account) rememberRepayment(eventID string, g *Grant, amount event.Amount) {
	for i := range a.draws {
		d := &a.draws[i]
		at := slices.IndexFunc(d.Shorts, func(s Debt) bool { return s.EventID == eventID })
		if at < 0 {
			continue
		}
		d.Shorts = lessen(d.Shorts, at, amount)
		d.Repaid = join(d.Repaid, []Grant{{Terms: g.Terms, Remaining: amount}})
		return
	}
}

// lessen takes amount off one of the debts in a copy of them.
func lessen(debts []Debt, at int, amount event.Amount) []Debt {
	debts = slices.Clone(debts)
	if debts[at].Amount -= amount; debts[at].Amount == 0 {
		debts = slices.Delete(debts, at, at+1)
	}
	return debts
}

// forgetEmpty forgets draws of which nothing is left to give back.
func (a *Account) forgetEmpty(id string) {
	if i, found := a.findDraws(id); found && a.draws[i].empty() {
		a.draws = slices.Delete(a.draws, i, i+1)
	}
}

// refund undoes what the spend or the captures still miss, newest first, and
// gives back the rest, last drawn first.
func (a *Account) refund(op *event.Placed, r *event.Result) {
	r.Outcome = event.Accepted
	i, found := a.look().findDraws(op.Ref())
	if !found {
		panic("ledger: I7: a refund of draws that were not remembered")
	}
	d := &a.draws[i]
	rest := op.Amount
	for n := len(d.Shorts) - 1; n >= 0 && rest > 0; n-- {
		amount := min(d.Shorts[n].Amount, rest)
		rest -= amount
		r.Undone += int64(amount)
		a.forgive(d.Shorts[n].EventID, amount)
		d.Shorts = lessen(d.Shorts, n, amount)
	}
	var off, more []Grant
	d.Repaid, off = cutLast(d.Repaid, rest)
	d.Consumed, more = cutLast(d.Consumed, rest-total(off))
	off = append(off, more...)
	if rest != total(off) {
		panic("ledger: I7: a refund of more than was taken")
	}
	giving := giving{at: op.Time, drawnAt: d.At, id: op.ID, forfeit: op.Marks.Has(event.ForfeitMark)}
	if _, open := a.findHold(op.Ref()); !open {
		a.forgetEmpty(op.Ref())
	}
	a.giveBack(off, giving, r)
}

// forgive takes back what an event owes, as far as it owes.
func (a *Account) forgive(eventID string, amount event.Amount) {
	for i := range a.debts {
		if d := &a.debts[i]; d.EventID == eventID {
			d.Amount -= amount
			a.owed -= int64(amount)
			if d.Amount == 0 {
				a.debts = slices.Delete(a.debts, i, i+1)
			}
			return
		}
	}
}

// repayFromUsable pays what a capture owes from what is available.
func (a *Account) repayFromUsable(r *event.Result) {
	if a.owed == 0 || len(a.Usable()) == 0 {
		return
	}
	for a.owed > 0 && len(a.Usable()) > 0 {
		g := a.Usable()[0]
		before := g.Remaining
		a.repay(&g, r)
		a.available -= int64(before - g.Remaining)
		if g.Remaining > 0 {
			a.Usable()[0] = g
		} else {
			a.cut(0, 1)
		}
	}
	a.findDue()
}

// giving is one giving back of what was drawn.
type giving struct {
	// at is when, drawnAt the time of the spend or hold.
	at, drawnAt event.Time
	// id begins the ids of restored grants.
	id      string
	forfeit bool
}

// giveBack returns parts of grants, in this order: to their grants, or as
// restored grants, or nowhere where they were revoked or forfeited. Parts of
// one grant go back together.
func (a *Account) giveBack(parts []Grant, giving giving, r *event.Result) {
	parts = addUp(parts)
	restored := 0
	for _, g := range parts {
		_, gone := slices.BinarySearch(a.revoked, g.ID)
		if !gone && !giving.forfeit && g.ExpiresAt != event.NoTime && g.ExpiresAt <= giving.at {
			g = giving.restore(g, restored)
			restored++
			_, gone = slices.BinarySearch(a.revoked, g.ID)
		}
		r.Slices = append(r.Slices, event.Slice{GrantID: g.ID, Amount: g.Remaining, ExpiresAt: g.ExpiresAt})
		if expired := g.ExpiresAt != event.NoTime && g.ExpiresAt <= giving.at; !gone && !expired {
			a.credit(g, r)
		}
	}
}

// restore is the grant that stands for an expired one: it lives as long as
// that still had when it was drawn.
func (v *giving) restore(g Grant, n int) Grant {
	end, carry := bits.Add64(uint64(v.at), uint64(g.ExpiresAt-v.drawnAt), 0)
	if carry != 0 || end > uint64(event.MaxTime) {
		end = uint64(event.MaxTime)
	}
	return Grant{Remaining: g.Remaining, Terms: &Terms{
		ID: v.id + "/" + strconv.Itoa(n), Origin: g.ID,
		EffectiveAt: v.at, ExpiresAt: event.Time(end), Priority: g.Priority,
	}}
}

// addUp makes one part of all that come from the same grant, where the first
// stands.
func addUp(parts []Grant) []Grant {
	if len(parts) < 2 {
		return parts
	}
	at := make(map[string]int, len(parts))
	kept := parts[:0]
	for _, g := range parts {
		if i, seen := at[g.ID]; seen {
			kept[i].Remaining += g.Remaining
			continue
		}
		at[g.ID] = len(kept)
		kept = append(kept, g)
	}
	return kept
}

// receive takes the grants that a transfer brings.
func (a *Account) receive(op *event.Placed, r *event.Result) {
	for n, in := range op.Incoming().Grants {
		id := event.RemittedID(op.From(), op.ID, n)
		r.Slices = append(r.Slices, event.Slice{GrantID: id, Amount: in.Amount, ExpiresAt: in.ExpiresAt})
		if !a.IsRevoked(id) {
			a.credit(Grant{Remaining: in.Amount, Terms: &Terms{ID: id, EffectiveAt: op.Time, ExpiresAt: in.ExpiresAt, Priority: in.Priority}}, r)
		}
	}
}
