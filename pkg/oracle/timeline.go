package oracle

import (
	"slices"
	"sort"

	"highwater/pkg/event"
)

// Taken is one event that made an entry, with what was decided about it when
// it arrived. The replay takes those decisions as given.
type Taken struct {
	Event event.Event
	// Rejected is why it was rejected, or a place refused by a risk rule;
	// NoCode for all others.
	Rejected event.Code
	// Amount is what an accepted refund, capture or release is about, whether
	// or not the event gave one.
	Amount event.Amount
	// Policy is the asset's policy that was in force.
	Policy event.Policy
	// Remittance is what a transfer brought; nil for everything else. Event
	// then says of it what an event can.
	Remittance *event.Remittance
	// Input and ArrivedAt play no part in a replay.
	Input     event.Position
	ArrivedAt event.Time
}

// TakenRemittance is what a transfer brings its receiver.
func TakenRemittance(r *event.Remittance) Taken {
	t := Taken{Remittance: r, Input: r.Input, ArrivedAt: r.ArrivedAt}
	t.Event.Clear()
	e := &t.Event
	e.ID, e.User, e.Asset, e.Kind = r.EventID, r.To, r.Asset, event.Received
	e.OccurredAt, e.Sequence, e.Amount = r.OccurredAt, r.Sequence, r.Amount()
	return t
}

// Place is where it stands among its user's events.
func (t *Taken) Place() event.Place {
	if t.Remittance != nil {
		return t.Remittance.Place()
	}
	return t.Event.Place()
}

// Asset is the account that the event belongs to: "" for orders.
func (t *Taken) Asset() string {
	if t.Event.Kind.IsOrder() {
		return ""
	}
	return t.Event.Asset
}

// Item is one event or due item of a timeline and what it did there.
type Item struct {
	Place event.Place
	Kind  event.Kind
	// ID is the event's id, for what a transfer brought the sender's event; for
	// a due item its kind, "/" and the grant's or hold's id.
	ID string
	// Taken is nil for a due item.
	Taken  *Taken
	Result event.Result
}

// Timeline is the replay of one account: a user's asset, or a user's orders.
type Timeline struct {
	Items []Item
	// Live are the orders that are live at the end, in the order they were
	// placed, and Tallies what happened to orders in each window. Both are
	// empty for credits.
	Live    []Order
	Tallies map[Window]event.Tally
}

// Step is the account from a time on.
type Step struct {
	At event.Time
	event.Balances
}

// UpTo are the items at or before a place.
func (t *Timeline) UpTo(p event.Place) []Item {
	n := sort.Search(len(t.Items), func(i int) bool { return p.Before(t.Items[i].Place) })
	return t.Items[:n]
}

// BalanceAt is the account after everything that happens at a time; false
// before its first entry.
func (t *Timeline) BalanceAt(at event.Time) (event.Balances, bool) {
	items := t.UpTo(event.EndOf(at))
	if len(items) == 0 {
		return event.Balances{}, false
	}
	return items[len(items)-1].Result.After, true
}

// Steps is the account as a function of time, as far as a place: one step for
// each time at which it becomes another. Before the first step it is zero.
func (t *Timeline) Steps(p event.Place) []Step {
	var steps []Step
	for _, it := range t.UpTo(p) {
		steps = append(steps, Step{it.Place.Time, it.Result.After})
	}
	return plain(steps)
}

// plain keeps of several steps at one time the last, and of steps that change
// nothing none.
func plain(steps []Step) []Step {
	var out []Step
	last := event.Balances{}
	for i, s := range steps {
		if i+1 < len(steps) && steps[i+1].At == s.At || s.Balances == last {
			continue
		}
		out = append(out, s)
		last = s.Balances
	}
	return out
}

// History is the replay of everything one user did.
type History struct {
	// Credits are the user's assets by name.
	Credits map[string]*Timeline
	Orders  *Timeline
}

// Replay sorts everything that was taken of one user by place and replays it
// from zero. An error names the item at which the credits don't add up, or
// the event that can't be replayed.
func Replay(taken []Taken) (*History, error) {
	byAsset := map[string][]Taken{}
	for _, t := range taken {
		byAsset[t.Asset()] = append(byAsset[t.Asset()], t)
	}
	h := &History{Credits: map[string]*Timeline{}, Orders: &Timeline{}}
	for asset, own := range byAsset {
		if asset == "" {
			h.Orders = ReplayOrders(own)
			continue
		}
		line, err := ReplayCredits(own)
		if err != nil {
			return nil, err
		}
		h.Credits[asset] = line
	}
	return h, nil
}

// inOrder sorts items-to-be by place.
func inOrder(moments []moment) {
	slices.SortFunc(moments, func(a, b moment) int { return a.place.Compare(b.place) })
}

// moment is a place at which something may happen: an event, or what falls
// due of a grant or a hold.
type moment struct {
	place event.Place
	taken *Taken
	grant *grant
	hold  *Taken
}
