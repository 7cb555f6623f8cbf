package ledger_test

import (
	"reflect"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
)

// purse is the account a second time, as a heap of coins: whatever is drawn,
// given back, owed or repaid is so coin by coin, each by a look at everything
// there is. It remembers what every spend and hold took.
type purse struct {
	// coin is the amount that each coin stands for.
	coin event.Amount
	// facts are those of every grant there ever was, coins how many of each
	// are usable.
	facts  map[string]ledger.Terms
	coins  map[string]int
	future []ledger.Grant
	// revoked grants, by id.
	revoked map[string]bool
	// debts are coins owed, each by the event that owes it.
	debts []string
	holds map[string]*heldCoins
	// took is by spend or hold.
	took map[string]*tookCoins
}

type heldCoins struct {
	// grants of the coins set aside, in the order they were drawn.
	grants        []string
	left          int
	at, expiresAt event.Time
	forfeit       bool
}

type tookCoins struct {
	at event.Time
	// consumed and repaid are grants, shorts are events, a coin each.
	consumed, repaid, shorts []string
}

func newPurse(coin event.Amount) *purse {
	return &purse{
		coin: coin, facts: map[string]ledger.Terms{}, coins: map[string]int{}, revoked: map[string]bool{},
		holds: map[string]*heldCoins{}, took: map[string]*tookCoins{},
	}
}

func (p *purse) balances() event.Balances {
	var available, held int
	for _, n := range p.coins {
		available += n
	}
	for _, h := range p.holds {
		held += len(h.grants)
	}
	return event.Balances{
		Balance: int64(p.coin) * int64(available-len(p.debts)),
		Held:    int64(p.coin) * int64(held), Debt: int64(p.coin) * int64(len(p.debts)),
	}
}

// nextDue looks for the least place of all that will fall due.
func (p *purse) nextDue() (least event.Place, ok bool) {
	consider := func(at event.Time, due event.Due, id string) {
		q := event.Place{Time: at, Due: due, ID: id}
		if at != event.NoTime && (!ok || q.Before(least)) {
			least, ok = q, true
		}
	}
	for id, h := range p.holds {
		if len(h.grants) > 0 {
			consider(h.expiresAt, event.DueHold, id)
		}
	}
	for id, n := range p.coins {
		if n > 0 {
			consider(p.facts[id].ExpiresAt, event.DueExpiry, id)
		}
	}
	for _, g := range p.future {
		consider(g.EffectiveAt, event.DueActivation, g.ID)
	}
	return least, ok
}

func (p *purse) due(at event.Place) (r event.Result) {
	r.Outcome = event.Applied
	switch at.Due {
	case event.DueHold:
		h := p.holds[at.ID]
		delete(p.holds, at.ID)
		r.Amount = p.coin * event.Amount(len(h.grants))
		p.giveBack(h.grants, giveBack{at: at.Time, drawnAt: h.at, id: "hold_expired/" + at.ID, forfeit: h.forfeit}, &r)
	case event.DueExpiry:
		r.Amount = p.coin * event.Amount(p.coins[at.ID])
		for ; p.coins[at.ID] > 0; p.coins[at.ID]-- {
			p.say(&r, at.ID)
		}
	case event.DueActivation:
		i := slices.IndexFunc(p.future, func(g ledger.Grant) bool { return g.ID == at.ID })
		g := p.future[i]
		p.future = slices.Delete(p.future, i, i+1)
		r.Amount = g.Remaining
		p.credit(g.ID, int(g.Remaining/p.coin), &r)
	}
	r.After = p.balances()
	return r
}

// say adds a coin of a grant to the slices.
func (p *purse) say(r *event.Result, grant string) {
	if n := len(r.Slices); n == 0 || r.Slices[n-1].GrantID != grant {
		r.Slices = append(r.Slices, event.Slice{GrantID: grant, ExpiresAt: p.facts[grant].ExpiresAt})
	}
	r.Slices[len(r.Slices)-1].Amount += p.coin
}

