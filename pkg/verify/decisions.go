package verify

import (
	"fmt"
	"math/big"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/oracle"
)

// decision is what an event's arrival decided, made anew.
type decision struct {
	// code is why it is rejected; NoCode where nothing known speaks against it.
	code event.Code
	// because is what the code follows from.
	because string
	// amount is what an accepted capture, release or refund is about.
	amount event.Amount
	// funds is that only what there is at its place is left to decide.
	funds bool
	// givenUp is that the watermark passed it while it waited.
	givenUp bool
	// alerts are those of rules and limits that it broke.
	alerts []event.Alert
}

// decider makes anew, in the order in which the entries say events were
// processed, the decisions that depend on it.
type decider struct {
	h      *history
	events map[userEvent]*known
	grants map[userEvent]string
	// credited and debited are the totals ever, at face value; debits are
	// those that the rules of risk look at.
	credited, debited map[oracle.AccountName]*big.Int
	debits            map[oracle.AccountName][]debit
	waiting           waitingOps
}

// known is an event that made an entry.
type known struct {
	event    *event.Event
	rejected bool
	// What accepted operations took of a spend or hold.
	captures []capture
	refunded event.Amount
	released bool
}

type capture struct {
	place  event.Place
	amount event.Amount
}

type debit struct {
	at     event.Time
	amount event.Amount
}

// checkDecisions makes the decisions and compares them with the entries.
func (h *history) checkDecisions() {
	d := &decider{
		h: h, events: map[userEvent]*known{}, grants: map[userEvent]string{},
		credited: map[oracle.AccountName]*big.Int{}, debited: map[oracle.AccountName]*big.Int{}, debits: map[oracle.AccountName][]debit{},
	}
	d.waiting.decider = d
	for _, p := range h.entries {
		e := &p.value
		if e.Kind.IsDue() {
			continue
		}
		if e.Kind == event.Received {
			add(d.credited, oracle.AccountName{User: e.UserID, Asset: e.Asset}, e.Amount)
			continue
		}
		in := h.find(e.Input)
		if in == nil || in.refusal != nil {
			continue // told as a failure of the inputs
		}
		h.report.count(checkDecisions, "events", 1)
		if d.waiting.entry(p, &in.event) {
			d.decided(p, &in.event)
		}
		d.waiting.processed(e, &in.event)
	}
	d.waiting.end()
}

// decided compares an entry with the decision made anew, and takes it in.
func (d *decider) decided(p *published[event.Entry], ev *event.Event) {
	e := &p.value
	made := d.decide(e, ev)
	d.h.decided[e] = made
	got := event.NoCode
	if e.Outcome == event.Rejected {
		got = e.Code
	}
	if got != made.code && (!made.funds || got != event.InsufficientFunds) {
		d.h.report.fail(checkDecisions, "%s: %s of %s/%s (%s) is %s %s, but %s", where(p.record), e.EventID, e.UserID, e.Asset,
			kafka.FormatPosition(e.Input), e.Outcome, e.Code, made.because)
	}
	if made.amount != 0 && got == event.NoCode && e.Amount != made.amount {
		d.h.report.fail(checkDecisions, "%s: %s %s of %s is about %d, expected %d: %s", where(p.record), e.Kind, e.EventID, e.UserID, e.Amount, made.amount, made.because)
	}
	if got != event.NoCode {
		d.h.report.count(checkDecisions, got.String(), 1)
	}
	d.take(e, ev, got)
}

// take takes in what was decided, as the entry has it.
func (d *decider) take(e *event.Entry, ev *event.Event, got event.Code) {
	k := d.events[userEvent{ev.User, ev.ID}]
	if k == nil {
		k = &known{event: ev}
		d.events[userEvent{ev.User, ev.ID}] = k
	}
	k.rejected = got != event.NoCode
	if k.rejected {
		return
	}
	account := oracle.AccountName{User: ev.User, Asset: ev.Asset}
	parent := d.events[userEvent{ev.User, ev.Ref}]
	switch ev.Kind {
	case event.Grant, event.Add:
		d.grants[userEvent{ev.User, ev.GrantID()}] = ev.ID
		add(d.credited, account, ev.Amount)
	case event.Subtract, event.Spend, event.Hold, event.Transfer:
		add(d.debited, account, ev.Amount)
		d.debits[account] = append(d.debits[account], debit{ev.EffectiveTime(), ev.Amount})
	case event.Capture:
		if parent != nil {
			parent.captures = append(parent.captures, capture{ev.Place(), e.Amount})
		}
	case event.Release:
		if parent != nil {
			parent.released = true
		}
	case event.Refund:
		if parent != nil {
			parent.refunded += e.Amount
		}
	}
}

// decide decides an event by all that was decided before it.
func (d *decider) decide(e *event.Entry, ev *event.Event) *decision {
	account := oracle.AccountName{User: ev.User, Asset: ev.Asset}
	made := &decision{because: "nothing speaks against it"}
	switch ev.Kind {
	case event.Grant, event.Add:
		if first, taken := d.grants[userEvent{ev.User, ev.GrantID()}]; taken {
			made.reject(event.GrantExists, "%s made the grant %q before", first, ev.GrantID())
			return made
		}
		made.overflow(d.credited[account], ev)
	case event.Subtract:
		if !made.overflow(d.debited[account], ev) {
			d.breaksRule(made, ev)
		}
	case event.Spend, event.Hold, event.Transfer:
		if made.overflow(d.debited[account], ev) {
			return made
		}
		if d.breaksRule(made, ev) {
			made.reject(event.RiskLimited, "it breaks a rule of risk")
			return made
		}
		made.funds = true
	case event.Capture, event.Release, event.Refund:
		d.decideChild(made, ev)
		made.givenUp = e.Revision == 1 && d.events[userEvent{ev.User, ev.Ref}] == nil
	}
	return made
}

