package verify

import (
	"fmt"
	"slices"

	"highwater/pkg/event"
	"highwater/pkg/oracle"
)

// wantDecided notes the alerts that an event's own entry brings.
func (w *walk) wantDecided(e *event.Entry, made *decision) {
	w.wanted = append(w.wanted, made.alerts...)
	if e.Shortfall > 0 {
		w.want(e.EventID, e.Shortfall)
	}
}

// checkDecided makes anew what depends on the account as it stood when an
// event was processed, given the replay of what came before it; nil where that
// wasn't made.
func (w *walk) checkDecided(p *published[event.Entry], before *oracle.Timeline, made *decision) {
	e := &p.value
	switch {
	case e.Kind == event.PlaceOrder:
		w.checkOrderRules(p, before, made)
	case made.funds && made.code == event.NoCode && w.line != nil:
		w.checkFunds(p, before)
	}
}

// checkFunds tries a spend, hold or transfer: what is accepted takes from
// nobody, what is rejected would have.
func (w *walk) checkFunds(p *published[event.Entry], before *oracle.Timeline) {
	e, last := &p.value, len(w.taken)-1
	if before == nil {
		if before = w.tried(w.taken[:last]); before == nil {
			return
		}
	}
	with := w.line
	if e.Outcome != event.Accepted {
		accepted := w.taken[last]
		accepted.Rejected, accepted.Amount = event.NoCode, accepted.Event.Amount
		if with = w.tried(append(slices.Clone(w.taken[:last]), accepted)); with == nil {
			return
		}
	}
	because := takesFrom(before, with)
	switch {
	case e.Outcome == event.Accepted && because != "":
		w.fail(checkCovered, "%s: %s %s of %d at %s was accepted, but %s", where(p.record), e.Kind, e.EventID, e.Amount, e.EffectiveAt, because)
	case e.Outcome == event.Accepted && e.Shortfall != 0:
		w.fail(checkCovered, "%s: %s %s was accepted, but misses %d when it is decided", where(p.record), e.Kind, e.EventID, e.Shortfall)
	case e.Outcome != event.Accepted && because == "":
		w.fail(checkCovered, "%s: %s %s of %d at %s is %s, but takes nothing from anybody", where(p.record), e.Kind, e.EventID, e.Amount, e.EffectiveAt, e.Code)
	}
	w.h.report.count(checkCovered, "operations tried", 1)
}

// tried replays other events than those processed; nil where that can't be.
func (w *walk) tried(taken []oracle.Taken) *oracle.Timeline {
	line, err := oracle.ReplayCredits(taken)
	if err != nil {
		w.fail(checkConservation, "%v", err)
		return nil
	}
	return line
}

// takesFrom says which event has a greater shortfall in the second replay, or
// when a greater debt stands; "" for none.
func takesFrom(before, with *oracle.Timeline) string {
	short := map[event.Place]int64{}
	for i := range before.Items {
		short[before.Items[i].Place] = before.Items[i].Result.Shortfall
	}
	for i := range with.Items {
		if it := &with.Items[i]; it.Result.Shortfall > short[it.Place] {
			return fmt.Sprintf("%s at %s then misses %d instead of %d", it.ID, it.Place.Time, it.Result.Shortfall, short[it.Place])
		}
	}
	old, now := before.Steps(event.EndOf(event.MaxTime)), with.Steps(event.EndOf(event.MaxTime))
	var was, is oracle.Step
	for len(old)+len(now) > 0 {
		at := event.MaxTime
		for _, steps := range [][]oracle.Step{old, now} {
			if len(steps) > 0 {
				at = min(at, steps[0].At)
			}
		}
		if len(old) > 0 && old[0].At == at {
			was, old = old[0], old[1:]
		}
		if len(now) > 0 && now[0].At == at {
			is, now = now[0], now[1:]
		}
		if is.Debt > was.Debt {
			return fmt.Sprintf("at %s then %d is owed instead of %d", at, is.Debt, was.Debt)
		}
	}
	return ""
}

// checkOrderRules judges a place by the orders that were live when it was
// processed; one of an order that was live isn't judged.
func (w *walk) checkOrderRules(p *published[event.Entry], before *oracle.Timeline, made *decision) {
	rules := w.h.v.Policies.Orders
	if rules == (event.OrderPolicy{}) {
		return
	}
	e, ev := &p.value, &w.taken[len(w.taken)-1].Event
	var live []oracle.Order
	if before != nil {
		live = before.Live
	}
	if !slices.ContainsFunc(live, func(o oracle.Order) bool { return o.ID == ev.Ref }) {
		if n := int64(len(live)) + 1; rules.MaxLiveOrders > 0 && n > rules.MaxLiveOrders {
			made.alert(event.LiveOrdersLimit, ev, fmt.Sprint(n), fmt.Sprint(rules.MaxLiveOrders))
		}
		notional := ev.Quantity.Notional(ev.Price)
		if limit := rules.MaxOrderNotional; limit.Sign() > 0 && notional.Cmp(limit) > 0 {
			made.alert(event.OrderNotionalLimit, ev, notional.String(), limit.String())
		}
	}
	if broken := len(made.alerts) > 0; broken != (e.Code == event.RiskLimited) {
		w.fail(checkDecisions, "%s: place %s is %s %s, but %d live orders and a notional of %s break %d rules", where(p.record),
			e.EventID, e.Outcome, e.Code, len(live), ev.Quantity.Notional(ev.Price), len(made.alerts))
	}
	w.h.report.count(checkDecisions, "places judged", 1)
}

// checkDecidedOnce checks that a correction leaves decisions as they were.
func (w *walk) checkDecidedOnce(k *event.Correction, x *event.EntryChange) {
	if x.Before == nil || x.After == nil || !isDecided(x.Kind, x.Before) && !isDecided(x.Kind, x.After) {
		return
	}
	w.h.report.count(checkDecidedOnce, "entries corrected", 1)
	b, a := x.Before, x.After
	if b.Outcome != a.Outcome || b.Code != a.Code || b.Amount != a.Amount {
		w.fail(checkDecidedOnce, "%s decides %s %s anew: %s %s of %d after %s %s of %d", k.Cause.EventID, x.Kind, x.EventID,
			a.Outcome, a.Code, a.Amount, b.Outcome, b.Code, b.Amount)
	}
}

// isDecided reports whether an outcome is a decision for good.
func isDecided(kind event.Kind, r *event.Result) bool {
	return kind.IsConditional() || r.Outcome == event.Rejected || kind == event.PlaceOrder && r.Code == event.RiskLimited
}