func (p *purse) apply(op *event.Placed) (r event.Result) {
	r.Outcome, r.Code, r.Amount = event.Applied, op.Code, op.Amount
	if op.Kind.IsConditional() {
		r.Outcome = event.Accepted
	}
	n := int(op.Amount / p.coin)
	switch {
	case op.Outcome == event.Rejected:
		r.Outcome = event.Rejected
	case op.Kind == event.Grant, op.Kind == event.Add:
		p.grant(op, n, &r)
	case op.Kind == event.Received:
		for i, in := range op.Incoming().Grants {
			id := "bob/" + op.ID + "/" + strconv.Itoa(i)
			p.facts[id] = ledger.Terms{ID: id, EffectiveAt: op.Time, ExpiresAt: in.ExpiresAt, Priority: in.Priority}
			p.credit(id, int(in.Amount/p.coin), &r)
		}
	case op.Kind == event.Revoke:
		p.revoke(op, &r)
	case op.Kind == event.Hold:
		grants := p.draw(n, &r)
		r.Shortfall = int64(p.coin) * int64(n-len(grants))
		p.holds[op.ID] = &heldCoins{grants: grants, left: n, at: op.Time, expiresAt: op.ExpiresAt(), forfeit: op.Marks.Has(event.ForfeitMark)}
		p.took[op.ID] = &tookCoins{at: op.Time}
	case op.Kind == event.Capture:
		p.capture(op, n, &r)
	case op.Kind == event.Release:
		p.release(op, n, &r)
	case op.Kind == event.Refund:
		p.refund(op, n, &r)
	default: // subtract, spend, transfer
		took := &tookCoins{at: op.Time}
		p.took[op.ID] = took
		took.consumed = p.draw(n, &r)
		p.miss(op, took, n-len(took.consumed), &r)
	}
	r.After = p.balances()
	return r
}

func (p *purse) grant(op *event.Placed, n int, r *event.Result) {
	g := ledger.Terms{ID: op.GrantID(), EffectiveAt: op.UsableFrom(), ExpiresAt: op.ExpiresAt(), Priority: op.Priority()}
	p.facts[g.ID] = g
	if g.EffectiveAt <= op.Time {
		p.credit(g.ID, n, r)
		return
	}
	if !p.revoked[g.ID] {
		p.future = append(p.future, ledger.Grant{Terms: &g, Remaining: op.Amount})
	}
	for range n {
		p.say(r, g.ID)
	}
}

func (p *purse) revoke(op *event.Placed, r *event.Result) {
	r.Amount = 0
	if !op.Marks.Has(event.KnownMark) {
		r.Outcome, r.Code = event.Ignored, event.UnknownReference
		return
	}
	p.revoked[op.Ref()] = true
	p.future = slices.DeleteFunc(p.future, func(g ledger.Grant) bool { return g.ID == op.Ref() })
	for ; p.coins[op.Ref()] > 0; p.coins[op.Ref()]-- {
		p.say(r, op.Ref())
		r.Amount += p.coin
	}
}

// credit says a grant's coins and makes each usable, or lets it repay, or
// lets it go with its grant.
func (p *purse) credit(grant string, n int, r *event.Result) {
	for range n {
		p.say(r, grant)
		switch {
		case p.revoked[grant]:
		case len(p.debts) > 0:
			p.repay(grant, r)
		default:
			p.coins[grant]++
		}
	}
}

// repay gives a coin to the oldest debt.
func (p *purse) repay(grant string, r *event.Result) {
	debtor := p.debts[0]
	p.debts = slices.Delete(p.debts, 0, 1)
	if n := len(r.Repaid); n == 0 || r.Repaid[n-1].EventID != debtor || r.Repaid[n-1].GrantID != grant {
		r.Repaid = append(r.Repaid, event.Repayment{EventID: debtor, GrantID: grant})
	}
	r.Repaid[len(r.Repaid)-1].Amount += p.coin
	for _, took := range p.took {
		if i := slices.Index(took.shorts, debtor); i >= 0 {
			took.shorts = slices.Delete(took.shorts, i, i+1)
			took.repaid = append(took.repaid, grant)
		}
	}
}

// drawOne takes the coin that is drawn first.
func (p *purse) drawOne() (grant string, ok bool) {
	for id, n := range p.coins {
		if n > 0 && (!ok || drawnBefore(p.facts[id], p.facts[grant])) {
			grant, ok = id, true
		}
	}
	if ok {
		p.coins[grant]--
	}
	return grant, ok
}

func (p *purse) draw(n int, r *event.Result) (grants []string) {
	for range n {
		grant, ok := p.drawOne()
		if !ok {
			break
		}
		p.say(r, grant)
		grants = append(grants, grant)
	}
	return grants
}

// miss counts coins that an event runs short of.
func (p *purse) miss(op *event.Placed, of *tookCoins, n int, r *event.Result) {
	r.Shortfall = int64(p.coin) * int64(n)
	for range n {
		of.shorts = append(of.shorts, op.ID)
		if op.Marks.Has(event.DebtMark) {
			p.debts = append(p.debts, op.ID)
		}
	}
}

func (p *purse) capture(op *event.Placed, n int, r *event.Result) {
	h, took, missing := p.holds[op.Ref()], p.took[op.Ref()], 0
	h.left -= n
	for range n {
		if len(h.grants) == 0 {
			missing++
			continue
		}
		p.say(r, h.grants[0])
		took.consumed = append(took.consumed, h.grants[0])
		h.grants = h.grants[1:]
	}
	p.miss(op, took, missing, r)
	for len(p.debts) > 0 {
		grant, ok := p.drawOne()
		if !ok {
			break
		}
		p.repay(grant, r)
	}
}

