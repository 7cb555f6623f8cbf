package oracle

import (
	"fmt"
	"slices"
	"strings"

	"highwater/pkg/event"
)

// grant is one grant while its account is replayed. Nothing of it remains
// before it becomes usable.
type grant struct {
	id        string
	amount    int64
	remaining int64
	priority  int32
	// from and expires bound the time in which it may be drawn.
	from, expires event.Time
	// revoked is true once the replay has passed a revoke of it.
	revoked bool
	// Where its credits went.
	consumed, expired, taken int64
}

// debt is what one event missed and still owes.
type debt struct {
	eventID string
	amount  int64
}

// credits is one (user, asset) while it is replayed.
type credits struct {
	// grants are all that were ever taken, wherever their place.
	grants map[string]*grant
	// usable are those of which something remains, in the order of drawing.
	usable []*grant
	owed   []debt

	available, held, debt                     int64
	credited, consumed, expired, gone, sentOn int64
}

// ReplayCredits replays what was taken of one (user, asset).
func ReplayCredits(taken []Taken) (*Timeline, error) {
	c := &credits{grants: map[string]*grant{}}
	moments := make([]moment, 0, len(taken)+len(taken)/2)
	for i := range taken {
		t := &taken[i]
		moments = append(moments, moment{place: t.Event.Place(), taken: t})
		if g := grantOf(t); g != nil {
			c.grants[g.id] = g
			moments = append(moments, fallsDue(g, t)...)
		}
	}
	inOrder(moments)
	line := &Timeline{Items: make([]Item, 0, len(moments))}
	for _, m := range moments {
		item, happens, err := c.step(m)
		if err != nil {
			return nil, err
		}
		if !happens {
			continue
		}
		item.Place = m.place
		item.Result.After = event.Balances{Balance: c.available - c.debt, Held: c.held, Debt: c.debt}
		if err := c.conserved(&item); err != nil {
			return nil, err
		}
		line.Items = append(line.Items, item)
	}
	return line, c.account()
}

// grantOf is the grant that an event makes, if it makes one.
func grantOf(t *Taken) *grant {
	e := &t.Event
	if e.Kind != event.Grant && e.Kind != event.Add || t.Rejected != event.NoCode {
		return nil
	}
	return &grant{
		id: e.GrantID(), amount: int64(e.Amount), priority: e.Priority,
		from: e.UsableFrom(), expires: e.ExpiresAt,
	}
}

// fallsDue are the moments at which something may become of a grant without
// any event.
func fallsDue(g *grant, t *Taken) []moment {
	var due []moment
	if g.from > t.Event.OccurredAt {
		due = append(due, moment{place: event.Place{Time: g.from, Due: event.DueActivation, ID: g.id}, grant: g})
	}
	if g.expires != event.NoTime {
		due = append(due, moment{place: event.Place{Time: g.expires, Due: event.DueExpiry, ID: g.id}, grant: g})
	}
	return due
}

// step does what happens at a moment; false where nothing does.
func (c *credits) step(m moment) (Item, bool, error) {
	if m.taken == nil {
		kind := m.place.Due.Kind()
		item := Item{Kind: kind, ID: kind.String() + "/" + m.grant.id}
		fall := c.activate
		if kind == event.Expired {
			fall = c.expire
		}
		var happens bool
		item.Result, happens = fall(m.grant)
		return item, happens, nil
	}
	e := &m.taken.Event
	item := Item{Kind: e.Kind, ID: e.ID, Taken: m.taken}
	if m.taken.Rejected != event.NoCode {
		item.Result = event.Result{Outcome: event.Rejected, Code: m.taken.Rejected, Amount: e.Amount}
		return item, true, nil
	}
	switch e.Kind {
	case event.Grant, event.Add:
		item.Result = c.grant(c.grants[e.GrantID()], e)
	case event.Revoke:
		item.Result = c.revoke(e)
	case event.Subtract:
		item.Result = c.subtract(e, m.taken.Policy)
	default:
		return item, false, fmt.Errorf("replay %s %q: the operation can't be replayed", e.Kind, e.ID)
	}
	return item, true, nil
}

// grant is a grant's or add's own entry: the whole grant, whether or not it
// is usable yet or ever.
func (c *credits) grant(g *grant, e *event.Event) event.Result {
	r := event.Result{Outcome: event.Applied, Amount: e.Amount, Slices: []event.Slice{g.slice(g.amount)}}
	switch {
	case g.revoked: // born revoked
		c.revokeUnused(g)
	case g.from <= e.OccurredAt:
		r.Repaid = c.becomesUsable(g)
	}
	return r
}

func (c *credits) activate(g *grant) (event.Result, bool) {
	if g.revoked {
		return event.Result{}, false
	}
	repaid := c.becomesUsable(g)
	return event.Result{
		Outcome: event.Applied, Amount: event.Amount(g.amount),
		Slices: []event.Slice{g.slice(g.amount)}, Repaid: repaid,
	}, true
}

func (c *credits) expire(g *grant) (event.Result, bool) {
	rest := g.remaining
	if rest == 0 {
		return event.Result{}, false
	}
	g.expired += rest
	c.expired += rest
	c.takeOut(g, rest)
	return event.Result{Outcome: event.Applied, Amount: event.Amount(rest), Slices: []event.Slice{g.slice(rest)}}, true
}

