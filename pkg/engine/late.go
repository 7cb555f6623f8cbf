package engine

import (
	"slices"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/timeline"
)

// applyWithEdits applies an event that comes on time but changes what was
// known before: makes revokes known, or draws remembered.
func (e *Engine) applyWithEdits(a *account, op *event.Placed, edits []timeline.Edit) {
	e.correct(a, op, edits, nil)
	e.sayDuesBefore(a, op)
	e.applyOnTime(a, op)
	e.flushCorrection(a, op)
}

// applyLate applies an event before something said: it walks the account
// without and with it, says its entry, and corrects what was said.
func (e *Engine) applyLate(a *account, op *event.Placed, edits []timeline.Edit) {
	at := op.Place()
	edits = append(edits, timeline.Edit{Place: at, New: op})
	e.late.edits = edits
	own := e.newResult()
	e.correct(a, op, edits, own)
	e.sayEntry(e.fillEvent(a.user.id, a.asset, op, own))
	e.flushCorrection(a, op)
}

// correct walks an account without and with the edits and collects what that
// changes: stretches, entries, and the result of op itself in own.
func (e *Engine) correct(a *account, op *event.Placed, edits []timeline.Edit, own *event.Result) {
	slices.SortFunc(edits, func(d, f timeline.Edit) int { return d.Place.Compare(f.Place) })
	w := &e.late.credits
	s := stretcher{out: e.late.stretches[:0], time: edits[0].Place.Time}
	opened := op.Time > e.meta.settledTo && own != nil
	at := op.Place()
	e.edit(a, edits, func(step *timeline.Step) {
		s.step(step.Place.Time, w.Old.Balances(), w.New.Balances())
		if own != nil && step.Edited && step.Place == at {
			copyResult(own, step.After)
			if op.Kind == event.Transfer && op.Outcome == event.Accepted {
				e.remit(a, op, w.New.Taken())
			}
			return
		}
		if step.Before != nil && step.After != nil && step.Before.Same(step.After) {
			return
		}
		e.noteChange(step)
	})
	e.late.stretches = s.close()
	if own != nil && (!opened || !e.cfg.Settled) && a.line.Covers(at) {
		a.open++
	}
	e.restateSettled(a)
}

// noteChange takes up an entry that no longer stands as it was said.
func (e *Engine) noteChange(step *timeline.Step) {
	c := event.EntryChange{EffectiveAt: step.Place.Time}
	if step.Op != nil {
		c.EventID, c.Kind = step.Op.ID, step.Op.Kind
	} else {
		c.EventID, c.Kind = dueID(step.Place), step.Place.Due.Kind()
	}
	if step.Before != nil {
		c.Before = e.newResult()
		copyResult(c.Before, step.Before)
	}
	if step.After != nil {
		c.After = e.newResult()
		copyResult(c.After, step.After)
	}
	e.late.changes = append(e.late.changes, c)
	if step.Op == nil && step.Place.Time <= e.meta.settledTo {
		e.late.duePlaces = append(e.late.duePlaces, step.Place)
	}
}

// flushCorrection says what correct collected, and settles what came behind
// the watermark: the event itself, then due items that appeared.
func (e *Engine) flushCorrection(a *account, op *event.Placed) {
	l := &e.late
	l.own = e.entry // the event's entry was said just now
	afterFinal := op.Marks.Has(event.AfterFinalMark)
	l.correction = event.Correction{
		Cause:  e.causeOf(op, a.place().Time),
		UserID: a.user.id, Asset: a.asset, AfterFinal: afterFinal,
		Changes: l.stretches, Entries: l.changes,
	}
	e.sayCorrection(&l.correction, a.number)
	for i := range l.changes {
		if c := &l.changes[i]; c.After != nil && c.After.Shortfall > 0 && (c.Before == nil || c.After.Shortfall > c.Before.Shortfall) {
			e.sayShortfall(a.user.id, a.asset, c.EventID, c.After.Shortfall)
		}
	}
	if op.Marks.Has(event.LateMark) && afterFinal {
		e.saySettled(&l.own)
	}
	e.settleAppeared(a)
	l.clear()
}

