package engine

import (
	"fmt"
	"math/big"
	"math/bits"
	"slices"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
	"highwater/pkg/timeline"
)

// recall tells whether the event's id made an entry before, and whether that
// had the same content (I3). u is nil where the user isn't in memory.
func (e *Engine) recall(u *user, ev *event.Event) (known, same bool) {
	if u != nil && u.remembers(ev) {
		return true, true
	}
	e.name = appendName(e.name[:0], nameEvent, ev.User, ev.ID, e.key2)
	value, ok := e.rows.Get(e.name)
	if !ok {
		return false, false
	}
	key, row, ok := e.eventNamed(value, ev.ID)
	if !ok {
		e.fail(errCorruptKey)
		return true, false
	}
	number := numberOf(key[1:])
	var p event.Placed
	before := event.Event{TimeGiven: true, Asset: event.DefaultAsset}
	if !e.readEvent(key, row, &p, &before) || p.ID != ev.ID {
		e.fail(errCorruptKey)
		return true, false
	}
	u = e.user(ev.User)
	if p.Kind.IsOrder() {
		b := e.book(u)
		if b == nil || b.number != number {
			return true, false
		}
	} else {
		a := e.account(u, ev.Asset)
		if a == nil || a.number != number {
			return true, false
		}
		before.Asset = ev.Asset
	}
	return true, contentOf(&p, u.id, &before).SameContent(ev)
}

// remembers reports whether the same event is in memory. It tells nothing of one
// that is not, or that came again with another content.
func (u *user) remembers(ev *event.Event) bool {
	a := u.account(ev.Asset)
	if a == nil || ev.Kind.IsOrder() {
		return false
	}
	at := ev.Place()
	if n := len(a.line.Ops); n == 0 || a.line.Ops[n-1].Before(at) {
		return false
	}
	i := a.line.Find(at)
	if i == len(a.line.Ops) || !a.line.Ops[i].IsAt(at) {
		return false
	}
	return contentOf(&a.line.Ops[i], u.id, &event.Event{TimeGiven: true, Asset: a.asset}).SameContent(ev)
}

// contentOf makes the event that was placed as p; asset, source and metadata
// stand in into already.
func contentOf(p *event.Placed, user string, into *event.Event) *event.Event {
	into.ID, into.User, into.Kind = p.ID, user, p.Kind
	into.OccurredAt, into.TimeGiven, into.Sequence = p.OccurredAt(), p.Marks.Has(event.TimeGivenMark), p.Sequence
	into.Ref, into.To, into.Amount, into.Priority = p.Ref(), p.To(), p.Amount, p.Priority()
	into.EffectiveAt, into.ExpiresAt = p.EffectiveAt(), p.ExpiresAt()
	if p.Kind.IsOrder() || p.Kind == event.Release || p.Marks.Has(event.OpenAmountMark) {
		into.Amount = event.NoAmount // a count or what was decided stands there
	}
	if t := p.Terms(); t != nil {
		into.Currency, into.Quantity, into.Price = t.Currency, t.Quantity, t.Price
	}
	return into
}

// credits places an event on credits and says what becomes of it.
func (e *Engine) credits(u *user, rec *Record) {
	ev := rec.Event
	a := e.account(u, ev.Asset)
	if a == nil {
		a = e.newAccount(u, ev.Asset)
	}
	op := &e.op
	*op = e.place(rec)
	policy := e.cfg.Policies.For(ev.Asset)
	if policy.Debt {
		op.Marks |= event.DebtMark
	}
	if policy.Forfeit {
		op.Marks |= event.ForfeitMark
	}
	if e.mustWait(u, op) {
		e.writeName(e.name, op.ID, a.number, op.Place())
		e.wait(u, a, op, ev)
		return
	}
	if a.isLate(op.Place()) {
		op.Marks |= event.LateMark
	} else if op.Kind.IsDebit() && op.Kind.IsConditional() {
		// It is decided by what there is at its place.
		e.sayDuesBefore(a, op)
	}
	edits := e.decide(u, a, op)
	e.writeName(e.name, op.ID, a.number, op.Place())
	e.enter(a, op, ev, edits)
}

