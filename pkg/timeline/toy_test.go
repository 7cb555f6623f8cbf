package timeline_test

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"highwater/pkg/event"
)

// toy is a small machine in which the order of everything shows: a number
// that each op and each due item stirs. A grant sets a timer, of which some
// ring twice; a revoke forgets all, so that replays can agree again.
type toy struct {
	number int64
	timers []timer
}

type timer struct {
	place event.Place
	stir  int64
	twice bool
}

func (m *toy) CopyFrom(o *toy) {
	m.number, m.timers = o.number, append(m.timers[:0], o.timers...)
}

func (m *toy) Equal(o *toy) bool { return m.number == o.number && slices.Equal(m.timers, o.timers) }

// Weight makes states with many timers large, so that their checkpoints stand
// further apart.
func (m *toy) Weight() int { return len(m.timers) * 3000 }

func (m *toy) NextDue() (event.Place, bool) {
	if len(m.timers) == 0 {
		return event.Place{}, false
	}
	return m.timers[0].place, true
}

func (m *toy) DueTime() event.Time {
	if len(m.timers) == 0 {
		return 1<<63 - 1
	}
	return m.timers[0].place.Time
}

func (m *toy) Due(r *event.Result) {
	first := m.timers[0]
	m.timers = slices.Delete(m.timers, 0, 1)
	if first.twice {
		first.place.Time += 2
		first.twice = false
		m.set(first)
	}
	m.stir(first.stir, r)
}

func (m *toy) Apply(op *event.Placed, r *event.Result) {
	switch op.Kind {
	case event.Grant:
		m.set(timer{event.Place{Time: op.ExpiresAt(), Due: event.DueExpiry, ID: op.ID}, int64(op.Amount), op.Amount%3 == 0})
	case event.Revoke:
		m.number, m.timers = 0, m.timers[:0]
	}
	m.stir(int64(op.Amount), r)
}

func (m *toy) set(t timer) {
	i, _ := slices.BinarySearchFunc(m.timers, t, func(a, b timer) int { return a.place.Compare(b.place) })
	m.timers = slices.Insert(m.timers, i, t)
}

func (m *toy) stir(by int64, r *event.Result) {
	m.number = (m.number*3 + by) % 97
	r.Outcome, r.Amount, r.After.Balance = event.Applied, event.Amount(m.number), m.number
	r.Slices = append(r.Slices, event.Slice{GrantID: "number", Amount: event.Amount(m.number)})
}

func (m *toy) String() string { return fmt.Sprintf("%d with %d timers", m.number, len(m.timers)) }

// done is one thing that a replay did.
type done struct {
	place  event.Place
	op     *event.Placed
	result event.Result
	state  toy
}

// naive replays everything up to and including end from zero.
func naive(ops []event.Placed, end event.Place) []done {
	var m toy
	var all []done
	for i := 0; ; {
		d := done{result: event.Result{Amount: event.NoAmount}}
		due, ok := m.NextDue()
		switch {
		case ok && (i == len(ops) || due.Before(ops[i].Place())):
			d.place = due
		case i < len(ops):
			d.op, d.place = &ops[i], ops[i].Place()
		default:
			return all
		}
		if end.Before(d.place) {
			return all
		}
		if d.op == nil {
			m.Due(&d.result)
		} else {
			m.Apply(d.op, &d.result)
			i++
		}
		d.state.CopyFrom(&m)
		all = append(all, d)
	}
}

// stateAt is the state after everything up to and including a place.
func stateAt(ops []event.Placed, place event.Place) toy {
	if all := naive(ops, place); len(all) > 0 {
		return all[len(all)-1].state
	}
	return toy{}
}

// makeOp makes up an op at a time.
func makeOp(t *rapid.T, id string, at event.Time) event.Placed {
	op := event.Placed{
		ID: id, Time: at, Sequence: int64(rapid.IntRange(-1, 1).Draw(t, "sequence")),
		Kind:   rapid.SampledFrom([]event.Kind{event.Subtract, event.Subtract, event.Grant, event.Grant, event.Revoke}).Draw(t, "kind"),
		Amount: event.Amount(rapid.IntRange(0, 20).Draw(t, "amount")),
	}
	if op.Kind == event.Grant {
		d := op.Details()
		d.ExpiresAt = at + event.Time(rapid.IntRange(1, 8).Draw(t, "timer"))
		op = op.With(d)
	}
	return op
}

func byPlace(a, b event.Placed) int { return a.Place().Compare(b.Place()) }
