package ledger

import (
	"cmp"
	"slices"
	"strings"

	"highwater/pkg/event"
)

// never is the due time of an account that nothing will change by itself.
const never = event.Time(1<<63 - 1)

// Terms never change: all copies of a state share them (I6).
type Terms = event.GrantTerms

// Grant is a usable or future grant and what remains of it, or a part of one
// that something drew.
type Grant struct {
	_ [0]func() // == would compare pointers
	*Terms
	Remaining event.Amount
}

// Equal reports whether both are as much of equal grants.
func (g Grant) Equal(h Grant) bool {
	return g.Remaining == h.Remaining && (g.Terms == h.Terms || *g.Terms == *h.Terms)
}

// Debt is what an event ran short of and still owes.
type Debt struct {
	EventID string
	Amount  event.Amount
}

// Account is the state of one (user, asset) at one place. The zero Account is
// the state before its first event.
type Account struct {
	// room is the memory of the usable grants, front how much of it is free
	// before them (stock.go).
	room      []Grant
	front     int
	available int64
	// due is the time of the next due item, or never. Zero means not known
	// yet: the zero Account's.
	due event.Time
	// rare is nil where there is nothing of it: look and own don't mind.
	*rare
	// overflowed tells that a balance beyond 64 bits came about.
	overflowed bool
}

// rare is what few accounts have.
type rare struct {
	// future grants in the order they activate.
	future []Grant
	// revoked ids, sorted. Copies share them until one adds to them: while
	// shared is true they are replaced and never changed in place (I6).
	revoked []string
	shared  bool
	debts   []Debt
	// holds that may still be captured, by id.
	holds []Hold
	// draws that refunds may still give back, by id.
	draws []Draws

	owed int64
	held int64
	// bareDue is at or before the earliest expires_at of the holds that have
	// nothing set aside: no due item ends them. Zero is none.
	bareDue event.Time

	// taken is scratch memory of what the last debit drew, no part of the
	// state.
	taken []Grant
}

// look is what is rare, to read.
func (a *Account) look() *rare {
	if a.rare == nil {
		return &rare{}
	}
	return a.rare
}

// own is what is rare, to change.
func (a *Account) own() *rare {
	if a.rare == nil {
		a.rare = &rare{}
	}
	return a.rare
}

// Balances are the account's three numbers.
func (a *Account) Balances() event.Balances {
	if a.rare == nil {
		return event.Balances{Balance: a.available}
	}
	return event.Balances{Balance: a.available - a.owed, Held: a.held, Debt: a.owed}
}

// Usable are the usable grants in the order they are drawn. The caller must
// not change them.
func (a *Account) Usable() []Grant { return a.room[a.front:] }

// Future are the grants yet to activate. The caller must not change them.
func (a *Account) Future() []Grant { return a.look().future }

// Debts are what is owed, oldest first. The caller must not change them.
func (a *Account) Debts() []Debt { return a.look().debts }

// Holds are the holds that may still be captured, by id. The caller must not
// change them.
func (a *Account) Holds() []Hold { return a.look().holds }

// Available is what a debit may draw.
func (a *Account) Available() int64 { return a.available }

// Owed is what debits missed and still owe.
func (a *Account) Owed() int64 { return a.look().owed }

// Overflowed reports whether the balance no longer fits 64 bits: what follows
// would be wrong.
func (a *Account) Overflowed() bool { return a.overflowed }

// IsRevoked reports whether a grant of this id has been revoked.
func (a *Account) IsRevoked(grantID string) bool {
	if a.rare == nil {
		return false
	}
	_, gone := slices.BinarySearch(a.revoked, grantID)
	return gone
}

// Taken are the parts of grants that the transfer or hold applied last drew.
// They are valid until the next one.
func (a *Account) Taken() []Grant { return a.look().taken }

// CopyFrom makes a the same state as b and keeps a's memory (I6). It marks
// what b shares with a.
func (a *Account) CopyFrom(b *Account) {
	a.refill(b.Usable())
	a.available, a.due, a.overflowed = b.available, b.due, b.overflowed
	if a.rare != nil || !b.look().isEmpty() {
		a.own().copyFrom(b.look())
	}
}

func (x *rare) isEmpty() bool {
	return len(x.future)+len(x.revoked)+len(x.debts)+len(x.holds)+len(x.draws) == 0
}

func (x *rare) copyFrom(y *rare) {
	x.future = append(x.future[:0], y.future...)
	x.debts = append(x.debts[:0], y.debts...)
	x.holds = append(x.holds[:0], y.holds...)
	x.draws = append(x.draws[:0], y.draws...)
	x.revoked = y.revoked
	if len(y.revoked) > 0 && !y.shared {
		y.shared = true
	}
	x.shared = y.shared
	x.owed, x.held, x.bareDue = y.owed, y.held, y.bareDue
}

