package event

import (
	"cmp"
	"strings"
)

// Place is where an event or a due item stands in the order of a user's
// events. The zero Place is before everything.
type Place struct {
	Time     Time
	Sequence int64
	// ID is the event's id; for due items the grant's or hold's.
	ID string
	// From tells apart incoming transfers whose senders chose the same id.
	From string
	// Due orders what falls due at a time before the events of that time.
	Due  Due
	Rank uint8
}

// Due is the class of a Place: which kind of due item, or an event.
type Due uint8

// The classes in their order at one time.
const (
	DueHold Due = iota
	DueExpiry
	DueActivation
	AnEvent
	// AfterAll stands behind every event of its time.
	AfterAll
)

// Compare is negative, zero or positive as p is before, at or after q.
func (p Place) Compare(q Place) int {
	switch {
	case p.Time != q.Time:
		return cmp.Compare(p.Time, q.Time)
	case p.Due != q.Due:
		return cmp.Compare(p.Due, q.Due)
	case p.Sequence != q.Sequence:
		return cmp.Compare(p.Sequence, q.Sequence)
	case p.Rank != q.Rank:
		return cmp.Compare(p.Rank, q.Rank)
	case p.ID != q.ID:
		return strings.Compare(p.ID, q.ID)
	}
	return strings.Compare(p.From, q.From)
}

// Before reports whether p stands before q.
func (p Place) Before(q Place) bool {
	if p.Time != q.Time {
		return p.Time < q.Time
	}
	return p.Compare(q) < 0
}

// EndOf is the place after everything that happens at t.
func EndOf(t Time) Place { return Place{Time: t, Due: AfterAll} }

// Kind is the due item's kind; NoKind for events.
func (d Due) Kind() Kind {
	switch d {
	case DueHold:
		return HoldExpired
	case DueExpiry:
		return Expired
	case DueActivation:
		return Activated
	}
	return NoKind
}
