package timeline

import (
	"highwater/pkg/event"
)

// Machine is a state that events and due items change.
type Machine[S any] interface {
	*S
	CopyFrom(*S)
	// Equal reports whether both states answer all that follows alike.
	Equal(*S) bool
	// NextDue is the place of the next thing that happens by itself.
	NextDue() (event.Place, bool)
	// DueTime is the time of NextDue; later than any valid time for none.
	DueTime() event.Time
	// Due performs the next due item.
	Due(*event.Result)
	// Apply performs an event.
	Apply(*event.Placed, *event.Result)
	// Weight is about how many bytes the state has, told at once.
	Weight() int
}

// Edit is one place at which two histories differ: Old is what stands there
// in the first and New in the second, nil for nothing.
type Edit struct {
	Place    event.Place
	Old, New *event.Placed
}

// Step is one place at which at least one of two replays did something.
type Step struct {
	Place event.Place
	// Op is the event there, nil for a due item. Where an edit replaced it,
	// it is the new one.
	Op *event.Placed
	// Edited tells that the place is that of an edit.
	Edited bool
	// Before and After are what the replays without and with the edits say;
	// nil where nothing happens in that replay. They are valid until the next
	// step.
	Before, After *event.Result
}

// Walker steps two replays of one history against each other. It keeps its
// memory between walks.
type Walker[S any, M Machine[S]] struct {
	// Old and New are the states after the step last visited.
	Old, New S

	oldResult, newResult event.Result
	// stop ends the walk after the step being visited.
	stop bool
	edit [1]Edit
	// edits are those that the walk hasn't come to.
	edits []Edit
	// spare is scratch memory.
	spare S
}

// Left are the edits that the walk hasn't come to.
func (w *Walker[S, M]) Left() []Edit { return w.edits }

// Walk replays ops from base twice, without and with the edits (which stand
// in the order of their places), up to and including end, and visits every
// step from the first edit on. It reports how many ops it went through, and
// whether it stopped because the replays agree for good.
func (w *Walker[S, M]) Walk(base *S, ops []event.Placed, edits []Edit, end event.Place, visit func(*Step)) (passed int, agreed bool) {
	w.edits = edits
	M(&w.New).CopyFrom(base)
	led := w.lead(&w.New, ops, edits[0].Place)
	M(&w.Old).CopyFrom(&w.New)
	passed, agreed = w.WalkOn(ops[led:], end, visit)
	return led + passed, agreed
}

// WalkOn goes on with a walk that has come to its end, with the ops behind
// that.
func (w *Walker[S, M]) WalkOn(ops []event.Placed, end event.Place, visit func(*Step)) (passed int, agreed bool) {
	oldState, newState := M(&w.Old), M(&w.New)
	w.stop = false
	i := 0
	var step Step
	for {
		// The next event on either side.
		var op *event.Placed
		var edit *Edit
		opTime := event.Time(1<<63 - 1)
		if i < len(ops) {
			op = &ops[i]
			opTime = op.Time
		}
		if len(w.edits) > 0 && (op == nil || !op.Before(w.edits[0].Place)) {
			edit = &w.edits[0]
			opTime = edit.Place.Time
		}
		if min(oldState.DueTime(), newState.DueTime()) <= opTime {
			// What falls due at a time comes before the events of that time.
			if !w.due(oldState, newState, end, &step) {
				return i, false
			}
			visit(&step)
			if w.stop {
				return i, false
			}
			if len(w.edits) == 0 && oldState.Equal(&w.New) {
				return i, true
			}
			continue
		}
		step = Step{Op: op}
		switch {
		case edit != nil:
			step.Place, step.Edited = edit.Place, true
		case op != nil:
			step.Place = op.Place()
		default:
			return i, false
		}
		if end.Before(step.Place) {
			return i, false
		}
		if op != nil && (edit == nil || op.IsAt(edit.Place)) {
			i++
		}
		oldOp, newOp := op, op
		if edit != nil {
			oldOp, newOp = edit.Old, edit.New
			if step.Op = newOp; newOp == nil {
				step.Op = oldOp
			}
			w.edits = w.edits[1:]
		}
		if oldOp != nil {
			w.oldResult.Reset()
			oldState.Apply(oldOp, &w.oldResult)
			step.Before = &w.oldResult
		}
		if newOp != nil {
			w.newResult.Reset()
			newState.Apply(newOp, &w.newResult)
			step.After = &w.newResult
		}
		visit(&step)
		if w.stop {
			return i, false
		}
		if len(w.edits) == 0 && oldState.Equal(&w.New) {
			return i, true
		}
	}
}

// lead replays the one history up to, not including, the first edit.
func (w *Walker[S, M]) lead(state M, ops []event.Placed, until event.Place) (passed int) {
	for passed < len(ops) && ops[passed].Before(until) {
		w.dueUntil(state, ops[passed].Time)
		w.newResult.Reset()
		state.Apply(&ops[passed], &w.newResult)
		passed++
	}
	if until.Due == event.AnEvent {
		w.dueUntil(state, until.Time)
	}
	return passed
}

func (w *Walker[S, M]) dueUntil(state M, t event.Time) {
	for state.DueTime() <= t {
		w.newResult.Reset()
		state.Due(&w.newResult)
	}
}

// due performs the next due item on the side or sides that have it, unless it
// lies beyond end.
func (w *Walker[S, M]) due(oldState, newState M, end event.Place, step *Step) bool {
	oldPlace, hasOld := oldState.NextDue()
	newPlace, hasNew := newState.NextDue()
	if !hasOld && !hasNew {
		return false
	}
	onOld, onNew := hasOld, hasNew
	if hasOld && hasNew {
		c := oldPlace.Compare(newPlace)
		onOld, onNew = c <= 0, c >= 0
	}
	*step = Step{Place: oldPlace}
	if onNew {
		step.Place = newPlace
	}
	if end.Before(step.Place) {
		return false
	}
	if onOld {
		w.oldResult.Reset()
		oldState.Due(&w.oldResult)
		step.Before = &w.oldResult
	}
	if onNew {
		w.newResult.Reset()
		newState.Due(&w.newResult)
		step.After = &w.newResult
	}
	return true
}