// enter places a decided event and says what becomes of it and of the edits
// that it makes in the events known before.
func (e *Engine) enter(a *account, op *event.Placed, extra *event.Event, edits []timeline.Edit) {
	e.late.edits = edits
	at := op.Place()
	if a.isLate(at) {
		op.Marks |= event.LateMark
	}
	a.noteRecent(op)
	switch {
	case op.Marks.Has(event.LateMark):
		e.applyLate(a, op, edits)
	case len(edits) > 0:
		e.applyWithEdits(a, op, edits)
	default:
		e.sayDuesBefore(a, op)
		e.applyOnTime(a, op)
	}
	// Not before: what walks the account puts it in itself.
	e.writeEvent(a.number, op, extra)
	e.sayDues(a)
	e.touch(a)
	e.schedule(a)
}

// place makes the placed form of a record's event.
func (e *Engine) place(rec *Record) event.Placed {
	ev := rec.Event
	op := event.Placed{
		ID: e.keep.str(ev.ID), Time: ev.EffectiveTime(),
		ArrivedAt: rec.ArrivedAt, ProcessedAt: e.now, Sequence: ev.Sequence, Offset: rec.Input.Offset,
		Amount: ev.Amount, Kind: ev.Kind,
	}
	d := event.Details{
		Ref: e.keep.str(ev.Ref), To: e.keep.str(ev.To),
		OccurredAt: ev.OccurredAt, EffectiveAt: ev.EffectiveAt, ExpiresAt: ev.ExpiresAt, Priority: ev.Priority,
	}
	if op.Kind == event.PlaceOrder {
		d.Terms = &event.Terms{Currency: e.keep.str(ev.Currency), Quantity: ev.Quantity, Price: ev.Price}
	}
	if ev.TimeGiven {
		op.Marks |= event.TimeGivenMark
	}
	if op.Time <= e.marks.At {
		op.Marks |= event.AfterFinalMark
	}
	return op.With(d)
}

// decide makes the decisions that arrival makes: whether a grant's id is
// taken, whether a total overflows, whether the grant that a revoke names is
// among the events received, and whether a conditional operation is accepted.
// It returns what that changes in the events known before, as edits.
func (e *Engine) decide(u *user, a *account, op *event.Placed) []timeline.Edit {
	edits := e.late.edits[:0]
	switch op.Kind {
	case event.Grant, event.Add:
		id := op.GrantID()
		e.key = appendName(e.key[:0], nameGrant, u.id, id, e.key2)
		if _, taken := e.rows.Get(e.key); taken {
			reject(op, event.GrantExists)
			return nil
		}
		if a.creditedHigh > 0 {
			reject(op, event.AmountOverflow)
			return nil
		}
		if !addTotal(&a.credited, op) {
			return nil
		}
		e.writeName(e.key, id, a.number, op.Place())
		return e.wakeRevokes(u, a, id, edits)
	case event.Subtract:
		if addTotal(&a.debited, op) {
			e.breaksRule(a, op)
		}
	case event.Revoke:
		e.decideRevoke(u, a, op)
	case event.Spend, event.Hold, event.Transfer:
		return e.decideDebit(u, a, op, edits)
	case event.Capture, event.Release, event.Refund:
		return e.decideChild(u, a, op, edits)
	}
	return edits
}

// decideRevoke finds out whether the grant that a revoke names is known.
func (e *Engine) decideRevoke(u *user, a *account, op *event.Placed) {
	e.key = appendName(e.key[:0], nameGrant, u.id, op.Ref(), e.key2)
	value, found := e.rows.Get(e.key)
	var number uint64
	if found {
		grant, ok := keyNamed(value, op.Ref())
		if !ok {
			e.fail(errCorruptKey)
			return
		}
		number = numberOf(grant[1:])
	}
	switch {
	case found && number == a.number, !found && e.knowsRestored(u, a, op.Ref()):
		op.Marks |= event.KnownMark
	case !found:
		by, timeOut := restoredBy(op.Ref())
		if by == "" || timeOut { // what a transfer brings may look like the latter
			e.waitForGrant(u, a, op, op.Ref())
		}
		if by != "" {
			e.waitForGrant(u, a, op, op.Ref()[:strings.LastIndexByte(op.Ref(), '/')+1])
		}
	}
}

// addTotal counts an event, or rejects it where the total would overflow.
func addTotal(total *uint64, op *event.Placed) bool {
	sum, carry := bits.Add64(*total, uint64(op.Amount), 0)
	if carry != 0 || sum > event.MaxTotal {
		reject(op, event.AmountOverflow)
		return false
	}
	*total = sum
	return true
}

