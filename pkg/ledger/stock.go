package ledger

import (
	"slices"
	"sort"

	"highwater/pkg/event"
)

// The usable grants of a busy account are many, and change at both ends: what
// is drawn goes at the front. So what goes in or out moves the shorter side,
// into the room that the front has left; room is the whole of the memory that
// usable lies in.

// manyGrants is from where on it is worth while to make room in front.
const manyGrants = 64

// before is how many grants there is room for before the usable ones.
func (a *Account) before() int { return max(0, cap(a.room)-cap(a.usable)) }

// put puts a grant before the i-th usable one.
func (a *Account) put(i int, g Grant) {
	n, free := len(a.usable), a.before()
	inFront := 2*i < n
	switch {
	case inFront && free == 0 && n >= manyGrants:
		// Many come in front, as of a hold that is given back.
		free = n / 2
		room := make([]Grant, 2*n)
		copy(room[free:], a.usable)
		a.room, a.usable = room[:0], room[free:free+n]
	case !inFront && n == cap(a.usable) && free > n/8:
		// All move to the front once, and many go in behind before they do again.
		copy(a.room[:n], a.usable)
		clear(a.room[n : n+free])
		a.usable = a.room[:n]
	}
	if inFront && free > 0 {
		a.usable = a.room[free-1 : free+n]
		copy(a.usable[:i], a.usable[1:i+1])
		a.usable[i] = g
		return
	}
	grows := n == cap(a.usable)
	if a.usable = slices.Insert(a.usable, i, g); grows {
		a.room = a.usable[:0]
	}
}

// cut takes the usable grants [i, j) away.
func (a *Account) cut(i, j int) {
	if i > len(a.usable)-j || cap(a.room) == 0 {
		a.usable = slices.Delete(a.usable, i, j)
		return
	}
	copy(a.usable[j-i:j], a.usable[:i])
	clear(a.usable[:j-i])
	a.usable = a.usable[j-i:]
}

// refill makes the usable grants copies of others, in the memory there is.
func (a *Account) refill(grants []Grant) {
	a.usable = append(a.room[:0], grants...)
	a.room = a.usable[:0]
}

// soonest yields for each priority the index of the usable grant that expires
// first.
func (a *Account) soonest(yield func(i int) bool) {
	for i := 0; i < len(a.usable); {
		if !yield(i) {
			return
		}
		priority := a.usable[i].Priority
		rest := a.usable[i:]
		i += sort.Search(len(rest), func(k int) bool { return rest[k].Priority > priority })
	}
}

// nextExpiry is the index of the usable grant that expires next at the due
// time, -1 where none does.
func (a *Account) nextExpiry() int {
	next := -1
	for i := range a.soonest {
		for ; i < len(a.usable) && a.usable[i].ExpiresAt == a.due; i++ {
			if next < 0 || a.usable[i].ID < a.usable[next].ID {
				next = i
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
	for i := range a.soonest {
		if t := a.usable[i].ExpiresAt; t != event.NoTime && t < a.due {
			a.due = t
		}
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
