package engine

import (
	"slices"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
	"highwater/pkg/timeline"
)

type ledgerCheck = timeline.Check[ledger.Account]

// loadLine brings the newest stretch of an account into memory: from the last
// stored checkpoint at or before what is settled, but nothing of a chapter.
func (e *Engine) loadLine(a *account) {
	place, state := e.storedBefore(a.number, event.EndOf(e.meta.settledTo))
	if last := a.last; last != nil && place.Before(last.end) {
		place, state = last.end, e.storedAt(a.number, last.end)
	}
	a.line.Stride = int16(e.cfg.sizes.stride)
	a.line.Start(place, state)
	ops, checks := e.stretch(a.number, place, nil, nil)
	a.line.Resume(ops, checks)
	a.line.StateAt(a.place(), &a.line.Head, &e.late.scratch)
	a.open = len(a.line.Ops)
	if e.cfg.Settled {
		a.open = a.line.Find(event.EndOf(e.meta.settledTo))
		e.restateSettled(a)
		e.skipKept(a)
	}
	e.forget(a, e.spare(a))
}

// resume goes on with an account whose row has its state: its past stays where
// it is.
func (e *Engine) resume(a *account, place event.Place, row string, since int) {
	state := &e.late.state
	if err := state.Decode(row); err != nil {
		e.fail(err)
		*state = ledger.Account{}
	}
	// They stay when grants that share the row's memory are gone.
	place.ID, place.From = strings.Clone(place.ID), strings.Clone(place.From)
	a.line.Stride = int16(e.cfg.sizes.stride)
	a.line.StartSince(since, place, state)
}

// openSettled makes room for the state before the first open op.
func (e *Engine) openSettled(a *account) *ledger.Account {
	if n := len(e.idle); a.settled == nil && n > 0 {
		a.settled, e.idle = e.idle[n-1], e.idle[:n-1]
	} else if a.settled == nil {
		a.settled = &ledger.Account{}
	}
	return a.settled
}

// closeSettled gives that room back where nothing is open.
func (e *Engine) closeSettled(a *account) {
	if a.settled != nil && a.open == len(a.line.Ops) {
		if len(e.idle) < maxIdle && a.settled.Bytes() < maxIdleBytes {
			e.idle = append(e.idle, a.settled)
		}
		a.settled = nil
	}
}

// maxIdle and maxIdleBytes bound the states kept for accounts to come.
const (
	maxIdle      = 4096
	maxIdleBytes = 2 << 10
)

// skipKept goes past what the move of the watermark that is under way has
// settled of an account.
func (e *Engine) skipKept(a *account) {
	for a.open < len(a.line.Ops) {
		at, _ := e.wake(a)
		if !e.kept(at, a.user, a.asset) {
			return
		}
		e.late.scratch.Reset()
		if op := &a.line.Ops[a.open]; a.settled.DueTime() > op.Time {
			a.settled.Apply(op, &e.late.scratch)
			a.open++
		} else {
			a.settled.Due(&e.late.scratch)
		}
	}
}

// restateSettled finds the state before the first open op again.
func (e *Engine) restateSettled(a *account) {
	if a.open == len(a.line.Ops) && !e.ready {
		return
	}
	// A move of the watermark that is under way may have settled more, and
	// memory may begin behind what was settled before it.
	at := event.EndOf(e.meta.settledTo)
	if at.Before(a.line.Begin) {
		at = a.line.Begin
	}
	a.line.StateAt(at, e.openSettled(a), &e.late.scratch)
}

// checkBefore is the newest checkpoint of an account before place; the
// beginning of everything where there is none.
func (e *Engine) checkBefore(h *head, place event.Place) (event.Place, *ledger.Account) {
	at, state := e.storedBefore(h.number, place)
	if h.last == nil || !at.Before(h.last.end) {
		return at, state
	}
	for _, kind := range [...]byte{keyChapter, keyVolume} {
		if c, ok := e.begunBefore(kind, h.number, place); ok && c.holds(at) {
			state.Shift(c.shift)
		}
	}
	return at, state
}

// storedBefore is checkBefore as it was written: without the shifts of its
// chapter and its volume.
func (e *Engine) storedBefore(number uint64, place event.Place) (event.Place, *ledger.Account) {
	from := appendNumbered(nil, keyCheck, number)
	to := appendPlaced(nil, keyCheck, number, place)
	state := &ledger.Account{}
	for key, row := range e.rows.ScanBack(from, to) {
		at, ok := placeIn(string(key[1+numberBytes:]))
		if !ok {
			e.fail(errCorruptKey)
			break
		}
		if err := state.Decode(string(row)); err != nil {
			e.fail(err)
			break
		}
		return at, state
	}
	return event.Place{}, state
}

// storedAt is the checkpoint at a place as it was written.
func (e *Engine) storedAt(number uint64, place event.Place) *ledger.Account {
	state := &ledger.Account{}
	if place == (event.Place{}) {
		return state
	}
	row, ok := e.rows.Get(appendPlaced(nil, keyCheck, number, place))
	if !ok {
		e.fail(errCorruptKey)
		return state
	}
	if err := state.Decode(string(row)); err != nil {
		e.fail(err)
	}
	return state
}

// stretch reads the ops and checkpoints behind one place, up to and including
// another (nil: to the end). The ops go into memory, which may be nil.
func (e *Engine) stretch(number uint64, behindPlace event.Place, upTo *event.Place, memory []event.Placed) ([]event.Placed, []ledgerCheck) {
	bounds := func(prefix byte) (from, to []byte) {
		from = appendPlaced(nil, prefix, number, behindPlace)
		if behindPlace != (event.Place{}) {
			from = after(from)
		}
		if upTo == nil {
			return from, appendNumbered(nil, prefix, number+1)
		}
		return from, after(appendPlaced(nil, prefix, number, *upTo))
	}
	ops := memory[:0]
	from, to := bounds(keyEvent)
	for key, row := range e.rows.Scan(from, to) {
		ops = append(ops, event.Placed{})
		var extra event.Event
		if !e.readEvent(key, row, &ops[len(ops)-1], &extra) {
			return nil, nil
		}
	}
	var checks []ledgerCheck
	from, to = bounds(keyCheck)
	for key, row := range e.rows.Scan(from, to) {
		place, ok := placeIn(string(key[1+numberBytes:]))
		index, found := slices.BinarySearchFunc(ops, place, func(op event.Placed, p event.Place) int {
			return op.Place().Compare(p)
		})
		if !ok || !found {
			e.fail(errCorruptKey)
			return nil, nil
		}
		c := ledgerCheck{Index: int32(index) + 1}
		if err := c.State.Decode(string(row)); err != nil {
			e.fail(err)
			return nil, nil
		}
		checks = append(checks, c)
	}
	return ops, checks
}

// readEventRow decodes the row at an event's key.
func readEventRow(key, row []byte, p *event.Placed, extra *event.Event) error {
	place, ok := placeIn(string(key[1+numberBytes:]))
	if !ok {
		return errCorruptKey
	}
	return decodeEventRow(place, string(row), p, extra)
}

// readEvent decodes an event row; false where it is corrupt.
func (e *Engine) readEvent(key, row []byte, p *event.Placed, extra *event.Event) bool {
	err := readEventRow(key, row, p, extra)
	if err != nil {
		e.fail(err)
	}
	return err == nil
}
