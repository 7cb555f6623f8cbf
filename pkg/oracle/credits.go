package oracle

import (
	"fmt"
	"slices"
	"strings"

	"highwater/pkg/event"
)

// grant is one grant while its account is replayed. Nothing of it is
// available before it becomes usable.
type grant struct {
	id       string
	amount   int64
	priority int32
	// from and expires bound the time in which it may be drawn.
	from, expires event.Time
	// revoked is true once the replay has passed a revoke of it.
	revoked bool
	// restored marks one that something given back made: it was credited as
	// the grant it stands for.
	restored bool
	// in is where its credits are.
	in [buckets]int64
}

// credits is one (user, asset) while it is replayed.
type credits struct {
	// grants are all that were ever taken, wherever their place, and the
	// restored ones that the replay made so far.
	grants map[string]*grant
	// givers are the operations that may give back, by what the ids of the
	// grants they restore begin with.
	givers map[string]bool
	// revoked are the ids of grants revoked before anything made them.
	revoked map[string]bool
	// usable are those of which something is available, in the order of
	// drawing.
	usable []*grant
	// takings are what drew credits so far, by its id, and ahead what captures
	// still to come take from each hold.
	takings map[string]*taking
	ahead   map[string]int64
	owed    []*lack

	credited, debt wide
	in             [buckets]wide

	// moments are those still to come.
	moments []moment
}

// ReplayCredits replays what was taken of one (user, asset).
func ReplayCredits(taken []Taken) (*Timeline, error) {
	line, _, err := replayCredits(taken)
	return line, err
}

// replayCredits gives the account as it is in the end as well.
func replayCredits(taken []Taken) (*Timeline, *credits, error) {
	c := &credits{
		grants: map[string]*grant{}, givers: map[string]bool{}, revoked: map[string]bool{},
		takings: map[string]*taking{}, ahead: map[string]int64{},
	}
	moments := make([]moment, 0, len(taken)+len(taken)/2)
	for i := range taken {
		t := &taken[i]
		moments = append(moments, moment{place: t.Place(), taken: t})
		moments = append(moments, c.expect(t)...)
	}
	inOrder(moments)
	line := &Timeline{Items: make([]Item, 0, len(moments))}
	for c.moments = moments; len(c.moments) > 0; {
		m := c.moments[0]
		c.moments = c.moments[1:]
		item, happens, err := c.step(m)
		if err != nil {
			return nil, nil, fmt.Errorf("replay %s %q at %s: %w", item.Kind, item.ID, m.place.Time, err)
		}
		if !happens {
			continue
		}
		item.Place = m.place
		if item.Result.After, err = c.balances(); err != nil {
			return nil, nil, fmt.Errorf("%s %q at %s: %w", item.Kind, item.ID, item.Place.Time, err)
		}
		line.Items = append(line.Items, item)
	}
	return line, c, c.account()
}

// expect takes in what is known of an event wherever the replay stands, and
// gives the moments at which something may become of it without any event.
func (c *credits) expect(t *Taken) []moment {
	if t.Rejected != event.NoCode {
		return nil
	}
	e := &t.Event
	switch e.Kind {
	case event.Grant, event.Add, event.Received:
		var due []moment
		for _, g := range grantsOf(t) {
			c.grants[g.id] = g
			due = append(due, fallsDue(g, e.OccurredAt)...)
		}
		return due
	case event.Refund, event.Release:
		c.givers[e.ID] = true
	case event.Capture:
		c.ahead[e.Ref] += int64(t.Amount)
	case event.Hold:
		if e.ExpiresAt != event.NoTime {
			c.givers[timeOutID(e.ID)] = true
			return []moment{{place: event.Place{Time: e.ExpiresAt, Due: event.DueHold, ID: e.ID}, hold: t}}
		}
	}
	return nil
}

// grantsOf are the grants that an event makes.
func grantsOf(t *Taken) []*grant {
	e := &t.Event
	if t.Remittance == nil {
		return []*grant{{
			id: e.GrantID(), amount: int64(e.Amount), priority: e.Priority,
			from: e.UsableFrom(), expires: e.ExpiresAt,
		}}
	}
	var grants []*grant
	for n, g := range t.Remittance.Grants {
		grants = append(grants, &grant{
			id: t.Remittance.GrantID(n), amount: int64(g.Amount), priority: g.Priority,
			from: e.OccurredAt, expires: g.ExpiresAt,
		})
	}
	return grants
}

