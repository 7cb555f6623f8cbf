package ledger

import (
	"cmp"
	"slices"
	"strings"

	"highwater/pkg/event"
)

// never is the due time of an account that nothing will change by itself.
const never = event.Time(1<<63 - 1)

// Grant is a usable or future grant and what remains of it, or a part of one
// that something drew.
type Grant struct {
	ID string
	// Origin is the grant that a restored one stands for, "" for any other.
	Origin      string
	Remaining   event.Amount
	EffectiveAt event.Time
	// ExpiresAt is event.NoTime for one that never expires.
	ExpiresAt event.Time
	Priority  int32
}

// Debt is what an event ran short of and still owes.
type Debt struct {
	EventID string
	Amount  event.Amount
}

// Account is the state of one (user, asset) at one place. The zero Account is
// the state before its first event.
type Account struct {
	usable []Grant
	// room is the memory that usable lies in (stock.go).
	room []Grant
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

	available int64
	owed      int64
	held      int64
	// bareDue is at or before the earliest expires_at of the holds that have
	// nothing set aside: no due item ends them. Zero is none.
	bareDue event.Time
	// due is the time of the next due item, or never. Zero means not known
	// yet: the zero Account's.
	due event.Time
	// overflowed tells that a balance beyond 64 bits came about.
	overflowed bool

	// taken is scratch memory of what the last debit drew, no part of the
	// state.
	taken []Grant
}

// Balances are the account's three numbers.
func (a *Account) Balances() event.Balances {
	return event.Balances{Balance: a.available - a.owed, Held: a.held, Debt: a.owed}
}

// Usable are the usable grants in the order they are drawn. The caller must
// not change them.
func (a *Account) Usable() []Grant { return a.usable }

// Future are the grants yet to activate. The caller must not change them.
func (a *Account) Future() []Grant { return a.future }

// Debts are what is owed, oldest first. The caller must not change them.
func (a *Account) Debts() []Debt { return a.debts }

// Holds are the holds that may still be captured, by id. The caller must not
// change them.
func (a *Account) Holds() []Hold { return a.holds }

// Available is what a debit may draw.
func (a *Account) Available() int64 { return a.available }

// Owed is what debits missed and still owe.
func (a *Account) Owed() int64 { return a.owed }

// Overflowed reports whether the balance no longer fits 64 bits: what follows
// would be wrong.
func (a *Account) Overflowed() bool { return a.overflowed }

// IsRevoked reports whether a grant of this id has been revoked.
func (a *Account) IsRevoked(grantID string) bool {
	_, gone := slices.BinarySearch(a.revoked, grantID)
	return gone
}

// Taken are the parts of grants that the transfer or hold applied last drew.
// They are valid until the next one.
func (a *Account) Taken() []Grant { return a.taken }

// CopyFrom makes a the same state as b and keeps a's memory (I6). It marks
// what b shares with a.
func (a *Account) CopyFrom(b *Account) {
	a.refill(b.usable)
	a.future = append(a.future[:0], b.future...)
	a.debts = append(a.debts[:0], b.debts...)
	a.holds = append(a.holds[:0], b.holds...)
	a.draws = append(a.draws[:0], b.draws...)
	a.revoked = b.revoked
	if len(b.revoked) > 0 && !b.shared {
		b.shared = true
	}
	a.shared = b.shared
	a.available, a.owed, a.held, a.due = b.available, b.owed, b.held, b.due
	a.bareDue, a.overflowed = b.bareDue, b.overflowed
}

// Equal reports whether both states answer everything that follows alike.
func (a *Account) Equal(b *Account) bool {
	return a.available == b.available && a.owed == b.owed && a.held == b.held && a.overflowed == b.overflowed &&
		slices.Equal(a.usable, b.usable) && slices.Equal(a.future, b.future) &&
		slices.Equal(a.debts, b.debts) && slices.Equal(a.revoked, b.revoked) &&
		slices.EqualFunc(a.holds, b.holds, Hold.equal) && slices.EqualFunc(a.draws, b.draws, Draws.equal)
}

