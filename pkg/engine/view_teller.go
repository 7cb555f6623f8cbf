package engine

import (
	"fmt"
	"math/big"
	"slices"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
)

// teller follows credits through the steps of a replay. It knows of each step
// only what its entry says, so that it proves the entries on its way.
type teller struct {
	wanted Wanted
	sums   Sums
	grants map[string]*ExplainedGrant
	// shown are the grants asked for, by place; one more than the limit where
	// others follow.
	shown []*ExplainedGrant
	// holds are what is set aside by each; draws what spends and captures took
	// that a refund is known of, by the spend or hold.
	holds map[string][]part
	draws map[string]*draws
	// shorts are the events that ran short under debt.
	shorts map[string]short
	// short and missed count all events that ran short.
	short  int
	missed int64

	// The step that is told.
	r    *replay
	id   string
	kind event.Kind
	of   string
	made int
	err  error
}

// part is a part of a grant.
type part struct {
	grantID string
	amount  event.Amount
}

// draws are what a refund gives back of, last first: what repaid, then what
// was consumed.
type draws struct{ consumed, repaid []part }

// short is an event that ran short.
type short struct {
	kind event.Kind
	at   event.Time
	// of is the spend or hold whose draws a repayment adds to.
	of     string
	missed int64
}

// tell takes a step, before which so many grants were yet to activate.
func (t *teller) tell(r *replay, future int) error {
	if t.sums.Credited == nil {
		t.sums.Credited = new(big.Int)
	}
	t.r, t.of, t.made = r, "", 0
	if r.did == nil {
		t.id, t.kind = dueID(r.place), r.place.Due.Kind()
	} else {
		t.id, t.kind = r.did.ID, r.did.Kind
	}
	if o := r.result.Outcome; o == event.Applied || o == event.Accepted {
		t.happens(len(r.state.Future()) > future)
	}
	return t.err
}

// happens follows the credits of a step; waits is that a grant came that isn't
// usable yet.
func (t *teller) happens(waits bool) {
	switch t.kind {
	case event.Grant, event.Add, event.Received:
		for i := range t.r.result.Slices {
			g := t.make(&t.r.result.Slices[i], "")
			if !waits {
				t.credit(g)
			}
		}
	case event.Activated:
		for i := range t.r.result.Slices {
			t.credit(t.grant(t.r.result.Slices[i].GrantID))
		}
	case event.Subtract, event.Spend:
		t.drawTo(InConsumed)
	case event.Transfer:
		t.drawTo(InSent)
	case event.Expired:
		t.drawTo(InExpired)
	case event.Revoke:
		t.drawTo(InRevoked)
	case event.Hold:
		t.holds[t.id] = t.drawTo(InHeld)
		if t.r.did.Marks.Has(event.RefundedMark) {
			t.draws[t.id] = &draws{}
		}
	case event.Capture:
		t.capture()
	case event.Release:
		t.of = t.r.did.Ref()
		t.giveBack(InHeld, t.takeLast(t.of))
	case event.HoldExpired:
		t.of = t.r.place.ID
		t.giveBack(InHeld, t.takeLast(t.of))
		delete(t.holds, t.of)
	case event.Refund:
		t.refund()
	}
	t.runShort()
	t.repay()
}

// grant is a grant that was made before.
func (t *teller) grant(id string) *ExplainedGrant {
	g := t.grants[id]
	if g == nil {
		t.wrong("grant %q was never made", id)
		g = &ExplainedGrant{Grant: ledger.Grant{Terms: &ledger.Terms{}}}
	}
	return g
}

func (t *teller) wrong(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf("explain %s %q at %s: %s", t.kind, t.id, t.r.place.Time, fmt.Sprintf(format, args...))
	}
}

// make takes up the grant that a slice tells of.
func (t *teller) make(s *event.Slice, origin string) *ExplainedGrant {
	r := t.r
	g := &ExplainedGrant{EventID: t.id, Kind: t.kind, Place: r.place, Number: t.made, Amount: s.Amount}
	g.Terms = &ledger.Terms{ID: s.GrantID, Origin: origin, EffectiveAt: r.place.Time, ExpiresAt: s.ExpiresAt}
	t.made++
	switch t.kind {
	case event.Grant, event.Add:
		g.EffectiveAt, g.Priority = r.did.UsableFrom(), r.did.Priority()
	case event.Received:
		g.From = r.did.From()
		g.Priority = r.did.Incoming().Grants[g.Number].Priority
	default:
		g.Priority = t.grant(origin).Priority
	}
	if t.grants[g.ID] != nil {
		t.wrong("grant %q was made before", g.ID)
	}
	t.grants[g.ID] = g
	t.show(g)
	return g
}