// Equal reports whether both states answer everything that follows alike.
func (a *Account) Equal(b *Account) bool {
	return a.available == b.available && a.overflowed == b.overflowed &&
		(a.rare == b.rare || a.look().equal(b.look())) && slices.EqualFunc(a.Usable(), b.Usable(), Grant.Equal)
}

func (x *rare) equal(y *rare) bool {
	return x.owed == y.owed && x.held == y.held && slices.EqualFunc(x.future, y.future, Grant.Equal) &&
		slices.Equal(x.debts, y.debts) && slices.Equal(x.revoked, y.revoked) &&
		slices.EqualFunc(x.holds, y.holds, Hold.equal) && slices.EqualFunc(x.draws, y.draws, Draws.equal)
}

// NextDue is the place of the next due item.
func (a *Account) NextDue() (event.Place, bool) {
	if a.due == never || a.due == 0 {
		return event.Place{}, false
	}
	if i := a.nextTimeOut(); i >= 0 {
		return event.Place{Time: a.due, Due: event.DueHold, ID: a.holds[i].ID}, true
	}
	if i := a.nextExpiry(); i >= 0 {
		return event.Place{Time: a.due, Due: event.DueExpiry, ID: a.Usable()[i].ID}, true
	}
	return event.Place{Time: a.due, Due: event.DueActivation, ID: a.future[0].ID}, true
}

// DueTime is the time of the next due item; later than every valid time when
// there is none.
func (a *Account) DueTime() event.Time {
	if a.due == 0 {
		return never
	}
	return a.due
}

// Due performs the next due item, which must exist.
func (a *Account) Due(r *event.Result) {
	r.Outcome = event.Applied
	if i := a.nextTimeOut(); i >= 0 {
		a.timeOut(i, r)
		r.After = a.Balances()
		return
	}
	if i := a.nextExpiry(); i >= 0 {
		g := a.Usable()[i]
		a.cut(i, i+1)
		a.available -= int64(g.Remaining)
		a.findDue()
		r.Amount = g.Remaining
		r.Slices = append(r.Slices, event.Slice{GrantID: g.ID, Amount: g.Remaining, ExpiresAt: g.ExpiresAt})
		r.After = a.Balances()
		return
	}
	g := a.future[0]
	a.future = slices.Delete(a.future, 0, 1)
	r.Amount = g.Remaining
	r.Slices = append(r.Slices, event.Slice{GrantID: g.ID, Amount: g.Remaining, ExpiresAt: g.ExpiresAt})
	a.credit(g, r)
	a.findDue()
	r.After = a.Balances()
}

// Apply performs an event at its place. The result starts out cleared.
func (a *Account) Apply(op *event.Placed, r *event.Result) {
	r.Amount = op.Amount
	a.DropBare(op.Time)
	if op.Outcome == event.Rejected {
		r.Outcome, r.Code = op.Outcome, op.Code
		r.After = a.Balances()
		return
	}
	r.Outcome = event.Applied
	switch op.Kind {
	case event.Grant, event.Add:
		a.grant(op, r)
	case event.Revoke:
		a.revoke(op, r)
	case event.Subtract:
		a.debit(op, r)
	case event.Spend, event.Transfer:
		a.spend(op, r)
	case event.Hold:
		a.hold(op, r)
	case event.Capture:
		a.capture(op, r)
	case event.Release:
		a.release(op, r)
	case event.Refund:
		a.refund(op, r)
	case event.Received:
		a.receive(op, r)
	default:
		panic("ledger: an account can't apply " + op.Kind.String())
	}
	r.After = a.Balances()
}

func (a *Account) grant(op *event.Placed, r *event.Result) {
	g := Grant{Terms: op.Grant(), Remaining: op.Amount}
	r.Slices = append(r.Slices, event.Slice{GrantID: g.ID, Amount: op.Amount, ExpiresAt: g.ExpiresAt})
	if a.IsRevoked(g.ID) {
		return // born revoked: credited and revoked in one step
	}
	if g.EffectiveAt > op.Time {
		x := a.own()
		i, _ := slices.BinarySearchFunc(x.future, g, activatesBefore)
		x.future = slices.Insert(x.future, i, g)
		a.dueBy(g.EffectiveAt)
		return
	}
	a.credit(g, r)
}

// credit makes a grant's credits usable: they repay what is owed first.
func (a *Account) credit(g Grant, r *event.Result) {
	credited := int64(g.Remaining)
	repaid := int64(0)
	if a.rare != nil {
		repaid = a.repay(&g, r)
	}
	if credited != repaid+int64(g.Remaining) {
		panic("ledger: I4: a grant's credits went neither to debts nor to the account")
	}
	if g.Remaining == 0 {
		return
	}
	if a.Owed() > 0 {
		panic("ledger: I3: credits became available while something is owed")
	}
	a.stock(g)
}