// settleAppeared remembers the due items that vanished behind the watermark,
// and settles those that came into being there: each is settled once, also
// when it moves.
func (e *Engine) settleAppeared(a *account) {
	behind := func(visit func(c *event.EntryChange, place event.Place)) {
		l := &e.late
		next := 0
		for i := range l.changes {
			if c := &l.changes[i]; c.Kind.IsDue() && c.EffectiveAt <= e.meta.settledTo {
				visit(c, l.duePlaces[next])
				next++
			}
		}
	}
	behind(func(c *event.EntryChange, place event.Place) {
		if c.After == nil {
			e.rows.Set(appendVanishedKey(e.key[:0], a.number, place), nil)
		}
	})
	behind(func(c *event.EntryChange, place event.Place) {
		if c.Before == nil && !e.wasSettled(a, place) {
			e.saySettled(e.fillDue(a.user.id, a.asset, place, c.After, true))
		}
	})
}

// wasSettled reports whether a due item was settled and vanished.
func (e *Engine) wasSettled(a *account, place event.Place) bool {
	e.key = appendVanishedKey(e.key[:0], a.number, place)
	_, ok := e.rows.Get(e.key)
	return ok
}

// settleDue settles a due item as its time comes. Only a restored grant's may
// have been settled at another time before.
func (e *Engine) settleDue(a *account, place event.Place, entry *event.Entry) {
	if strings.IndexByte(place.ID, '/') < 0 || !e.wasSettled(a, place) {
		e.saySettled(entry)
	}
}

func (e *Engine) causeOf(op *event.Placed, headTime event.Time) event.Cause {
	c := event.Cause{EventID: op.ID, Kind: op.Kind, OccurredAt: op.OccurredAt(), Input: e.inputOf(op)}
	if op.Marks.Has(event.LateMark) {
		c.LateBy = int64(headTime - op.Time)
	}
	return c
}

// newResult is a result that lasts until the late event is dealt with.
func (e *Engine) newResult() *event.Result {
	l := &e.late
	if l.used == len(l.results) {
		l.results = append(l.results, &event.Result{})
	}
	l.used++
	return l.results[l.used-1]
}

func copyResult(to, from *event.Result) {
	s, r := append(to.Slices[:0], from.Slices...), append(to.Repaid[:0], from.Repaid...)
	*to = *from
	to.Slices, to.Repaid = s, r
}

// maxIdleResults bounds the results kept for late events to come.
const maxIdleResults = 4096

func (l *lateWork) clear() {
	if l.used > maxIdleResults {
		l.results, l.changes, l.correction = nil, nil, event.Correction{}
	}
	l.used = 0
	l.changes, l.stretches, l.duePlaces = l.changes[:0], l.stretches[:0], l.duePlaces[:0]
}

// stretcher makes stretches out of the balances of two replays.
type stretcher struct {
	out  []event.Stretch
	time event.Time
	diff event.Balances
}

// step takes the balances after something at time t.
func (s *stretcher) step(t event.Time, before, after event.Balances) {
	if t != s.time {
		s.cut()
		s.time = t
	}
	s.diff = event.Balances{
		Balance: after.Balance - before.Balance, Held: after.Held - before.Held, Debt: after.Debt - before.Debt,
	}
}

// cut ends the time that has been stepped through: from it on, diff holds.
func (s *stretcher) cut() {
	n := len(s.out)
	open := n > 0 && s.out[n-1].To == event.NoTime
	if open && s.out[n-1].Balances == s.diff {
		return
	}
	if open {
		s.out[n-1].To = s.time
	}
	if s.diff != (event.Balances{}) {
		s.out = append(s.out, event.Stretch{From: s.time, To: event.NoTime, Balances: s.diff})
	}
}

func (s *stretcher) close() []event.Stretch {
	s.cut()
	return s.out
}
