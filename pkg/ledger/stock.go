package ledger

import (
	"slices"
	"sort"

	"highwater/pkg/event"
)

// The usable grants of a busy account are many, and change at both ends: what
// is drawn goes at the front. So what goes in or out moves the shorter side,
// into the room that the front has left.

// manyGrants is from where on it is worth while to make room in front.
const manyGrants = 64

// find is where a usable grant stands, or would.
func (a *Account) find(g Grant) (i int, found bool) {
	usable := a.Usable()
	i = sort.Search(len(usable), func(k int) bool { return drawnBefore(usable[k], g) >= 0 })
	return i, i < len(usable) && drawnBefore(usable[i], g) == 0
}

// put puts a grant before the i-th usable one.
func (a *Account) put(i int, g Grant) {
	n := len(a.Usable())
	inFront := 2*i < n
	switch {
	case inFront && a.front == 0 && n >= manyGrants:
		// Many come in front, as of a hold that is given back.
		room := make([]Grant, n/2+n, 2*n)
		copy(room[n/2:], a.room)
		a.room, a.front = room, n/2
	case !inFront && len(a.room) == cap(a.room) && a.front > n/8:
		// All move to the front once, and many go in behind before they do again.
		a.refill(a.Usable())
	}
	if inFront && a.front > 0 {
		a.front--
		usable := a.Usable()
		copy(usable[:i], usable[1:i+1])
		usable[i] = g
		return
	}
	a.room = slices.Insert(a.room, a.front+i, g)
}

// cut takes the usable grants [i, j) away.
func (a *Account) cut(i, j int) {
	usable := a.Usable()
	if i > len(usable)-j {
		a.room = slices.Delete(a.room, a.front+i, a.front+j)
		return
	}
	copy(usable[j-i:j], usable[:i])
	clear(usable[:j-i])
	a.front += j - i
}

// refill makes the usable grants copies of others, in the memory there is.
func (a *Account) refill(grants []Grant) {
	was := a.room
	a.room, a.front = append(a.room[:0], grants...), 0
	clear(was[min(len(grants), len(was)):])
}

// soonest yields for each priority the usable grants from the one on that
// expires first, and the index of that.
func (a *Account) soonest(yield func(i int, rest []Grant) bool) {
	usable := a.Usable()
	for i := 0; i < len(usable); {
		rest := usable[i:]
		priority := rest[0].Priority
		if !yield(i, rest) || rest[len(rest)-1].Priority == priority {
			return
		}
		i += sort.Search(len(rest), func(k int) bool { return rest[k].Priority > priority })
	}
}

// nextExpiry is the index of the usable grant that expires next at the due
// time, -1 where none does.
func (a *Account) nextExpiry() int {
	next, id := -1, ""
	for i, rest := range a.soonest {
		for k := 0; k < len(rest) && rest[k].ExpiresAt == a.due; k++ {
			if next < 0 || rest[k].ID < id {
				next, id = i+k, rest[k].ID
			}
		}
	}
	return next
}

func (a *Account) dueBy(t event.Time) {
	if a.due == 0 || t < a.due {
		a.due = t
	}
}

func (a *Account) findDue() {
	a.due = never
	for _, rest := range a.soonest {
		if t := rest[0].ExpiresAt; t != event.NoTime && t < a.due {
			a.due = t
		}
	}
	if a.rare == nil {
		return
	}
	for i := range a.holds {
		if h := &a.holds[i]; len(h.Pieces) > 0 && h.ExpiresAt != event.NoTime && h.ExpiresAt < a.due {
			a.due = h.ExpiresAt
		}
	}
	if len(a.future) > 0 && a.future[0].EffectiveAt < a.due {
		a.due = a.future[0].EffectiveAt
	}
}