// fallsDue are the moments of a grant known from a time on.
func fallsDue(g *grant, known event.Time) []moment {
	var due []moment
	if g.from > known {
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
		item := Item{Kind: kind, ID: kind.String() + "/" + m.place.ID}
		var happens bool
		switch kind {
		case event.HoldExpired:
			item.Result, happens = c.timeOut(m.hold)
		case event.Expired:
			item.Result, happens = c.expire(m.grant)
		case event.Activated:
			item.Result, happens = c.activate(m.grant)
		}
		return item, happens, nil
	}
	e := &m.taken.Event
	item := Item{Kind: e.Kind, ID: e.ID, Taken: m.taken}
	if m.taken.Rejected != event.NoCode {
		item.Result = event.Result{Outcome: event.Rejected, Code: m.taken.Rejected, Amount: e.Amount}
		return item, true, nil
	}
	var err error
	switch e.Kind {
	case event.Grant, event.Add:
		item.Result = c.grant(c.grants[e.GrantID()], e)
	case event.Received:
		item.Result = c.receive(m.taken.Remittance)
	case event.Revoke:
		item.Result = c.revoke(e)
	case event.Subtract, event.Spend, event.Transfer:
		item.Result = c.debit(m.taken)
	case event.Hold:
		item.Result = c.hold(m.taken)
	case event.Capture:
		item.Result, err = c.capture(m.taken)
	case event.Release:
		item.Result, err = c.release(m.taken)
	case event.Refund:
		item.Result, err = c.refund(m.taken)
	default:
		err = fmt.Errorf("the operation can't be replayed")
	}
	return item, true, err
}

// grant is a grant's or add's own entry: the whole grant, whether or not it
// is usable yet or ever.
func (c *credits) grant(g *grant, e *event.Event) event.Result {
	r := event.Result{Outcome: event.Applied, Amount: e.Amount, Slices: []event.Slice{g.slice(g.amount)}}
	if g.revoked || g.from <= e.OccurredAt {
		r.Repaid = c.start(g)
	}
	return r
}

// receive is the entry of what a transfer brought: all its grants.
func (c *credits) receive(from *event.Remittance) event.Result {
	r := event.Result{Outcome: event.Applied, Amount: from.Amount()}
	for n := range from.Grants {
		g := c.grants[from.GrantID(n)]
		r.Slices = append(r.Slices, g.slice(g.amount))
		r.Repaid = append(r.Repaid, c.start(g)...)
	}
	return r
}

func (c *credits) activate(g *grant) (event.Result, bool) {
	if g.revoked {
		return event.Result{}, false
	}
	repaid := c.start(g)
	return event.Result{
		Outcome: event.Applied, Amount: event.Amount(g.amount),
		Slices: []event.Slice{g.slice(g.amount)}, Repaid: repaid,
	}, true
}

// start credits a grant: it is usable from here on and repays what is owed,
// or was born revoked.
func (c *credits) start(g *grant) []event.Repayment {
	c.credited = c.credited.plus(g.amount)
	if g.revoked {
		c.put(g, g.amount, revoked)
		return nil
	}
	c.put(g, g.amount, available)
	return c.repay(g)
}

func (c *credits) expire(g *grant) (event.Result, bool) {
	rest := g.in[available]
	if rest == 0 {
		return event.Result{}, false
	}
	c.move(g, rest, available, expired)
	return event.Result{Outcome: event.Applied, Amount: event.Amount(rest), Slices: []event.Slice{g.slice(rest)}}, true
}

func (c *credits) revoke(e *event.Event) event.Result {
	g := c.grants[e.Ref]
	if g == nil && !c.mayBeRestored(e.Ref) {
		return event.Result{Outcome: event.Ignored, Code: event.UnknownReference}
	}
	c.revoked[e.Ref] = true
	if g == nil {
		return event.Result{Outcome: event.Applied}
	}
	r := event.Result{Outcome: event.Applied, Amount: event.Amount(g.in[available])}
	if rest := g.in[available]; rest > 0 {
		r.Slices = []event.Slice{g.slice(rest)}
		c.move(g, rest, available, revoked)
	}
	g.revoked = true
	return r
}

// mayBeRestored reports whether an id is one that an operation now known
// gives to the grants it restores.
func (c *credits) mayBeRestored(id string) bool {
	at := strings.LastIndexByte(id, '/')
	if at < 0 || !c.givers[id[:at]] {
		return false
	}
	n := id[at+1:]
	digits := n != "" && strings.Trim(n, "0123456789") == ""
	return digits && (n == "0" || n[0] != '0')
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

// later adds a moment to those still to come.
func (c *credits) later(m moment) {
	at, _ := slices.BinarySearchFunc(c.moments, m, func(a, b moment) int { return a.place.Compare(b.place) })
	c.moments = slices.Insert(c.moments, at, m)
}