// stock makes credits available that repaid what they had to.
func (a *Account) stock(g Grant) {
	usable := a.Usable()
	i, found := a.find(g)
	if found { // given back to what is left of it
		usable[i].Remaining += g.Remaining
	} else {
		a.put(i, g)
	}
	if a.available += int64(g.Remaining); a.available < 0 {
		a.overflowed = true
	}
	if g.ExpiresAt != event.NoTime {
		a.dueBy(g.ExpiresAt)
	}
}

func (a *Account) repay(g *Grant, r *event.Result) (repaid int64) {
	paid := 0
	for paid < len(a.debts) && g.Remaining > 0 {
		d := &a.debts[paid]
		amount := min(d.Amount, g.Remaining)
		d.Amount -= amount
		g.Remaining -= amount
		a.owed -= int64(amount)
		repaid += int64(amount)
		r.Repaid = append(r.Repaid, event.Repayment{EventID: d.EventID, GrantID: g.ID, Amount: amount})
		a.rememberRepayment(d.EventID, g, amount)
		if d.Amount == 0 {
			paid++
		}
	}
	a.debts = slices.Delete(a.debts, 0, paid)
	return repaid
}

func (a *Account) revoke(op *event.Placed, r *event.Result) {
	r.Amount = 0
	if !op.Marks.Has(event.KnownMark) {
		r.Outcome, r.Code = event.Ignored, event.UnknownReference
		return
	}
	x := a.own()
	if i, found := slices.BinarySearch(x.revoked, op.Ref()); !found {
		if x.shared {
			x.revoked, x.shared = slices.Clone(x.revoked), false
		}
		x.revoked = slices.Insert(x.revoked, i, strings.Clone(op.Ref()))
	}
	named := func(g Grant) bool { return g.ID == op.Ref() }
	if i := slices.IndexFunc(a.Usable(), named); i >= 0 {
		g := a.Usable()[i]
		a.cut(i, i+1)
		a.available -= int64(g.Remaining)
		r.Amount = g.Remaining
		r.Slices = append(r.Slices, event.Slice{GrantID: g.ID, Amount: g.Remaining, ExpiresAt: g.ExpiresAt})
		a.findDue()
	} else if i := slices.IndexFunc(x.future, named); i >= 0 {
		x.future = slices.Delete(x.future, i, i+1)
		a.findDue()
	}
}

// debit draws what there is, and owes what is missing under debt.
func (a *Account) debit(op *event.Placed, r *event.Result) {
	drawn := a.draw(op.Amount, r)
	r.Shortfall = int64(op.Amount - drawn)
	if r.Shortfall > 0 {
		if a.available != 0 {
			panic("ledger: I3: a debit ran short while credits are available")
		}
		a.owe(op, r.Shortfall)
	}
}

// owe takes up what an event misses, if it does and its policy says so.
func (a *Account) owe(op *event.Placed, shortfall int64) {
	if shortfall > 0 && op.Marks.Has(event.DebtMark) {
		x := a.own()
		x.debts = append(x.debts, Debt{EventID: strings.Clone(op.ID), Amount: event.Amount(shortfall)})
		x.owed += shortfall
	}
}

// draw takes up to want from the usable grants and says from which.
func (a *Account) draw(want event.Amount, r *event.Result) (drawn event.Amount) {
	usable := a.Usable()
	empty, found := 0, true
	for empty < len(usable) && drawn < want {
		g := &usable[empty]
		amount := min(g.Remaining, want-drawn)
		g.Remaining -= amount
		drawn += amount
		r.Slices = append(r.Slices, event.Slice{GrantID: g.ID, Amount: amount, ExpiresAt: g.ExpiresAt})
		if g.Remaining > 0 {
			break
		}
		found = found && g.ExpiresAt != a.due
		empty++
	}
	a.available -= int64(drawn)
	if empty > 0 {
		a.cut(0, empty)
		if !found {
			a.findDue()
		}
	}
	return drawn
}

// drawnBefore orders usable grants: priority, then the sooner to expire, then
// the older, then the id.
func drawnBefore(g, h Grant) int {
	switch {
	case g.Terms == h.Terms:
		return 0
	case g.Priority != h.Priority:
		return cmp.Compare(g.Priority, h.Priority)
	case g.ExpiresAt != h.ExpiresAt:
		// NoTime is -1: as an unsigned number it comes last.
		return cmp.Compare(uint64(g.ExpiresAt), uint64(h.ExpiresAt))
	case g.EffectiveAt != h.EffectiveAt:
		return cmp.Compare(g.EffectiveAt, h.EffectiveAt)
	}
	return strings.Compare(g.ID, h.ID)
}

// activatesBefore orders future grants.
func activatesBefore(g, h Grant) int {
	if g.EffectiveAt != h.EffectiveAt {
		return cmp.Compare(g.EffectiveAt, h.EffectiveAt)
	}
	return strings.Compare(g.ID, h.ID)
}
