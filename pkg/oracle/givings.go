package oracle

import (
	"fmt"
	"slices"
	"strconv"

	"highwater/pkg/event"
)

// giving is one refund, release or time-out: what gives credits back to the
// grants they came from.
type giving struct {
	// id is what the ids of the grants that it restores begin with.
	id string
	at event.Place
	// since is when the spend or hold took the credits.
	since event.Time
	// forfeit is that what came from expired grants isn't restored.
	forfeit bool
	// from is where the credits were.
	from bucket
}

// timeOutID is what the ids of the grants that a hold's time-out restores
// begin with.
func timeOutID(holdID string) string { return event.HoldExpired.String() + "/" + holdID }

// refund undoes shortfalls, the newest first, and gives the rest back: what
// was repaid and drawn last goes first.
func (c *credits) refund(by *Taken) (event.Result, error) {
	t := c.takings[by.Event.Ref]
	if t == nil || t.by.Event.Kind != event.Spend && t.by.Event.Kind != event.Hold {
		return event.Result{}, fmt.Errorf("%q is neither a spend nor a hold before it", by.Event.Ref)
	}
	r := event.Result{Outcome: event.Accepted, Amount: by.Amount}
	rest := int64(by.Amount)
	for _, l := range slices.Backward(t.lacks) {
		n := min(rest, l.amount)
		c.settle(l, n)
		r.Undone += n
		rest -= n
	}
	back, missing := takeBack(rest, &t.repaid, &t.drawn)
	if missing > 0 {
		return r, fmt.Errorf("%d of %d are more than %q took before it", missing, by.Amount, by.Event.Ref)
	}
	r.Slices, r.Repaid = c.giveBack(back, giving{
		id: by.Event.ID, at: by.Place(), since: t.by.Event.EffectiveTime(),
		forfeit: by.Policy.Forfeit, from: t.to,
	})
	return r, nil
}

// release gives back what no capture after it takes.
func (c *credits) release(by *Taken) (event.Result, error) {
	t := c.takings[by.Event.Ref]
	if t == nil || t.by.Event.Kind != event.Hold {
		return event.Result{}, fmt.Errorf("%q is not a hold before it", by.Event.Ref)
	}
	there := sumOf(t.inside)
	back, _ := takeBack(there-min(there, c.ahead[by.Event.Ref]), &t.inside)
	r := event.Result{Outcome: event.Accepted, Amount: by.Amount}
	r.Slices, r.Repaid = c.giveBack(back, giving{
		id: by.Event.ID, at: by.Place(), since: t.by.Event.EffectiveTime(),
		forfeit: by.Policy.Forfeit, from: held,
	})
	return r, nil
}

// timeOut gives back what a hold still has; false where it has nothing.
func (c *credits) timeOut(hold *Taken) (event.Result, bool) {
	t := c.takings[hold.Event.ID]
	there := sumOf(t.inside)
	if there == 0 {
		return event.Result{}, false
	}
	back, _ := takeBack(there, &t.inside)
	r := event.Result{Outcome: event.Applied, Amount: event.Amount(there)}
	r.Slices, r.Repaid = c.giveBack(back, giving{
		id: timeOutID(hold.Event.ID), at: event.Place{Time: hold.Event.ExpiresAt, Due: event.DueHold, ID: hold.Event.ID}, since: hold.Event.EffectiveTime(),
		forfeit: hold.Policy.Forfeit, from: held,
	})
	return r, true
}

// takeBack takes an amount out of lists of parts, from the end of the first
// list on. It gives one part for each grant, in the order in which they were
// reached.
func takeBack(amount int64, lists ...*[]part) (back []part, missing int64) {
	reached := map[*grant]int{}
	for _, list := range lists {
		for amount > 0 && len(*list) > 0 {
			last := &(*list)[len(*list)-1]
			n := min(amount, last.amount)
			amount -= n
			if last.amount -= n; last.amount == 0 {
				*list = (*list)[:len(*list)-1]
			}
			at, again := reached[last.grant]
			if again {
				back[at].amount += n
				continue
			}
			reached[last.grant] = len(back)
			back = append(back, part{last.grant, n})
		}
	}
	return back, amount
}

// giveBack gives parts back to their grants, one after the other; each repays
// what is owed with what it got.
func (c *credits) giveBack(parts []part, by giving) (says []event.Slice, repaid []event.Repayment) {
	made := 0
	for _, p := range parts {
		g := p.grant
		switch isExpired := g.expires != event.NoTime && g.expires <= by.at.Time; {
		case g.revoked:
			c.move(g, p.amount, by.from, revoked)
			says = append(says, g.slice(p.amount))
		case isExpired && by.forfeit:
			c.move(g, p.amount, by.from, expired)
			says = append(says, g.slice(p.amount))
		case isExpired:
			anew := c.restore(p, by, by.id+"/"+strconv.Itoa(made))
			made++
			says = append(says, anew.slice(p.amount))
			repaid = append(repaid, c.repay(anew)...)
		default:
			c.move(g, p.amount, by.from, available)
			says = append(says, g.slice(p.amount))
			repaid = append(repaid, c.repay(g)...)
		}
	}
	return says, repaid
}

// restore makes a new grant of a part of an expired one. It lasts as long as
// the old one still had when its credits were taken.
func (c *credits) restore(p part, by giving, id string) *grant {
	g := &grant{
		id: id, amount: p.amount, priority: p.grant.priority, restored: true, revoked: c.revoked[id],
		from: by.at.Time, expires: by.at.Time.Add(int64(p.grant.expires - by.since)),
	}
	c.grants[id] = g
	c.take(p.grant, p.amount, by.from)
	p.grant.in[restored] += p.amount
	if g.revoked {
		c.put(g, p.amount, revoked)
		return g
	}
	if g.expires <= by.at.Time { // at the end of all time there is no later
		c.put(g, p.amount, expired)
		return g
	}
	c.put(g, p.amount, available)
	c.later(moment{place: event.Place{Time: g.expires, Due: event.DueExpiry, ID: g.id}, grant: g})
	return g
}