// Weight is about how many bytes the state's form has, told at once: how far
// apart checkpoints of it should stand.
func (a *Account) Weight() int {
	const grant, debt, revoked, hold, draws = 48, 32, 24, 128, 160
	return (len(a.usable)+len(a.future))*grant + len(a.debts)*debt + len(a.revoked)*revoked + len(a.holds)*hold + len(a.draws)*draws
}

// Bytes is about how much memory the state holds.
func (a *Account) Bytes() int {
	const grantBytes, debtBytes, holdBytes, drawsBytes = 96, 48, 112, 128
	n := 260 + (max(cap(a.room), cap(a.usable))+cap(a.future)+cap(a.taken))*grantBytes + cap(a.debts)*debtBytes + len(a.revoked)*32 +
		cap(a.holds)*holdBytes + cap(a.draws)*drawsBytes
	for i := range a.holds {
		n += len(a.holds[i].Pieces) * grantBytes
	}
	for i := range a.draws {
		d := &a.draws[i]
		n += (len(d.Consumed)+len(d.Repaid))*grantBytes + len(d.Shorts)*debtBytes
	}
	return n
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
		return event.Place{Time: a.due, Due: event.DueExpiry, ID: a.usable[i].ID}, true
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
		g := a.usable[i]
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
	id := op.GrantID()
	r.Slices = append(r.Slices, event.Slice{GrantID: id, Amount: op.Amount, ExpiresAt: op.ExpiresAt()})
	if _, gone := slices.BinarySearch(a.revoked, id); gone {
		return // born revoked: credited and revoked in one step
	}
	g := Grant{ID: id, Remaining: op.Amount, EffectiveAt: op.UsableFrom(), ExpiresAt: op.ExpiresAt(), Priority: op.Priority()}
	if g.EffectiveAt > op.Time {
		g.ID = strings.Clone(g.ID)
		i, _ := slices.BinarySearchFunc(a.future, g, activatesBefore)
		a.future = slices.Insert(a.future, i, g)
		a.dueBy(g.EffectiveAt)
		return
	}
	a.credit(g, r)
}

// credit makes a grant's credits usable: they repay what is owed first.
func (a *Account) credit(g Grant, r *event.Result) {
	credited := int64(g.Remaining)
	repaid := a.repay(&g, r)
	if credited != repaid+int64(g.Remaining) {
		panic("ledger: I4: a grant's credits went neither to debts nor to the account")
	}
	if g.Remaining == 0 {
		return
	}
	if a.owed > 0 {
		panic("ledger: I3: credits became available while something is owed")
	}
	a.stock(g)
}

// stock makes credits available that repaid what they had to.
func (a *Account) stock(g Grant) {
	i, found := slices.BinarySearchFunc(a.usable, g, drawnBefore)
	if found { // given back to what is left of it
		a.usable[i].Remaining += g.Remaining
	} else {
		// The id outlives the event it came with.
		g.ID = strings.Clone(g.ID)
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
	if i, found := slices.BinarySearch(a.revoked, op.Ref()); !found {
		if a.shared {
			a.revoked, a.shared = slices.Clone(a.revoked), false
		}
		a.revoked = slices.Insert(a.revoked, i, strings.Clone(op.Ref()))
	}
	named := func(g Grant) bool { return g.ID == op.Ref() }
	if i := slices.IndexFunc(a.usable, named); i >= 0 {
		g := a.usable[i]
		a.cut(i, i+1)
		a.available -= int64(g.Remaining)
		r.Amount = g.Remaining
		r.Slices = append(r.Slices, event.Slice{GrantID: g.ID, Amount: g.Remaining, ExpiresAt: g.ExpiresAt})
		a.findDue()
	} else if i := slices.IndexFunc(a.future, named); i >= 0 {
		a.future = slices.Delete(a.future, i, i+1)
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
		a.debts = append(a.debts, Debt{EventID: strings.Clone(op.ID), Amount: event.Amount(shortfall)})
		a.owed += shortfall
	}
}

// draw takes up to want from the usable grants and says from which.
func (a *Account) draw(want event.Amount, r *event.Result) (drawn event.Amount) {
	empty, found := 0, true
	for empty < len(a.usable) && drawn < want {
		g := &a.usable[empty]
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