func (p *purse) release(op *event.Placed, n int, r *event.Result) {
	h := p.holds[op.Ref()]
	h.left -= n
	stay := min(h.left, len(h.grants))
	back := h.grants[stay:]
	h.grants = h.grants[:stay]
	p.giveBack(back, giveBack{at: op.Time, drawnAt: h.at, id: op.ID, forfeit: op.Marks.Has(event.ForfeitMark)}, r)
}

func (p *purse) refund(op *event.Placed, n int, r *event.Result) {
	took := p.took[op.Ref()]
	var back []string
	for range n {
		switch s := len(took.shorts); {
		case s > 0:
			r.Undone += int64(p.coin)
			if i := slices.Index(p.debts, took.shorts[s-1]); i >= 0 {
				p.debts = slices.Delete(p.debts, i, i+1)
			}
			took.shorts = took.shorts[:s-1]
		case len(took.repaid) > 0:
			back = append(back, pop(&took.repaid))
		default:
			back = append(back, pop(&took.consumed))
		}
	}
	slices.Reverse(back)
	p.giveBack(back, giveBack{at: op.Time, drawnAt: took.at, id: op.ID, forfeit: op.Marks.Has(event.ForfeitMark)}, r)
}

func pop(list *[]string) (last string) {
	last = (*list)[len(*list)-1]
	*list = (*list)[:len(*list)-1]
	return last
}

// giveBack is where and how coins go back.
type giveBack struct {
	at, drawnAt event.Time
	id          string
	forfeit     bool
}

// giveBack gives back coins, the last first, but those of one grant together.
func (p *purse) giveBack(drawn []string, how giveBack, r *event.Result) {
	count := map[string]int{}
	var order []string
	for _, grant := range slices.Backward(drawn) {
		if count[grant]++; count[grant] == 1 {
			order = append(order, grant)
		}
	}
	restored := 0
	for _, id := range order {
		g, n := p.facts[id], count[id]
		gone := p.revoked[id]
		if gone || g.ExpiresAt == event.NoTime || g.ExpiresAt > how.at {
			p.credit(id, n, r)
			continue
		}
		if how.forfeit {
			for range n {
				p.say(r, id)
			}
			continue
		}
		g.Origin, g.ID = id, how.id+"/"+strconv.Itoa(restored)
		g.EffectiveAt, g.ExpiresAt = how.at, how.at+g.ExpiresAt-how.drawnAt
		restored++
		p.facts[g.ID] = g
		p.credit(g.ID, n, r)
	}
}

// The account says and becomes what a purse of coins does.
func TestAgainstPurse(t *testing.T) {
	// The rarest turns want more histories than one round has.
	for round := range 10 {
		t.Run(strconv.Itoa(round), rapid.MakeCheck(againstPurse))
	}
}

func againstPurse(t *rapid.T) {
	var p *purse
	history(t, func(s *step) {
		if p == nil {
			p = newPurse(s.scale)
		}
		var want event.Result
		at, ok := p.nextDue()
		if s.op == nil {
			if !ok || at != s.due {
				t.Fatalf("%v is due, not %v", at, s.due)
			}
			want = p.due(s.due)
		} else {
			if ok && at.Before(s.op.Place()) {
				t.Fatalf("%v is due before %v", at, s)
			}
			want = p.apply(s.op)
		}
		if !reflect.DeepEqual(*s.result, want) {
			t.Fatalf("%v is\n%+v, not\n%+v", s, *s.result, want)
		}
		p.check(t, s)
	})
}

// check compares what is usable and set aside.
func (p *purse) check(t *rapid.T, s *step) {
	kinds := 0
	for id, n := range p.coins {
		if n > 0 {
			kinds++
		}
		facts := p.facts[id]
		want := ledger.Grant{Terms: &facts, Remaining: event.Amount(n) * p.coin}
		if n > 0 && !slices.ContainsFunc(s.after.Usable(), want.Equal) {
			t.Fatalf("after %v %+v isn't usable, but %+v", s, want, s.after.Usable())
		}
	}
	if kinds != len(s.after.Usable()) {
		t.Fatalf("after %v usable are %+v, not %v", s, s.after.Usable(), p.coins)
	}
	for _, h := range s.after.Holds() {
		want := p.holds[h.ID]
		var grants []string
		for _, g := range h.Pieces {
			for range g.Remaining / p.coin {
				grants = append(grants, g.ID)
			}
		}
		if event.Amount(want.left)*p.coin != h.Left || !slices.Equal(want.grants, grants) {
			t.Fatalf("after %v %+v is held, not %+v", s, h, *want)
		}
	}
}