func (m *decision) reject(code event.Code, because string, args ...any) {
	m.code, m.because = code, fmt.Sprintf(because, args...)
}

// overflow rejects an event that brings a total past the limit, with an alert.
func (m *decision) overflow(total *big.Int, ev *event.Event) bool {
	sum := big.NewInt(int64(ev.Amount))
	if total != nil {
		sum.Add(sum, total)
	}
	limit := big.NewInt(event.MaxTotal)
	if sum.Cmp(limit) <= 0 {
		return false
	}
	m.reject(event.AmountOverflow, "the total would be %d", sum)
	m.alert(event.OverflowAlert, ev, sum.String(), limit.String())
	return true
}

func (m *decision) alert(kind event.AlertKind, ev *event.Event, value, limit string) {
	m.alerts = append(m.alerts, event.Alert{Kind: kind, EventID: ev.ID, Value: value, Limit: limit})
}

// breaksRule looks at the debits in the window that ends with one.
func (d *decider) breaksRule(m *decision, ev *event.Event) bool {
	p := d.h.v.Policies.For(ev.Asset)
	if p.MaxSpendAmount == 0 && p.MaxSpendCount == 0 {
		return false
	}
	at := ev.EffectiveTime()
	sum, count := int64(ev.Amount), int64(1)
	for _, o := range d.debits[oracle.AccountName{User: ev.User, Asset: ev.Asset}] {
		if int64(o.at) > int64(at)-p.Window && o.at <= at {
			sum += int64(o.amount)
			count++
		}
	}
	if limit := int64(p.MaxSpendAmount); limit > 0 && sum > limit {
		m.alert(event.SpendAmountLimit, ev, fmt.Sprint(sum), fmt.Sprint(limit))
	}
	if limit := p.MaxSpendCount; limit > 0 && count > limit {
		m.alert(event.SpendCountLimit, ev, fmt.Sprint(count), fmt.Sprint(limit))
	}
	return len(m.alerts) > 0
}

// decideChild decides a capture, release or refund by what it names.
func (d *decider) decideChild(m *decision, ev *event.Event) {
	k := d.events[userEvent{ev.User, ev.Ref}]
	switch {
	case k == nil || k.event.Asset != ev.Asset:
		m.reject(event.UnknownReference, "%q is no event of this asset processed before it", ev.Ref)
	case k.event.Kind != event.Hold && (ev.Kind != event.Refund || k.event.Kind != event.Spend), k.rejected:
		m.reject(event.NotASpend, "%q is a %s, rejected: %t", ev.Ref, k.event.Kind, k.rejected)
	case ev.Place().Before(k.event.Place()):
		m.reject(event.BeforeReference, "%q is at %s", ev.Ref, k.event.EffectiveTime())
	case ev.Kind == event.Refund:
		m.refund(k, ev)
	default:
		m.onHold(k, ev)
	}
}

func (m *decision) refund(of *known, ev *event.Event) {
	taken := event.Amount(0)
	if of.event.Kind == event.Spend {
		taken = of.event.Amount
	}
	for _, c := range of.captures {
		if c.place.Before(ev.Place()) {
			taken += c.amount
		}
	}
	left := taken - of.refunded
	switch {
	case left <= 0 && of.refunded > 0:
		m.reject(event.AlreadyRefunded, "all %d were refunded", taken)
	case left <= 0 || ev.Amount > left:
		m.reject(event.ExceedsRefundable, "%d are left to refund", left)
	default:
		m.accept(left, ev)
	}
}

func (m *decision) onHold(hold *known, ev *event.Event) {
	left := hold.event.Amount
	for _, c := range hold.captures {
		left -= c.amount
	}
	if hold.released {
		left = 0
	}
	expires := hold.event.ExpiresAt
	switch {
	case left == 0:
		m.reject(event.HoldResolved, "nothing is left of %q", ev.Ref)
	case expires != event.NoTime && ev.EffectiveTime() >= expires:
		m.reject(event.HoldIsExpired, "%q expires at %s", ev.Ref, expires)
	case ev.Kind == event.Capture && ev.Amount > left:
		m.reject(event.ExceedsHeld, "%d are left of %q", left, ev.Ref)
	default:
		m.accept(left, ev)
	}
}

// accept fixes the amount: that of the event, or all that is left.
func (m *decision) accept(left event.Amount, ev *event.Event) {
	m.amount = ev.Amount
	if ev.Amount == event.NoAmount || ev.Kind == event.Release {
		m.amount = left
	}
	m.because = fmt.Sprintf("%d are left of %q", left, ev.Ref)
}

func add(totals map[oracle.AccountName]*big.Int, account oracle.AccountName, amount event.Amount) {
	if totals[account] == nil {
		totals[account] = new(big.Int)
	}
	totals[account].Add(totals[account], big.NewInt(int64(amount)))
}