// overflowTotal is what a rejected event would have brought a total to.
func overflowTotal(entry *event.Entry, e *Engine) string {
	a := e.account(e.user(entry.UserID), entry.Asset)
	low, high := a.credited, a.creditedHigh
	if entry.Kind.IsDebit() {
		low, high = a.debited, 0
	}
	low, carry := bits.Add64(low, uint64(entry.Amount), 0)
	total := new(big.Int).SetUint64(high + carry)
	return total.Add(total.Lsh(total, 64), new(big.Int).SetUint64(low)).String()
}

// waitForGrant remembers a revoke whose grant has not been received: a name
// tells that there is one, and a row of its own which.
func (e *Engine) waitForGrant(u *user, a *account, op *event.Placed, id string) {
	e.key = appendName(e.key[:0], nameRevoke, u.id, id, e.key2)
	e.rows.Set(e.key, nil)
	e.key[0] = keyWaiting
	e.key = appendPlace(appendNumber(e.key, a.number), op.Place())
	e.rows.Set(e.key, nil)
}

// wakeRevokes makes the revokes that waited for a grant known, as edits.
func (e *Engine) wakeRevokes(u *user, a *account, id string, edits []timeline.Edit) []timeline.Edit {
	name := appendName(nil, nameRevoke, u.id, id, e.key2)
	if _, ok := e.rows.Get(name); !ok {
		return edits
	}
	e.rows.Delete(name)
	prefix := append([]byte{keyWaiting}, name[1:]...)
	var waiting [][]byte
	for key := range e.rows.Scan(prefix, behind(prefix)) {
		waiting = append(waiting, slices.Clone(key))
	}
	for _, key := range waiting {
		e.rows.Delete(key)
		where := key[len(prefix):]
		if numberOf(where) != a.number {
			continue
		}
		key = append([]byte{keyEvent}, where...)
		row, _ := e.rows.Get(key)
		before, extra := new(event.Placed), event.Event{}
		if !e.readEvent(key, row, before, &extra) {
			continue
		}
		known := *before
		known.Marks |= event.KnownMark
		e.writeEvent(a.number, &known, &extra)
		edits = append(edits, timeline.Edit{Place: before.Place(), Old: before, New: &known})
	}
	return edits
}

func (e *Engine) writeEvent(number uint64, op *event.Placed, extra *event.Event) {
	e.key = appendPlaced(e.key[:0], keyEvent, number, op.Place())
	e.val = appendEventRow(e.val[:0], op, extra)
	e.rows.Set(e.key, e.val)
}

// writeName takes a name, which id is, for the event at a place.
func (e *Engine) writeName(key []byte, id string, number uint64, place event.Place) {
	e.val = appendNamed(e.val[:0], id, number, place)
	e.rows.Set(key, e.val)
}

// sayDuesBefore brings an account to the place of an event that comes on
// time: what falls due before it is said.
func (e *Engine) sayDuesBefore(a *account, op *event.Placed) {
	if e.ready {
		return
	}
	e.ready = true
	if !e.settlesAtOnce(op) && a.open == len(a.line.Ops) {
		e.openSettled(a).CopyFrom(&a.line.Head)
	}
	r := &e.result
	for a.line.Head.DueTime() <= op.Time {
		r.Reset()
		place, _ := a.line.Head.NextDue()
		a.line.Head.Due(r)
		e.sayDue(a, place, r, false)
	}
}

func (e *Engine) settlesAtOnce(op *event.Placed) bool {
	return op.Marks.Has(event.AfterFinalMark) || !e.cfg.Settled
}

// applyOnTime applies an event behind everything said of the account.
// REQUIRES: sayDuesBefore.
func (e *Engine) applyOnTime(a *account, op *event.Placed) {
	e.ready = false
	r := &e.result
	r.Reset()
	a.line.Head.Apply(op, r)
	if len(a.line.Ops) == cap(a.line.Ops) {
		e.makeRoom(a)
	}
	a.line.Append(*op)
	a.due = nil
	e.sayEntry(e.fillEvent(a.user.id, a.asset, op, r))
	if op.Kind == event.Transfer && op.Outcome == event.Accepted {
		e.remit(a, op, a.line.Head.Taken())
	}
	if e.settlesAtOnce(op) {
		a.open = len(a.line.Ops)
		e.saySettled(&e.entry)
	}
}

