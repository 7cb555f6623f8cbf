package oracle

import (
	"fmt"
	"math/big"
	"slices"

	"highwater/pkg/event"
)

// known is an event that made an entry.
type known struct {
	event event.Event
	// waiting is that it isn't decided yet.
	waiting  bool
	rejected bool
}

// decide makes the decisions that the arrival of an event makes: why it is
// rejected, if it is, and the amount where it gave none. Whatever has several
// reasons has the first in the order of codes.
func (m *Model) decide(t *Taken) {
	e := &t.Event
	switch e.Kind {
	case event.Grant, event.Add:
		id := name{e.User, e.GrantID()}
		switch {
		case m.grants[id]:
			t.Rejected = event.GrantExists
		case m.overflows(m.credited, e):
			t.Rejected = event.AmountOverflow
		default:
			m.grants[id] = true
			m.add(m.credited, e)
		}
	case event.Received:
		m.add(m.credited, e)
	case event.Subtract:
		if m.overflows(m.debited, e) {
			t.Rejected = event.AmountOverflow
			return
		}
		m.breaksSpendRule(t)
		m.add(m.debited, e)
	case event.Spend, event.Hold, event.Transfer:
		m.decideDebit(t)
	case event.Refund:
		t.Amount, t.Rejected = m.decideRefund(e)
	case event.Capture, event.Release:
		t.Amount, t.Rejected = m.decideOnHold(e)
	case event.PlaceOrder:
		if m.breaksOrderRule(e) {
			t.Rejected = event.RiskLimited
		}
	}
}

// overflows tells, with an alert, that an event would bring a total past 2^62.
func (m *Model) overflows(totals map[name]*big.Int, e *event.Event) bool {
	total := big.NewInt(int64(e.Amount))
	if so := totals[name{e.User, e.Asset}]; so != nil {
		total.Add(total, so)
	}
	limit := big.NewInt(event.MaxTotal)
	if total.Cmp(limit) <= 0 {
		return false
	}
	m.alertLimit(e, event.OverflowAlert, total.String(), limit.String())
	return true
}

func (m *Model) add(totals map[name]*big.Int, e *event.Event) {
	key := name{e.User, e.Asset}
	if totals[key] == nil {
		totals[key] = new(big.Int)
	}
	totals[key].Add(totals[key], big.NewInt(int64(e.Amount)))
}

// decideDebit decides a spend, hold or transfer.
func (m *Model) decideDebit(t *Taken) {
	e := &t.Event
	if m.overflows(m.debited, e) {
		t.Rejected = event.AmountOverflow
		return
	}
	if m.breaksSpendRule(t) {
		t.Rejected = event.RiskLimited
		return
	}
	drawn, covered := m.tryDebit(t)
	if !covered {
		t.Rejected = event.InsufficientFunds
		return
	}
	m.add(m.debited, e)
	if e.Kind == event.Transfer {
		m.out.Remittances = append(m.out.Remittances, event.Remittance{
			From: e.User, To: e.To, EventID: e.ID, Asset: e.Asset, OccurredAt: e.OccurredAt, Sequence: e.Sequence,
			ArrivedAt: t.ArrivedAt, Input: t.Input, Grants: drawn,
		})
	}
}

// tryDebit replays the account with and without a debit: it is covered where
// no event has a greater shortfall with it, itself included, and no greater
// debt stands at any time, past or to come. It gives what the debit drew.
func (m *Model) tryDebit(t *Taken) (drawn []event.RemittedGrant, covered bool) {
	a := m.account(t.Event.User, t.Event.Asset)
	with, credits, err := replayCredits(append(slices.Clone(a.taken), *t))
	if err != nil {
		panic("oracle: I2: " + a.user + "/" + a.asset + ": " + err.Error())
	}
	short := map[event.Place]int64{}
	for _, it := range a.line.Items {
		short[it.Place] = it.Result.Shortfall
	}
	for _, it := range with.Items {
		if it.Result.Shortfall > short[it.Place] {
			return nil, false
		}
		if it.Place == t.Place() {
			for _, s := range it.Result.Slices {
				drawn = append(drawn, event.RemittedGrant{
					Amount: s.Amount, ExpiresAt: s.ExpiresAt, Priority: credits.grants[s.GrantID].priority,
				})
			}
		}
	}
	for _, s := range stretches(a.line.Items, with.Items) {
		if s.Debt > 0 {
			return nil, false
		}
	}
	return drawn, true
}

// refer finds what an operation names, or says why it names nothing it may.
func (m *Model) refer(e *event.Event, may ...event.Kind) (*event.Event, event.Code) {
	k, ok := m.events[name{e.User, e.Ref}]
	switch {
	case !ok || k.event.Asset != e.Asset:
		return nil, event.UnknownReference
	case !slices.Contains(may, k.event.Kind) || k.rejected:
		return nil, event.NotASpend
	case e.Place().Before(k.event.Place()):
		return nil, event.BeforeReference
	}
	return &k.event, event.NoCode
}