// show puts a grant among those asked for.
func (t *teller) show(g *ExplainedGrant) {
	if id := t.wanted.GrantID; id != "" {
		g.shown = g.ID == id
	} else {
		g.shown = t.wanted.Behind.before(GrantPlace{g.Place, g.Number}) && len(t.shown) <= t.wanted.Limit
	}
	if g.shown {
		t.shown = append(t.shown, g)
	}
}

// credit is what happens when a grant becomes usable: it is credited, and gone
// at once where it was revoked before.
func (t *teller) credit(g *ExplainedGrant) {
	g.Credited = true
	t.sums.Credited.Add(t.sums.Credited, big.NewInt(int64(g.Amount)))
	t.bring(g)
}

// bring puts the whole grant where it begins.
func (t *teller) bring(g *ExplainedGrant) {
	to := InAvailable
	switch {
	case t.r.state.IsRevoked(g.ID):
		to = InRevoked
	case g.ExpiresAt != event.NoTime && g.ExpiresAt <= t.r.place.Time:
		to = InExpired
	}
	g.In[to] += g.Amount
	if to != InAvailable {
		t.use(g, Use{Amount: g.Amount, From: Nowhere, To: to})
	}
}

// move takes a part of a grant from one bucket to another.
func (t *teller) move(g *ExplainedGrant, u Use) {
	if g.In[u.From] < u.Amount {
		t.wrong("%d of %q are not %s", u.Amount, g.ID, u.From)
	}
	g.In[u.From] -= u.Amount
	g.In[u.To] += u.Amount
	t.use(g, u)
}

// use notes what happened to a grant where that is asked for.
func (t *teller) use(g *ExplainedGrant, u Use) {
	if !g.shown {
		return
	}
	if g.last.Place == t.r.place {
		g.last.Number++
	} else {
		g.last = GrantPlace{Place: t.r.place}
	}
	most := t.wanted.MaxUses
	if t.wanted.GrantID != "" {
		if most = t.wanted.Limit; !t.wanted.Behind.before(g.last) {
			return
		}
	}
	if len(g.Uses) == most {
		g.More++
		return
	}
	u.EventID, u.Kind, u.Of, u.At = t.id, t.kind, t.of, g.last
	g.Uses = append(g.Uses, u)
}

// drawTo moves what the entry's slices say from what is available.
func (t *teller) drawTo(to Bucket) (drawn []part) {
	counterparty := ""
	if t.kind == event.Transfer {
		counterparty = t.r.did.To()
	}
	for i := range t.r.result.Slices {
		s := &t.r.result.Slices[i]
		t.move(t.grant(s.GrantID), Use{Amount: s.Amount, From: InAvailable, To: to, Counterparty: counterparty})
		drawn = append(drawn, part{s.GrantID, s.Amount})
	}
	if t.kind == event.Spend && t.r.did.Marks.Has(event.RefundedMark) {
		t.draws[t.id] = &draws{consumed: slices.Clone(drawn)}
	}
	return drawn
}

// capture consumes what the entry's slices say of its hold, first drawn first.
func (t *teller) capture() {
	t.of = t.r.did.Ref()
	for i := range t.r.result.Slices {
		s := &t.r.result.Slices[i]
		held := t.holds[t.of]
		if len(held) == 0 || held[0].grantID != s.GrantID || held[0].amount < s.Amount {
			t.wrong("hold %q doesn't have %d of %q in front", t.of, s.Amount, s.GrantID)
			return
		}
		if held[0].amount -= s.Amount; held[0].amount == 0 {
			t.holds[t.of] = held[1:]
		}
		if d := t.draws[t.of]; d != nil {
			d.consumed = append(d.consumed, part{s.GrantID, s.Amount})
		}
		t.move(t.grant(s.GrantID), Use{Amount: s.Amount, From: InHeld, To: InConsumed})
	}
}

// takeLast takes what the entry's slices say off the end of a hold.
func (t *teller) takeLast(holdID string) []part {
	held := t.holds[holdID]
	back := takeBack(drawn(t.r), &held)
	t.holds[holdID] = held
	return back
}

func (t *teller) refund() {
	t.of = t.r.did.Ref()
	d := t.draws[t.of]
	if d == nil {
		t.wrong("what %q drew wasn't remembered", t.of)
		return
	}
	t.giveBack(InConsumed, takeBack(drawn(t.r), &d.repaid, &d.consumed))
}

