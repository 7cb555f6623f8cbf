package ingest

import (
	"highwater/pkg/event"
)

// maxEarly bounds what is remembered of sightings that came before the
// position they must have.
const maxEarly = 64

// waiter is one caller who waits for the outcome of one event.
//
// Sightings are told apart by position, which is known only once Kafka has
// acknowledged the event; its outcome may be read before. So what comes
// earlier is kept until then.
type waiter struct {
	follower *follower
	user, id string
	// of is what reads for this waiter, since before the event was handed to
	// Kafka; nil where nothing does (I7).
	of *followed
	// done is closed when outcome is set.
	done chan struct{}
	// repeated is closed when other is set: the event was probably there before.
	repeated chan struct{}

	// These are guarded by the follower's mu. position is where the event is;
	// zero until it is known. first is where another one of the same id and
	// content is that still waits to be decided; zero if there is none.
	outcome  *outcome
	position event.Position
	first    event.Position
	// early are the sightings before position was known; missed says that there
	// were more.
	early  []outcome
	missed bool
	// other is the last decided entry of the same id at another position.
	other *outcome
}

func newWaiter(f *follower, user, id string) *waiter {
	return &waiter{follower: f, user: user, id: id, done: make(chan struct{}), repeated: make(chan struct{})}
}

// sees takes a sighting: an entry of the waiter's user and event, or a dead
// letter of its user. REQUIRES: follower.mu.
func (w *waiter) sees(o *outcome) {
	switch {
	case w.outcome != nil || o.pending:
	case w.position == (event.Position{}):
		if len(w.early) == maxEarly {
			w.missed = true
			return
		}
		w.early = append(w.early, *o)
	case o.at == w.position, !o.isLetter() && o.at == w.first:
		w.outcome = o
		close(w.done)
	case !o.isLetter():
		if w.other == nil {
			close(w.repeated)
		}
		w.other = o
	}
}

// recorded tells where the event is.
func (w *waiter) recorded(at event.Position) {
	w.follower.mu.Lock()
	defer w.follower.mu.Unlock()
	w.position = at
	for i := range w.early {
		w.sees(&w.early[i])
	}
	w.early = nil
}

// repeats says that the event is there already, at another position, and
// waits to be decided. REQUIRES: no dead letter is of this waiter's position.
func (w *waiter) repeats(first event.Position) {
	w.follower.mu.Lock()
	defer w.follower.mu.Unlock()
	w.first = first
	if w.other != nil && w.other.at == first {
		w.sees(w.other)
	}
}

// learns takes an outcome that somebody else found, unless there is one.
func (w *waiter) learns(o *outcome) {
	w.follower.mu.Lock()
	defer w.follower.mu.Unlock()
	if w.outcome == nil {
		w.outcome = o
		close(w.done)
	}
}

// isDone reports whether there is an outcome.
func (w *waiter) isDone() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// isBlind reports whether a sighting may have been missed. REQUIRES:
// follower.mu.
func (w *waiter) isBlind() bool { return w.of == nil || !w.of.live || w.missed }
