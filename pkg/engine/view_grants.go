package engine

import (
	"iter"
	"strconv"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
)

// GrantState says whether a grant may be drawn.
type GrantState uint8

// The states.
const (
	// UsableGrant may be drawn, FutureGrant from a time to come on.
	UsableGrant GrantState = iota
	FutureGrant
	// HeldGrant may not be drawn, but holds still have a part of it.
	HeldGrant
)

var grantStateNames = [...]string{"usable", "future", "held"}

// String is the state's name in answers.
func (s GrantState) String() string { return grantStateNames[s] }

// GrantLeft is what there is of a grant: Remaining may be drawn, Held is set
// aside by holds.
type GrantLeft struct {
	ledger.Grant
	Held  event.Amount
	State GrantState
}

// Grants are what there is of an asset's grants: usable ones in the order in
// which they are drawn, then future ones in the order in which they activate,
// then those of which holds alone have something, by hold.
func (s *Standing) Grants() iter.Seq[GrantLeft] {
	return func(yield func(GrantLeft) bool) {
		held := s.heldOf()
		for _, list := range [...]struct {
			state  GrantState
			grants []ledger.Grant
		}{{UsableGrant, s.State.Usable()}, {FutureGrant, s.State.Future()}} {
			for i := range list.grants {
				g := &list.grants[i]
				if !yield(GrantLeft{Grant: *g, Held: held[g.ID], State: list.state}) {
					return
				}
				delete(held, g.ID)
			}
		}
		for _, h := range s.State.Holds() {
			for _, g := range h.Pieces {
				amount, more := held[g.ID]
				if !more {
					continue
				}
				delete(held, g.ID)
				g.Remaining = 0
				if !yield(GrantLeft{Grant: g, Held: amount, State: HeldGrant}) {
					return
				}
			}
		}
	}
}

// heldOf is what holds have of each grant.
func (s *Standing) heldOf() map[string]event.Amount {
	held := map[string]event.Amount{}
	for _, h := range s.State.Holds() {
		for i := range h.Pieces {
			held[h.Pieces[i].ID] += h.Pieces[i].Remaining
		}
	}
	return held
}

// Grant is how one of a user's grants came to be.
type Grant struct {
	ID string
	// By is the event that made it: a grant, an add, what a transfer brought,
	// or what gave back credits that had expired; for a time-out the hold.
	By event.Placed
	// Restored is that it stands for a grant that had expired.
	Restored   bool
	Amount     event.Amount
	UsableFrom event.Time
	ExpiresAt  event.Time

	number uint64
}

// MadeBy is the event or due item that made the grant: its id and kind.
func (g *Grant) MadeBy() (id string, kind event.Kind) {
	if g.By.Kind == event.Hold {
		return dueID(timeOutOf(&g.By)), event.HoldExpired
	}
	return g.By.ID, g.By.Kind
}

// Granted finds one of a user's grants by its id; a restored one where the
// replay makes it, in times to come too.
func (v *View) Granted(user, id string) (g Grant, ok bool) {
	number, place, ok := v.named(nameGrant, user, id)
	if !ok {
		return v.restored(user, id)
	}
	g = Grant{ID: id, number: number}
	if !v.eventAt(number, place, &g.By) {
		return g, false
	}
	g.Amount, g.UsableFrom, g.ExpiresAt = g.By.Amount, g.By.UsableFrom(), g.By.ExpiresAt()
	if in := g.By.Incoming(); in != nil {
		n, err := strconv.Atoi(id[strings.LastIndexByte(id, '/')+1:])
		if err != nil || n >= len(in.Grants) {
			return g, v.ok(errCorruptKey)
		}
		g.Amount, g.ExpiresAt = in.Grants[n].Amount, in.Grants[n].ExpiresAt
	}
	return g, true
}

// restored finds a restored grant in what a replay says of what gave it back,
// past or to come.
func (v *View) restored(user, id string) (g Grant, ok bool) {
	by, timeOut := restoredBy(id)
	if by == "" {
		return g, false
	}
	number, place, ok := v.named(nameEvent, user, by)
	g = Grant{ID: id, Restored: true, number: number}
	if !ok || !v.eventAt(number, place, &g.By) {
		return g, false
	}
	if timeOut {
		place = timeOutOf(&g.By)
	}
	if place.Time == event.NoTime || g.By.Kind == event.Hold && place.Due != event.DueHold {
		return g, false
	}
	a, ok := v.numbered(user, number)
	if !ok {
		return g, v.ok(errCorruptKey)
	}
	r, _ := v.replay(&a, place, place)
	for r.step() {
		if r.place != place {
			continue
		}
		for i := range r.result.Slices {
			if s := &r.result.Slices[i]; s.GrantID == id {
				g.Amount, g.UsableFrom, g.ExpiresAt = s.Amount, place.Time, s.ExpiresAt
				return g, true
			}
		}
	}
	return g, false
}

// timeOutOf is the place of a hold's time-out; its time is event.NoTime where
// there is none.
func timeOutOf(op *event.Placed) event.Place {
	if op.Kind != event.Hold {
		return event.Place{Time: event.NoTime}
	}
	return event.Place{Time: op.ExpiresAt(), Due: event.DueHold, ID: op.ID}
}

// dueEntry finds a due item by the grant or hold that it is about.
func (v *View) dueEntry(user, kind, ref string) (*event.Entry, bool) {
	due := event.Place{Time: event.NoTime, ID: ref}
	var number uint64
	switch kind {
	case event.Expired.String():
		if g, ok := v.Granted(user, ref); ok {
			number, due.Due, due.Time = g.number, event.DueExpiry, g.ExpiresAt
		}
	case event.Activated.String():
		if g, ok := v.Granted(user, ref); ok {
			number, due.Due, due.Time = g.number, event.DueActivation, g.UsableFrom
		}
	case event.HoldExpired.String():
		n, place, ok := v.named(nameEvent, user, ref)
		var op event.Placed
		if ok && v.eventAt(n, place, &op) {
			number, due = n, timeOutOf(&op)
		}
	}
	if due.Time == event.NoTime {
		return nil, false
	}
	return v.entryAt(user, number, due)
}
