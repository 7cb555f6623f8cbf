package engine

import (
	"iter"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
)

// replay steps through an account's events and due items, in their order, up
// to and including a place.
type replay struct {
	v       *View
	account *Account
	end     event.Place
	// known leaves out what was processed later.
	known  event.Time
	events *rowList
	// op is the event to come, if more is true.
	op   event.Placed
	more bool

	state ledger.Account
	// What the last step did: at which place, by which event (nil for a due
	// item), and what became of it.
	place  event.Place
	did    *event.Placed
	done   event.Placed
	result event.Result
}

// replay begins at the newest checkpoint before start; from is its place, zero
// for the beginning.
func (v *View) replay(a *Account, start, end event.Place) (r *replay, from event.Place) {
	from, state := v.e.checkBefore(&a.head, start)
	r = &replay{v: v, account: a, end: end, known: always}
	r.state.CopyFrom(state)
	first := appendNumbered(nil, keyEvent, a.number)
	if from != (event.Place{}) {
		first = after(appendPlaced(nil, keyEvent, a.number, from))
	}
	r.begin(first)
	return r, from
}

// replayKnown begins at the very beginning and sees only what was processed
// by a time.
func (v *View) replayKnown(a *Account, end event.Place, known event.Time) *replay {
	r := &replay{v: v, account: a, end: end, known: known}
	r.state.CopyFrom(&ledger.Account{})
	r.begin(appendNumbered(nil, keyEvent, a.number))
	return r
}

func (r *replay) begin(first []byte) {
	r.events = r.v.read(first, eventsTo(r.account.number, r.end), false)
	r.pull()
}

// pull brings the next event.
func (r *replay) pull() {
	for {
		if r.more = r.events.next() && r.v.event(r.events, &r.op); !r.more || r.op.ProcessedAt <= r.known {
			return
		}
	}
}

// step does what comes next; false at the end.
func (r *replay) step() bool {
	r.result.Reset()
	if !r.more || r.state.DueTime() <= r.op.Time {
		place, ok := r.state.NextDue()
		if !ok || r.end.Before(place) {
			return false // an event to come would stand behind it, and the end too
		}
		r.place, r.did = place, nil
		r.state.Due(&r.result)
		return true
	}
	r.done = r.op
	r.place, r.did = r.done.Place(), &r.done
	r.state.Apply(&r.done, &r.result)
	r.pull()
	return true
}

// Standing is an account at one time, after everything that happens then.
type Standing struct {
	// Entered is false before the account's first entry, by place.
	Entered bool
	State   ledger.Account
	// Newest is where the newest event in it came from, by place.
	Newest event.Position
	// Known is what later was left out of it, if anything was: what was
	// processed after that time.
	Known event.Time

	end event.Place
	// made are the amounts of the restored grants that the replay made; of all
	// where something was left out.
	made map[string]event.Amount
}

// Amount is what a grant was when it was made, given how it came to be.
func (s *Standing) Amount(g *Grant) event.Amount {
	if amount, made := s.made[g.ID]; made {
		return amount
	}
	return g.Amount
}

// Standing is an asset at a time, past or to come: what is known to fall due
// until then has happened.
func (v *View) Standing(a *Account, at event.Time) Standing {
	end := event.EndOf(at)
	r, from := v.replay(a, end, end)
	s := v.standing(r)
	if from != (event.Place{}) {
		s.Entered = true
		var op event.Placed
		if s.Newest == (event.Position{}) && v.eventAt(a.number, from, &op) {
			s.Newest = v.position(&op)
		}
	}
	return s
}

// StandingKnown is Standing as it was answered at an earlier time: without
// what was processed later. It replays the account from its first event. (A
// revoke counts as knowing its grant also where that came later: without the
// grant it does nothing.)
func (v *View) StandingKnown(a *Account, at, known event.Time) Standing {
	return v.standing(v.replayKnown(a, event.EndOf(at), known))
}

func (v *View) standing(r *replay) (s Standing) {
	s.Known, s.end = r.known, r.end
	for r.step() {
		s.Entered = true
		s.noteRestored(r)
		if r.did != nil {
			s.Newest = v.position(r.did)
		}
	}
	s.State = r.state
	s.State.DropBare(r.end.Time)
	return s
}

// noteRestored remembers the grants that the last step of a replay restored.
func (s *Standing) noteRestored(r *replay) {
	if r.did != nil && r.did.Kind != event.Refund && r.did.Kind != event.Release || r.did == nil && r.place.Due != event.DueHold {
		return
	}
	for i := range r.result.Slices {
		slice := &r.result.Slices[i]
		if n, ok := strings.CutPrefix(slice.GrantID, givenBackAs(r)); ok && isNumber(n) {
			if s.made == nil {
				s.made = map[string]event.Amount{}
			}
			s.made[slice.GrantID] = slice.Amount
		}
	}
}

// givenBackAs is what the ids begin with of the grants that the last step of a
// replay restored.
func givenBackAs(r *replay) string {
	if r.did == nil {
		return dueID(r.place) + "/"
	}
	return r.did.ID + "/"
}

// Step is what an asset is from a time on.
type Step struct {
	At event.Time
	event.Balances
	// Moved is false where what happened then left the balances as they were.
	Moved bool
}

// Steps are the times from a time on at which something happens to an asset,
// those to come that are known already included.
func (v *View) Steps(a *Account, from event.Time) iter.Seq[Step] {
	return func(yield func(Step) bool) {
		r, _ := v.replay(a, event.Place{Time: from}, event.EndOf(event.MaxTime))
		before := r.state.Balances()
		var s Step
		open := false
		for r.step() {
			if r.place.Time < from {
				before = r.state.Balances()
				continue
			}
			if open && r.place.Time != s.At {
				if !yield(s) {
					return
				}
				before = s.Balances
			}
			open = true
			s = Step{At: r.place.Time, Balances: r.state.Balances()}
			s.Moved = s.Balances != before
		}
		if open {
			yield(s)
		}
	}
}