// sayDue says a due item at the head.
func (e *Engine) sayDue(a *account, place event.Place, r *event.Result, afterFinal bool) {
	place.ID = strings.Clone(place.ID)
	a.due = &place
	e.sayEntry(e.fillDue(a.user.id, a.asset, place, r, afterFinal))
	e.touch(a)
}

// sayDues says and settles the due items that came into being behind the
// watermark.
func (e *Engine) sayDues(a *account) {
	r := &e.result
	for a.line.Head.DueTime() <= e.meta.settledTo {
		r.Reset()
		place, _ := a.line.Head.NextDue()
		a.line.Head.Due(r)
		e.sayDue(a, place, r, true)
		e.settleDue(a, place, &e.entry)
	}
}

// commitAccount publishes the balance of an account about which something was
// said, and writes what changed of it.
func (e *Engine) commitAccount(a *account) {
	e.flushPast(a)
	if a.line.Changed() {
		e.storeChecks(a)
	}
	if a.line.Head.Overflowed() {
		e.fail(fmt.Errorf("user %q, asset %q: the balance is beyond 2^63-1", a.user.id, a.asset))
	}
	if a.touched {
		e.sayBalance(a)
	}
	a.touched, a.written = false, false
	e.closeSettled(a)
	if cap(a.line.Ops) != int(a.sized) {
		e.makeRoom(a)
		a.sized = int32(cap(a.line.Ops))
		e.resize(a.user)
	}
	// Most of those who came into memory just now leave it as they are then. Who
	// stays would have his state written again and again.
	e.writeHead(a, !a.known && e.isNearlyFull() && e.mayStand(a))
}

// writeHead writes an account's row, with its state if that may stand there.
func (e *Engine) writeHead(a *account, stands bool) {
	a.stands, a.known = e.packHead(a, stands), true
	e.rows.Set(e.key, e.val)
}

// packHead makes an account's row, with its state if that may stand there and is
// small; it reports whether it stands there.
func (e *Engine) packHead(a *account, stands bool) bool {
	if e.packed = e.packed[:0]; stands {
		e.packed = a.line.Head.AppendTo(e.packed)
		if len(e.packed) > e.cfg.sizes.state {
			e.packed = e.packed[:0]
		}
	}
	stands = len(e.packed) > 0
	var place event.Place
	if stands || a.due != nil {
		place = a.place()
	}
	e.key = appendAccountKey(e.key[:0], a.user.id, a.asset)
	e.val = a.head.append(e.val[:0], place, e.packed, a.line.Since())
	return stands
}

func (e *Engine) sayBalance(a *account) {
	b, asOf := &e.balance, a.place().Time
	*b = event.Balance{
		UserID: a.user.id, Asset: a.asset, Balances: a.line.Head.Balances(),
		AsOf: asOf, NextChangeAt: event.NoTime,
		Final: asOf <= a.cause, Revision: a.records,
	}
	if next := a.line.Head.DueTime(); next <= event.MaxTime {
		b.NextChangeAt = next
	}
	a.records++
	e.cause = a.cause
	b.Stamp = e.stamp(balances)
	e.sink.Balance(b)
}

// storeChecks writes the checkpoints of an account that changed.
func (e *Engine) storeChecks(a *account) {
	e.writeChecks(a.number, &a.line)
	a.sized = -1
}

// writeChecks writes the checkpoints of a stretch that changed. One that was
// dropped may have come back at its place since.
func (e *Engine) writeChecks(number uint64, line *ledgerTimeline) {
	for _, place := range line.Dropped() {
		e.key = appendPlaced(e.key[:0], keyCheck, number, place)
		e.rows.Delete(e.key)
	}
	for i := range line.Checks {
		if c := &line.Checks[i]; c.Changed {
			e.writeCheck(number, line.Place(i), &c.State)
		}
	}
	line.Stored()
}

func (e *Engine) writeCheck(number uint64, place event.Place, state *ledger.Account) {
	e.key = appendPlaced(e.key[:0], keyCheck, number, place)
	e.val = state.AppendTo(e.val[:0])
	e.rows.Set(e.key, e.val)
}