func (c *credits) revoke(e *event.Event) event.Result {
	g := c.grants[e.Ref]
	if g == nil {
		return event.Result{Outcome: event.Ignored, Code: event.UnknownReference}
	}
	r := event.Result{Outcome: event.Applied, Amount: event.Amount(g.remaining)}
	if rest := g.remaining; rest > 0 {
		r.Slices = []event.Slice{g.slice(rest)}
		g.taken += rest
		c.gone += rest
		c.takeOut(g, rest)
	}
	g.revoked = true
	return r
}

func (c *credits) subtract(e *event.Event, p event.Policy) event.Result {
	r := event.Result{Outcome: event.Applied, Amount: e.Amount}
	missing := int64(e.Amount)
	for missing > 0 && len(c.usable) > 0 {
		g := c.usable[0]
		part := min(missing, g.remaining)
		c.consume(g, part)
		missing -= part
		r.Slices = append(r.Slices, g.slice(part))
	}
	r.Shortfall = missing
	if missing > 0 && p.Debt {
		c.owed = append(c.owed, debt{e.ID, missing})
		c.debt += missing
	}
	return r
}

// becomesUsable adds a grant to what may be drawn, after it has repaid what
// is owed, in the order of the events that owe.
func (c *credits) becomesUsable(g *grant) []event.Repayment {
	g.remaining = g.amount
	c.credited += g.amount
	c.available += g.amount
	at, _ := slices.BinarySearchFunc(c.usable, g, drawnBefore)
	c.usable = slices.Insert(c.usable, at, g)
	var repaid []event.Repayment
	for len(c.owed) > 0 && g.remaining > 0 {
		first := &c.owed[0]
		part := min(first.amount, g.remaining)
		c.consume(g, part)
		c.debt -= part
		first.amount -= part
		repaid = append(repaid, event.Repayment{EventID: first.eventID, GrantID: g.id, Amount: event.Amount(part)})
		if first.amount == 0 {
			c.owed = c.owed[1:]
		}
	}
	return repaid
}

// revokeUnused counts a grant that never becomes usable as credited and
// revoked at once.
func (c *credits) revokeUnused(g *grant) {
	c.credited += g.amount
	c.gone += g.amount
	g.taken += g.amount
}

// consume draws a part of what remains of a grant.
func (c *credits) consume(g *grant, part int64) {
	g.consumed += part
	c.consumed += part
	c.takeOut(g, part)
}

// takeOut lowers what remains of a grant; one of which nothing remains can't
// be drawn any more.
func (c *credits) takeOut(g *grant, part int64) {
	g.remaining -= part
	c.available -= part
	if g.remaining == 0 {
		at, _ := slices.BinarySearchFunc(c.usable, g, drawnBefore)
		c.usable = slices.Delete(c.usable, at, at+1)
	}
}

// drawnBefore is negative where g is drawn before o: priority ascending,
// expires_at ascending with none last, effective_at, grant_id.
func drawnBefore(g, o *grant) int {
	switch {
	case g.priority != o.priority:
		return int(g.priority) - int(o.priority)
	case g.expires != o.expires:
		if g.expires == event.NoTime || o.expires != event.NoTime && g.expires > o.expires {
			return 1
		}
		return -1
	case g.from != o.from:
		if g.from > o.from {
			return 1
		}
		return -1
	}
	return strings.Compare(g.id, o.id)
}

func (g *grant) slice(amount int64) event.Slice {
	return event.Slice{GrantID: g.id, Amount: event.Amount(amount), ExpiresAt: g.expires}
}

// conserved checks I2 at one item.
func (c *credits) conserved(at *Item) error {
	if sum := c.available + c.held + c.consumed + c.expired + c.gone + c.sentOn; sum != c.credited {
		return fmt.Errorf("%s %q at %s: %d credited, but %d available, %d held, %d consumed, %d expired, %d revoked and %d sent make %d",
			at.Kind, at.ID, at.Place.Time, c.credited, c.available, c.held, c.consumed, c.expired, c.gone, c.sentOn, sum)
	}
	if c.debt > 0 && c.available > 0 || c.debt < 0 || c.available < 0 {
		return fmt.Errorf("%s %q at %s: %d available while %d is owed", at.Kind, at.ID, at.Place.Time, c.available, c.debt)
	}
	return nil
}

// account checks, once at the end, the running totals against the grants and
// debts they were counted from.
func (c *credits) account() error {
	var credited, available, consumed, expired, gone, owed int64
	for _, g := range c.grants {
		sum := g.remaining + g.consumed + g.expired + g.taken
		if sum != 0 && sum != g.amount {
			return fmt.Errorf("grant %q of %d: %d remaining, %d consumed, %d expired and %d revoked make %d",
				g.id, g.amount, g.remaining, g.consumed, g.expired, g.taken, sum)
		}
		credited += sum
		available += g.remaining
		consumed += g.consumed
		expired += g.expired
		gone += g.taken
	}
	for _, d := range c.owed {
		owed += d.amount
	}
	counted := [...]int64{c.credited, c.available, c.consumed, c.expired, c.gone, c.debt}
	if sums := [...]int64{credited, available, consumed, expired, gone, owed}; sums != counted {
		return fmt.Errorf("credited, available, consumed, expired, revoked and owed sum to %v over the grants and debts, but %v was counted", sums, counted)
	}
	return nil
}
