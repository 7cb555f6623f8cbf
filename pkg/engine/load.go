package engine

import (
	"slices"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
	"highwater/pkg/timeline"
)

type ledgerCheck = timeline.Check[ledger.Account]

// loadLine brings the newest stretch of an account into memory: from the last
// stored checkpoint at or before what is settled.
func (e *Engine) loadLine(a *account) {
	place, state := e.checkBefore(a.number, event.EndOf(e.meta.settledTo))
	a.line.Start(place, state)
	ops, checks := e.stretch(a.number, place, nil)
	a.line.Resume(ops, checks)
	if a.said {
		a.line.StateAt(a.place, &a.line.Head, &e.late.scratch)
	}
	a.open = len(a.line.Ops)
	if e.cfg.Settled {
		a.open = a.line.Find(event.EndOf(e.meta.settledTo))
		e.restateSettled(a)
		e.skipKept(a)
	}
	e.trim(a, e.isShort())
}

// skipKept goes past what the move of the watermark that is under way has
// settled of an account.
func (e *Engine) skipKept(a *account) {
	for a.open < len(a.line.Ops) {
		at, _ := e.wake(a)
		if !e.kept(at, a.user, a.asset) {
			return
		}
		resetResult(&e.late.scratch)
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
	if a.open < len(a.line.Ops) || e.ready {
		a.line.StateAt(event.EndOf(e.meta.settledTo), &a.settled, &e.late.scratch)
	}
}

// reach extends the stretch in memory back so that place is covered.
func (e *Engine) reach(a *account, place event.Place) {
	if a.line.Covers(place) {
		return
	}
	first := a.line.Checks[0].Place
	from, state := e.checkBefore(a.number, place)
	ops, checks := e.stretch(a.number, from, &first)
	older := append([]ledgerCheck{{Place: from, State: *state}}, checks...)
	// Memory begins with the last of them.
	older = slices.DeleteFunc(older, func(c ledgerCheck) bool { return c.Place == first })
	a.line.Prepend(ops, older)
	a.open += len(ops)
}

// checkBefore is the newest stored checkpoint before place; the beginning of
// everything where there is none.
func (e *Engine) checkBefore(number uint64, place event.Place) (event.Place, *ledger.Account) {
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

// stretch reads the ops and checkpoints behind one place, up to and including
// another (nil: to the end).
func (e *Engine) stretch(number uint64, behindPlace event.Place, upTo *event.Place) ([]event.Placed, []ledgerCheck) {
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
	var ops []event.Placed
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
		c := ledgerCheck{}
		var ok bool
		if c.Place, ok = placeIn(string(key[1+numberBytes:])); !ok {
			e.fail(errCorruptKey)
			return nil, nil
		}
		if err := c.State.Decode(string(row)); err != nil {
			e.fail(err)
			return nil, nil
		}
		index, found := slices.BinarySearchFunc(ops, c.Place, func(op event.Placed, p event.Place) int {
			return op.Place().Compare(p)
		})
		if found {
			index++
		}
		c.Index = index
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
