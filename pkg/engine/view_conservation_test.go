package engine

import (
	"highwater/pkg/event"
)

// Conservation is where everything an asset was ever credited has gone, added
// up from results alone: what Explain, which follows each part of a grant, is
// held against.
type Conservation struct {
	Credited, Available, Held, Consumed, Expired, Revoked, Sent int64
	Balance, Debt                                               int64
}

// Holds reports whether nothing is missing and nothing too much.
func (c *Conservation) Holds() bool {
	return c.Credited == c.Available+c.Held+c.Consumed+c.Expired+c.Revoked+c.Sent && c.Balance == c.Available-c.Debt
}

// conserved adds up the steps of a replay.
type conserved struct {
	Conservation
	// transfers that ran short: what repays them is sent.
	transfers map[string]bool
}

// Conservation adds up an asset's events up to a time, from the first one on.
func (v *View) Conservation(a *Account, at event.Time) Conservation {
	c := conserved{transfers: map[string]bool{}}
	r := v.replayKnown(a, event.EndOf(at), always)
	future := 0
	for r.step() {
		c.add(r, future)
		future = len(r.state.Future())
	}
	b := r.state.Balances()
	c.Held, c.Balance, c.Debt = b.Held, b.Balance, b.Debt
	for _, g := range r.state.Usable() {
		c.Available += int64(g.Remaining)
	}
	return c.Conservation
}

// add counts one step, before which so many grants were yet to activate.
func (c *conserved) add(r *replay, future int) {
	kind := r.place.Due.Kind()
	if r.did != nil {
		kind = r.did.Kind
	}
	for i := range r.result.Repaid {
		if c.transfers[r.result.Repaid[i].EventID] {
			c.Sent += int64(r.result.Repaid[i].Amount)
		} else {
			c.Consumed += int64(r.result.Repaid[i].Amount)
		}
	}
	if r.result.Outcome != event.Applied && r.result.Outcome != event.Accepted {
		return
	}
	switch kind {
	case event.Grant, event.Add:
		if len(r.state.Future()) > future {
			return // credited when it activates
		}
		c.credit(r)
	case event.Activated, event.Received:
		c.credit(r)
	case event.Subtract, event.Spend, event.Capture:
		c.Consumed += drawn(r)
	case event.Transfer:
		c.Sent += drawn(r)
		if r.result.Shortfall > 0 {
			c.transfers[r.did.ID] = true
		}
	case event.Expired:
		c.Expired += drawn(r)
	case event.Revoke:
		c.Revoked += drawn(r)
	case event.Refund:
		c.Consumed -= drawn(r)
		c.giveBack(r)
	case event.Release, event.HoldExpired:
		c.giveBack(r)
	}
}

// credit counts the grants of a step; born revoked ones are gone at once.
func (c *conserved) credit(r *replay) {
	c.Credited += drawn(r)
	for i := range r.result.Slices {
		if s := &r.result.Slices[i]; r.state.IsRevoked(s.GrantID) {
			c.Revoked += int64(s.Amount)
		}
	}
}

// giveBack counts what went back to no grant.
func (c *conserved) giveBack(r *replay) {
	for i := range r.result.Slices {
		switch s := &r.result.Slices[i]; {
		case r.state.IsRevoked(s.GrantID):
			c.Revoked += int64(s.Amount)
		case s.ExpiresAt != event.NoTime && s.ExpiresAt <= r.place.Time:
			c.Expired += int64(s.Amount)
		}
	}
}