// acceptedOn are the accepted operations of a kind on a spend or hold.
func (m *Model) acceptedOn(parent *event.Event, kind event.Kind) []Taken {
	var on []Taken
	for _, t := range m.account(parent.User, parent.Asset).taken {
		if t.Event.Kind == kind && t.Event.Ref == parent.ID && t.Rejected == event.NoCode {
			on = append(on, t)
		}
	}
	return on
}

// decideRefund decides a refund, and its amount where it gave none.
func (m *Model) decideRefund(e *event.Event) (event.Amount, event.Code) {
	parent, code := m.refer(e, event.Spend, event.Hold)
	if code != event.NoCode {
		return 0, code
	}
	left := event.Amount(0)
	if parent.Kind == event.Spend {
		left = parent.Amount
	}
	for _, capture := range m.acceptedOn(parent, event.Capture) {
		if capture.Place().Before(e.Place()) {
			left += capture.Amount
		}
	}
	refunds := m.acceptedOn(parent, event.Refund)
	for _, refund := range refunds {
		left -= refund.Amount
	}
	switch {
	case left <= 0 && len(refunds) > 0:
		return 0, event.AlreadyRefunded
	case left <= 0 || e.Amount > left:
		return 0, event.ExceedsRefundable
	case e.Amount == event.NoAmount:
		return left, event.NoCode
	}
	return e.Amount, event.NoCode
}

// decideOnHold decides a capture or release, and its amount where it gave
// none.
func (m *Model) decideOnHold(e *event.Event) (event.Amount, event.Code) {
	hold, code := m.refer(e, event.Hold)
	if code != event.NoCode {
		return 0, code
	}
	left := hold.Amount
	for _, capture := range m.acceptedOn(hold, event.Capture) {
		left -= capture.Amount
	}
	if len(m.acceptedOn(hold, event.Release)) > 0 {
		left = 0
	}
	switch {
	case left == 0:
		return 0, event.HoldResolved
	case hold.ExpiresAt != event.NoTime && e.EffectiveTime() >= hold.ExpiresAt:
		return 0, event.HoldIsExpired
	case e.Kind == event.Release || e.Amount == event.NoAmount:
		return left, event.NoCode
	case e.Amount > left:
		return 0, event.ExceedsHeld
	}
	return e.Amount, event.NoCode
}

// breaksSpendRule tells, with an alert for each, whether a debit breaks a
// risk rule of its asset: the amount or the number of debits in the window
// that ends with it.
func (m *Model) breaksSpendRule(t *Taken) bool {
	e, p := &t.Event, t.Policy
	amount, count := int64(e.Amount), int64(1)
	for _, o := range m.account(e.User, e.Asset).taken {
		switch o.Event.Kind {
		case event.Subtract, event.Spend, event.Hold, event.Transfer:
			at := o.Event.EffectiveTime()
			if o.Rejected == event.NoCode && int64(at) > int64(e.EffectiveTime())-p.Window && at <= e.EffectiveTime() {
				amount += int64(o.Event.Amount)
				count++
			}
		}
	}
	broken := false
	if limit := int64(p.MaxSpendAmount); limit > 0 && amount > limit {
		broken = true
		m.alertLimit(e, event.SpendAmountLimit, fmt.Sprint(amount), fmt.Sprint(limit))
	}
	if limit := p.MaxSpendCount; limit > 0 && count > limit {
		broken = true
		m.alertLimit(e, event.SpendCountLimit, fmt.Sprint(count), fmt.Sprint(limit))
	}
	return broken
}

// breaksOrderRule tells, with an alert for each, whether a place breaks a risk
// rule. One of an order that is live now isn't judged.
func (m *Model) breaksOrderRule(e *event.Event) bool {
	live := m.account(e.User, "").line.Live
	if slices.ContainsFunc(live, func(o Order) bool { return o.ID == e.Ref }) {
		return false
	}
	rules, broken := m.policies.Orders, false
	if n := int64(len(live)) + 1; rules.MaxLiveOrders > 0 && n > rules.MaxLiveOrders {
		broken = true
		m.alertLimit(e, event.LiveOrdersLimit, fmt.Sprint(n), fmt.Sprint(rules.MaxLiveOrders))
	}
	notional := e.Quantity.Notional(e.Price)
	if limit := rules.MaxOrderNotional; limit.Sign() > 0 && notional.Cmp(limit) > 0 {
		broken = true
		m.alertLimit(e, event.OrderNotionalLimit, notional.String(), limit.String())
	}
	return broken
}

// alertLimit is an alert of an event that goes past a limit. One about orders
// names no asset.
func (m *Model) alertLimit(e *event.Event, kind event.AlertKind, value, limit string) {
	asset := e.Asset
	if e.Kind.IsOrder() {
		asset = ""
	}
	m.alert(event.Alert{UserID: e.User, Asset: asset, Kind: kind, EventID: e.ID, Value: value, Limit: limit})
}
