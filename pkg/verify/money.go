package verify

import (
	"fmt"
	"math/big"

	"highwater/pkg/event"
	"highwater/pkg/oracle"
)

// money is where the credits of one account, or of all of them, are. Sums are
// wide: what transfers bring is never refused.
type money struct {
	// facts were granted or added, received came from others.
	facts, received                                     big.Int
	available, held, consumed, expired, revoked, sentBy big.Int
}

// plus adds another's.
func (m *money) plus(o *money) {
	of := o.all()
	for i, sum := range m.all() {
		sum.Add(sum, of[i])
	}
}

func (m *money) all() []*big.Int {
	return []*big.Int{&m.facts, &m.received, &m.available, &m.held, &m.consumed, &m.expired, &m.revoked, &m.sentBy}
}

// gone is what is no longer facts or received: where it is now.
func (m *money) gone() *big.Int {
	sum := new(big.Int)
	for _, part := range m.all()[2:] {
		sum.Add(sum, part)
	}
	return sum
}

func (m *money) String() string {
	return fmt.Sprintf("%d granted and added, %d received; %d available, %d held, %d consumed, %d expired, %d revoked, %d sent",
		&m.facts, &m.received, &m.available, &m.held, &m.consumed, &m.expired, &m.revoked, &m.sentBy)
}

// counting follows the credits of an account through what its entries say.
type counting struct {
	money
	revokedIDs map[string]bool
	// transfers that ran short: what repays them is sent.
	transfers map[string]bool
}

// count adds up an account's items, and fails where one of them isn't
// conserved.
func (w *walk) countMoney() {
	c := counting{revokedIDs: map[string]bool{}, transfers: map[string]bool{}}
	in := new(big.Int)
	for i := range w.line.Items {
		it := &w.line.Items[i]
		c.take(it)
		after := it.Result.After
		c.available.SetInt64(after.Balance)
		c.available.Add(&c.available, big.NewInt(after.Debt))
		c.held.SetInt64(after.Held)
		if in.Add(&c.facts, &c.received).Cmp(c.gone()) != 0 || c.available.Sign() < 0 || after.Debt > 0 && c.available.Sign() > 0 {
			w.fail(checkConservation, "after %s at %s: %s", it.ID, it.Place.Time, c.String())
			return
		}
		w.h.report.count(checkConservation, "items added up", 1)
	}
	w.h.v.money.plus(&c.money)
}

// take counts one item.
func (c *counting) take(it *oracle.Item) {
	r := &it.Result
	for _, p := range r.Repaid {
		to := &c.consumed
		if c.transfers[p.EventID] {
			to = &c.sentBy
		}
		move(to, p.Amount)
	}
	if r.Outcome != event.Applied && r.Outcome != event.Accepted {
		return
	}
	switch it.Kind {
	case event.Grant, event.Add:
		// One to come is credited when it activates, unless it was revoked.
		if e := &it.Taken.Event; e.UsableFrom() <= e.OccurredAt || c.revokedIDs[e.GrantID()] {
			c.credit(&c.facts, r)
		}
	case event.Activated:
		c.credit(&c.facts, r)
	case event.Received:
		c.credit(&c.received, r)
	case event.Subtract, event.Spend, event.Capture:
		move(&c.consumed, sumOf(r))
	case event.Transfer:
		move(&c.sentBy, sumOf(r))
		c.transfers[it.ID] = r.Shortfall > 0
	case event.Expired:
		move(&c.expired, sumOf(r))
	case event.Revoke:
		c.revokedIDs[it.Taken.Event.Ref] = true
		move(&c.revoked, sumOf(r))
	case event.Refund:
		move(&c.consumed, -sumOf(r))
		c.giveBack(it)
	case event.Release, event.HoldExpired:
		c.giveBack(it)
	}
}

// credit counts new grants; born revoked ones are gone at once.
func (c *counting) credit(as *big.Int, r *event.Result) {
	move(as, sumOf(r))
	for _, s := range r.Slices {
		if c.revokedIDs[s.GrantID] {
			move(&c.revoked, s.Amount)
		}
	}
}

// giveBack counts what went back to no grant.
func (c *counting) giveBack(it *oracle.Item) {
	for _, s := range it.Result.Slices {
		switch {
		case c.revokedIDs[s.GrantID]:
			move(&c.revoked, s.Amount)
		case s.ExpiresAt != event.NoTime && s.ExpiresAt <= it.Place.Time:
			move(&c.expired, s.Amount)
		}
	}
}

func move(to *big.Int, amount event.Amount) { to.Add(to, big.NewInt(int64(amount))) }

func sumOf(r *event.Result) (sum event.Amount) {
	for _, s := range r.Slices {
		sum += s.Amount
	}
	return sum
}

// checkMoney adds up all accounts of all partitions: what was granted and
// added is somewhere, or on its way from one user to another.
func (v *verifier) checkMoney() {
	if v.uncounted > 0 {
		v.report.fail(checkMoney, "%d accounts can't be added up", v.uncounted)
		return
	}
	// onTheWay was sent and hasn't come; early came from behind a sender's
	// cut. uncovered is what later facts took from under transfers.
	var onTheWay, early, uncovered big.Int
	for name, s := range v.transfers.sent {
		move(&uncovered, s.entry.Amount)
		if v.transfers.received[name] == nil {
			move(&onTheWay, s.entry.Amount)
		}
	}
	uncovered.Sub(&uncovered, &v.money.sentBy)
	for name, r := range v.transfers.received {
		if v.transfers.sent[name] == nil {
			move(&early, r.Amount())
		}
	}
	is := v.money.gone()
	is.Sub(is, &v.money.sentBy).Add(is, &onTheWay).Sub(is, &early).Sub(is, &uncovered)
	for i, what := range []string{"granted and added", "received", "available", "held", "consumed", "expired", "revoked", "sent"} {
		v.report.sum(checkMoney, what, v.money.all()[i])
	}
	v.report.sum(checkMoney, "on the way", &onTheWay)
	v.report.sum(checkMoney, "uncovered", &uncovered)
	if is.Cmp(&v.money.facts) != 0 {
		v.report.fail(checkMoney, "%d was granted and added, but %d is there: %s; %d on the way, %d from behind a cut, %d uncovered", &v.money.facts, is, v.money.String(), &onTheWay, &early, &uncovered)
	}
}
