package engine

import (
	"iter"
	"strconv"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
)

// Grants are what remains of an asset's grants: usable ones in the order in
// which they are drawn, then future ones in the order in which they activate.
func (s *Standing) Grants() iter.Seq2[bool, *ledger.Grant] {
	return func(yield func(usable bool, g *ledger.Grant) bool) {
		for _, list := range [...]struct {
			usable bool
			grants []ledger.Grant
		}{{true, s.State.Usable()}, {false, s.State.Future()}} {
			for i := range list.grants {
				if !yield(list.usable, &list.grants[i]) {
					return
				}
			}
		}
	}
}

// Grant is how one of a user's grants came to be.
type Grant struct {
	ID string
	// By is the event that made it: a grant, an add, what a transfer brought,
	// or what gave back credits that had expired; for a time-out the hold.
	By         event.Placed
	Amount     event.Amount
	UsableFrom event.Time
	ExpiresAt  event.Time

	number uint64
}

// Granted finds one of a user's grants by its id; a restored one where the
// replay, up to the newest thing said, makes it.
func (v *View) Granted(user, id string) (g Grant, ok bool) {
	number, place, ok := v.named(nameGrant, user, id)
	if !ok {
		return v.restored(user, id)
	}
	g = Grant{ID: id, number: number}
	if !v.eventAt(number, place, &g.By) {
		return g, false
	}
	g.Amount, g.UsableFrom, g.ExpiresAt = g.By.Amount, g.By.UsableFrom(), g.By.ExpiresAt
	if in := g.By.Incoming; in != nil {
		n, err := strconv.Atoi(id[strings.LastIndexByte(id, '/')+1:])
		if err != nil || n >= len(in.Grants) {
			return g, v.ok(errCorruptKey)
		}
		g.Amount, g.ExpiresAt = in.Grants[n].Amount, in.Grants[n].ExpiresAt
	}
	return g, true
}

// restored finds a restored grant in the entry of what gave it back.
func (v *View) restored(user, id string) (g Grant, ok bool) {
	base, by := restoredBase(id)
	if base == "" {
		return g, false
	}
	number, place, ok := v.named(nameEvent, user, by)
	g = Grant{ID: id, number: number}
	if !ok || !v.eventAt(number, place, &g.By) {
		return g, false
	}
	if strings.HasPrefix(base, event.HoldExpired.String()+"/") {
		if place = timeOutOf(&g.By); place.Time == event.NoTime {
			return g, false
		}
	}
	entry, ok := v.entryAt(user, number, place)
	if !ok {
		return g, false
	}
	for i := range entry.Slices {
		if s := &entry.Slices[i]; s.GrantID == id {
			g.Amount, g.UsableFrom, g.ExpiresAt = s.Amount, place.Time, s.ExpiresAt
			return g, true
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
	return event.Place{Time: op.ExpiresAt, Due: event.DueHold, ID: op.ID}
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
