package oracle

import "highwater/pkg/event"

// account is what a Model knows of one (user, asset), or of one user's orders
// (asset "").
type account struct {
	user, asset string
	taken       []Taken // in the order in which they were decided
	line        *Timeline
	// head is the newest place about which something was said.
	head event.Place
	// marks are facts of an item's arrival.
	marks map[event.Place]marks
	// settled are the items that were settled, by once.
	settled map[event.Place]bool

	// cause is the watermark in force when something was last said; it counts
	// where touched, which a commit clears.
	touched bool
	cause   event.Time
	// balances counts the balance records.
	balances int64
}

// marks are what an entry says that doesn't follow from a replay.
type marks struct {
	late, afterFinal bool
	revision         int32
}

func newAccount(user, asset string) *account {
	return &account{
		user: user, asset: asset, line: &Timeline{},
		marks: map[event.Place]marks{}, settled: map[event.Place]bool{},
	}
}

// take replays the account with one more event, and gives the replay without.
func (a *account) take(t Taken) (before *Timeline) {
	before = a.line
	a.taken = append(a.taken, t)
	if a.asset == "" {
		a.line = ReplayOrders(a.taken)
		return before
	}
	line, err := ReplayCredits(a.taken)
	if err != nil {
		panic("oracle: I2: " + a.user + "/" + a.asset + ": " + err.Error())
	}
	a.line = line
	return before
}

// item is what the replay says about the event at a place.
func (a *account) item(place event.Place) Item {
	for _, it := range a.line.Items {
		if it.Place == place {
			return it
		}
	}
	panic("oracle: I1: the replay left out event " + place.ID)
}

// entry is the record about an item, without its stamp.
func (a *account) entry(it *Item) event.Entry {
	e := event.Entry{
		EventID: it.ID, UserID: a.user, Asset: a.asset, Kind: it.Kind,
		OccurredAt: it.Place.Time, EffectiveAt: it.Place.Time, ArrivedAt: event.NoTime,
	}
	if it.Taken != nil {
		e = entryOf(it.Taken)
	}
	m := a.marks[it.Place]
	e.Result, e.Late, e.AfterFinal, e.Revision = it.Result, m.late, m.afterFinal, m.revision
	return e
}

// entryOf is the part of an event's entry that the event says itself.
func entryOf(t *Taken) event.Entry {
	e := event.Entry{
		EventID: t.Event.ID, UserID: t.Event.User, Asset: t.Asset(), Kind: t.Event.Kind,
		OccurredAt: t.Event.OccurredAt, EffectiveAt: t.Place().Time, ArrivedAt: t.ArrivedAt, Input: t.Input,
	}
	switch t.Event.Kind {
	case event.Transfer:
		e.Counterparty = t.Event.To
	case event.Received:
		e.Counterparty = t.Remittance.From
	}
	return e
}

// unsaid are the due items after the newest thing said and before a place.
func (a *account) unsaid(before event.Place) []Item {
	said := len(a.line.UpTo(a.head))
	var due []Item
	for _, it := range a.line.Items[said:] {
		if it.Taken == nil && it.Place.Before(before) {
			due = append(due, it)
		}
	}
	return due
}

// unsettled are the items at or before a watermark that were never settled.
func (a *account) unsettled(watermark event.Time) []Item {
	var items []Item
	for _, it := range a.line.UpTo(event.EndOf(watermark)) {
		if !a.settled[once(it.Place)] {
			items = append(items, it)
		}
	}
	return items
}

// once is what an item is settled by: an expiry that moves to another time
// isn't settled there again.
func once(p event.Place) event.Place {
	if p.Due != event.AnEvent {
		p.Time = 0
	}
	return p
}

// atHead is the account as it was last said.
func (a *account) atHead() event.Balances {
	items := a.line.UpTo(a.head)
	if len(items) == 0 {
		return event.Balances{}
	}
	return items[len(items)-1].Result.After
}

// nextChange is when the first due item after the newest thing said happens.
func (a *account) nextChange() event.Time {
	for _, it := range a.line.Items[len(a.line.UpTo(a.head)):] {
		if it.Taken == nil {
			return it.Place.Time
		}
	}
	return event.NoTime
}