// takeBack takes an amount off the ends of lists, one part for each grant in
// the order in which they are reached.
func takeBack(amount int64, lists ...*[]part) (back []part) {
	at := map[string]int{}
	for _, list := range lists {
		for n := len(*list); amount > 0 && n > 0; n = len(*list) {
			last := &(*list)[n-1]
			p := part{last.grantID, min(last.amount, event.Amount(amount))}
			amount -= int64(p.amount)
			if last.amount -= p.amount; last.amount == 0 {
				*list = (*list)[:n-1]
			}
			if i, seen := at[p.grantID]; seen {
				back[i].amount += p.amount
				continue
			}
			at[p.grantID] = len(back)
			back = append(back, p)
		}
	}
	return back
}

// giveBack moves parts back, each as the entry's slice about it says.
func (t *teller) giveBack(from Bucket, parts []part) {
	said := t.r.result.Slices
	if len(parts) != len(said) {
		t.wrong("%d slices say what became of parts of %d grants", len(said), len(parts))
		return
	}
	for i, p := range parts {
		s := &said[i]
		if s.Amount != p.amount {
			t.wrong("%d of %q were given back, but the slice says %d", p.amount, p.grantID, s.Amount)
		}
		old := t.grant(p.grantID)
		u := Use{Amount: p.amount, From: from, To: InAvailable}
		switch {
		case s.GrantID != p.grantID:
			u.To, u.Restored = InRestored, s.GrantID
		case t.r.state.IsRevoked(p.grantID):
			u.To = InRevoked
		case s.ExpiresAt != event.NoTime && s.ExpiresAt <= t.r.place.Time:
			u.To = InExpired
		}
		t.move(old, u)
		if u.To == InRestored {
			anew := t.make(s, p.grantID)
			anew.Credited = true
			t.bring(anew)
		}
	}
}

// runShort counts an event that missed something, and remembers one that owes
// it.
func (t *teller) runShort() {
	did := t.r.did
	if did == nil || t.r.result.Shortfall == 0 || t.kind == event.Hold {
		return
	}
	t.short++
	t.missed += t.r.result.Shortfall
	if !did.Marks.Has(event.DebtMark) {
		return
	}
	of := t.id
	if t.kind == event.Capture {
		of = did.Ref()
	}
	t.shorts[t.id] = short{t.kind, t.r.place.Time, of, t.r.result.Shortfall}
}

// repay moves what paid for debts: it counts as drawn by the event that ran
// short.
func (t *teller) repay() {
	for i := range t.r.result.Repaid {
		p := &t.r.result.Repaid[i]
		by, known := t.shorts[p.EventID]
		if !known {
			t.wrong("%q is repaid, but didn't run short", p.EventID)
			return
		}
		to := InConsumed
		if by.kind == event.Transfer {
			to = InSent
		}
		t.move(t.grant(p.GrantID), Use{Amount: p.Amount, From: InAvailable, To: to, Repays: p.EventID})
		if d := t.draws[by.of]; d != nil {
			d.repaid = append(d.repaid, part{p.GrantID, p.Amount})
		}
	}
}

// page ends the telling: sums, and the grants asked for as they are now.
func (t *teller) page(state *ledger.Account) (shown []*ExplainedGrant, more bool) {
	if t.sums.Credited == nil {
		t.sums.Credited = new(big.Int)
	}
	for b := range t.sums.In {
		t.sums.In[b] = new(big.Int)
	}
	amount := new(big.Int)
	for _, g := range t.grants {
		for b, n := range g.In {
			if n != 0 {
				t.sums.In[b].Add(t.sums.In[b], amount.SetInt64(int64(n)))
			}
		}
	}
	shown = t.shown
	if more = t.wanted.GrantID == "" && len(shown) > t.wanted.Limit; more {
		shown = shown[:t.wanted.Limit]
	}
	for _, g := range shown {
		g.Remaining, g.Revoked = g.In[InAvailable], state.IsRevoked(g.ID)
	}
	return shown, more
}

func (t *teller) debts(state *ledger.Account) (debts []ExplainedDebt) {
	for _, d := range state.Debts() {
		s := t.shorts[d.EventID]
		debts = append(debts, ExplainedDebt{EventID: d.EventID, Kind: s.kind, At: s.at, Shortfall: s.missed, Owed: d.Amount})
	}
	return debts
}

// drawn is the sum of a step's slices.
func drawn(r *replay) (sum int64) {
	for i := range r.result.Slices {
		sum += int64(r.result.Slices[i].Amount)
	}
	return sum
}
