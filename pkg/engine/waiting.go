package engine

import (
	"slices"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/timeline"
)

// MaxWaiting is how many operations of one user may wait at a time. One more is
// decided at once: what waits is decided together, in one go.
const MaxWaiting = 1000

// loadWaiting counts the operations that wait, by user.
func (e *Engine) loadWaiting() {
	for key := range e.rows.Scan([]byte{keyChild}, []byte{keyChild + 1}) {
		user, _, ok := strings.Cut(string(key[1:]), "\x00")
		if !ok {
			e.fail(errCorruptKey)
			return
		}
		e.waiting[user]++
	}
}

// loadPending finds the places of an account's operations that wait.
func (e *Engine) loadPending(a *account) {
	if e.waiting[a.user.id] == 0 {
		return
	}
	prefix := appendNumbered(nil, keyPending, a.number)
	for key := range e.rows.Scan(prefix, behind(prefix)) {
		place, ok := placeIn(string(key[len(prefix):]))
		if !ok {
			e.fail(errCorruptKey)
			return
		}
		a.rare().pending = append(a.pending(), place)
	}
}

// mustWait reports whether an operation waits for the one it names: that has
// not been processed, and the watermark has not passed the operation.
func (e *Engine) mustWait(u *user, op *event.Placed) bool {
	switch op.Kind {
	case event.Capture, event.Release, event.Refund:
	default:
		return false
	}
	if op.Time <= e.marks.At {
		return false
	}
	e.key = appendName(e.key[:0], nameEvent, u.id, op.Ref(), e.key2)
	if _, known := e.rows.Get(e.key); known {
		return false
	}
	return e.waiting[u.id] < MaxWaiting
}

// wait puts an operation among those that wait, and says so.
func (e *Engine) wait(u *user, a *account, op *event.Placed, extra *event.Event) {
	at := op.Place()
	e.key = appendPlaced(e.key[:0], keyPending, a.number, at)
	e.val = appendEventRow(e.val[:0], op, extra)
	e.rows.Set(e.key, e.val)
	e.key = appendChildKey(e.key[:0], u.id, op.Ref(), a.number, at)
	e.rows.Set(e.key, []byte(a.asset))
	e.waiting[u.id]++
	i, _ := slices.BinarySearchFunc(a.pending(), at, event.Place.Compare)
	a.rare().pending = slices.Insert(a.pending(), i, at)
	r := &e.result
	r.Reset()
	r.Outcome, r.Amount = event.Pending, op.Amount
	e.sayEntry(e.fillEvent(u.id, a.asset, op, r))
	e.write(a)
	e.schedule(a)
}

// stopWaiting takes an operation from among those that wait.
func (e *Engine) stopWaiting(a *account, at event.Place) (op *event.Placed, extra *event.Event) {
	op, extra = new(event.Placed), &event.Event{}
	key := appendPlaced(nil, keyPending, a.number, at)
	row, ok := e.rows.Get(key)
	if !ok || !e.readEvent(key, row, op, extra) {
		e.fail(errCorruptKey)
		return nil, nil
	}
	e.rows.Delete(key)
	e.rows.Delete(appendChildKey(nil, a.user.id, op.Ref(), a.number, at))
	if i, found := slices.BinarySearchFunc(a.pending(), at, event.Place.Compare); found {
		a.seldom.pending = slices.Delete(a.pending(), i, i+1)
	}
	if e.waiting[a.user.id]--; e.waiting[a.user.id] == 0 {
		delete(e.waiting, a.user.id)
	}
	op.ProcessedAt = e.now
	op.Marks |= event.WaitedMark
	return op, extra
}

// decideWaiting decides the operations that waited for an event just
// processed, in the order of their places.
func (e *Engine) decideWaiting(u *user, id string) {
	if e.waiting[u.id] == 0 {
		return
	}
	type child struct {
		asset string
		place event.Place
	}
	var children []child
	prefix := childPrefix(nil, u.id, id)
	for key, asset := range e.rows.Scan(prefix, behind(prefix)) {
		place, ok := placeIn(string(key[len(prefix)+numberBytes:]))
		if !ok {
			e.fail(errCorruptKey)
			return
		}
		children = append(children, child{string(asset), place})
	}
	slices.SortFunc(children, func(c, d child) int { return c.place.Compare(d.place) })
	for _, c := range children {
		a := e.account(u, c.asset)
		if op, extra := e.stopWaiting(a, c.place); op != nil {
			edits := e.decide(u, a, op)
			e.enter(a, op, extra, edits)
		}
	}
}

// giveUp rejects the first operation of an account that waits in vain: the
// watermark passes it. It is settled right away.
func (e *Engine) giveUp(a *account) {
	at := a.pending()[0]
	op, extra := e.stopWaiting(a, at)
	if op == nil {
		a.seldom.pending = a.pending()[1:]
		return
	}
	reject(op, event.UnknownReference)
	if a.isLate(at) {
		op.Marks |= event.LateMark
		e.insertRejected(a, op)
	} else {
		e.sayDuesBefore(a, op)
		e.applyOnTime(a, op)
	}
	e.writeEvent(a.number, op, extra)
	e.touch(a)
	if e.cfg.Settled {
		e.settleNext(a)
	}
}

// insertRejected places an operation that changes nothing before something
// said, as the next thing to be settled.
func (e *Engine) insertRejected(a *account, op *event.Placed) {
	own, at := e.newResult(), op.Place()
	e.late.edits = append(e.late.edits[:0], timeline.Edit{Place: at, New: op})
	e.edit(a, e.late.edits, func(s *timeline.Step) {
		if s.Edited {
			copyResult(own, s.After)
		}
	})
	if !e.cfg.Settled && a.line.Covers(at) {
		a.open++
	}
	e.sayEntry(e.fillEvent(a.user.id, a.asset, op, own))
	e.late.clear()
}
