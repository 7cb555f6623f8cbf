package oracle

import (
	"slices"

	"highwater/pkg/event"
)

// waits reports whether an operation must wait for the one it names. One that
// stands at or behind the watermark doesn't.
func (m *Model) waits(e *event.Event) bool {
	switch e.Kind {
	case event.Refund, event.Capture, event.Release:
		_, known := m.events[name{e.User, e.Ref}]
		return !known && e.EffectiveTime() > m.watermark && m.waitingOf(e.User) < maxWaiting
	}
	return false
}

// maxWaiting is how many operations of one user wait at a time.
const maxWaiting = 1000

func (m *Model) waitingOf(user string) int {
	n := 0
	for i := range m.waiting {
		if m.waiting[i].Event.User == user {
			n++
		}
	}
	return n
}

// wait says that an operation is pending. It moves nothing else.
func (m *Model) wait(t Taken) {
	e := &t.Event
	m.events[name{e.User, e.ID}] = known{event: *e, waiting: true}
	m.waiting = append(m.waiting, t)
	entry := entryOf(&t)
	entry.Result = event.Result{Outcome: event.Pending, Amount: e.Amount}
	entry.Stamp = m.stamp(&m.seqs.entries)
	m.out.Entries = append(m.out.Entries, entry)
}

// stopWaiting takes out those that wait no longer, in the order of events.
func (m *Model) stopWaiting(no func(*Taken) bool) []Taken {
	var out, still []Taken
	for _, t := range m.waiting {
		if no(&t) {
			out = append(out, t)
		} else {
			still = append(still, t)
		}
	}
	m.waiting = still
	slices.SortFunc(out, func(a, b Taken) int { return a.Place().Compare(b.Place()) })
	return out
}

// decideWaiting decides what waited for an event.
func (m *Model) decideWaiting(e *event.Event) {
	for _, t := range m.stopWaiting(func(t *Taken) bool { return t.Event.User == e.User && t.Event.Ref == e.ID }) {
		m.enter(t, 1)
	}
}

// giveUp takes in, as rejected, what waits at or behind the watermark.
func (m *Model) giveUp() []line {
	var lines []line
	for _, t := range m.stopWaiting(func(t *Taken) bool { return t.Event.EffectiveTime() <= m.watermark }) {
		t.Rejected = event.UnknownReference
		m.events[name{t.Event.User, t.Event.ID}] = known{event: t.Event, rejected: true}
		a := m.account(t.Event.User, t.Event.Asset)
		a.take(t)
		lines = append(lines, line{a, a.item(t.Place())})
	}
	return lines
}
