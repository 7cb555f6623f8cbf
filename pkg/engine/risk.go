package engine

import (
	"fmt"
	"strconv"

	"highwater/pkg/event"
)

// breaksRule reports whether a debit breaks a rule of its asset, and notes
// every rule it breaks for the alerts that follow its entry.
func (e *Engine) breaksRule(a *account, op *event.Placed) bool {
	p := e.cfg.Policies.For(a.asset)
	if p.MaxSpendAmount == 0 && p.MaxSpendCount == 0 {
		return false
	}
	sum, count := e.spentIn(a, op.Time-event.Time(p.Window), op.Time)
	sum, count = sum+uint64(op.Amount), count+1
	hits := len(e.hits)
	if p.MaxSpendAmount > 0 && sum > uint64(p.MaxSpendAmount) {
		e.hit(event.SpendAmountLimit, "the amount debited within the window passes the limit",
			strconv.FormatUint(sum, 10), strconv.FormatInt(int64(p.MaxSpendAmount), 10))
	}
	if p.MaxSpendCount > 0 && count > p.MaxSpendCount {
		e.hit(event.SpendCountLimit, "the number of debits within the window passes the limit",
			strconv.FormatInt(count, 10), strconv.FormatInt(p.MaxSpendCount, 10))
	}
	return len(e.hits) > hits
}

// recent are an account's debits in the window that its rules look at, as far
// as its newest one: so that events on time needn't read the window again.
type recent struct {
	debits []debited
	sum    uint64
	// It is complete in (from, newest].
	from, newest event.Time
}

func (r *recent) bytes() int {
	if r == nil {
		return 0
	}
	return cap(r.debits) * 16
}

// debited is what one debit took at face value.
type debited struct {
	at     event.Time
	amount event.Amount
}

// spentIn is what debits of an account took at face value in (from, to], and
// how many there were.
func (e *Engine) spentIn(a *account, from, to event.Time) (sum uint64, count int64) {
	if r := a.recent(); r != nil && to >= r.newest && from >= r.from {
		r.forget(from)
		r.newest = to
		return r.sum, int64(len(r.debits))
	}
	r := e.readRecent(a, from, to)
	if to >= a.line.Last().Time {
		a.rare().recent = r
	}
	return r.sum, int64(len(r.debits))
}

// forget drops what is not behind a time.
func (r *recent) forget(from event.Time) {
	gone := 0
	for gone < len(r.debits) && r.debits[gone].at <= from {
		r.sum -= uint64(r.debits[gone].amount)
		gone++
	}
	r.debits = r.debits[gone:]
	r.from = from
}

// readRecent reads an account's debits in (from, to].
func (e *Engine) readRecent(a *account, from, to event.Time) *recent {
	first := appendNumbered(nil, keyEvent, a.number)
	if from >= 0 {
		first = appendPlaced(nil, keyEvent, a.number, event.EndOf(from))
	}
	r := &recent{from: from, newest: to}
	var op event.Placed
	var extra event.Event
	for key, row := range e.rows.Scan(first, appendPlaced(nil, keyEvent, a.number, event.EndOf(to))) {
		if !e.readEvent(key, row, &op, &extra) {
			break
		}
		r.add(&op)
	}
	return r
}

func (r *recent) add(op *event.Placed) {
	if op.Kind.IsDebit() && op.Outcome != event.Rejected {
		r.debits = append(r.debits, debited{op.Time, op.Amount})
		r.sum += uint64(op.Amount)
	}
}

// noteRecent keeps an account's window true when an event is placed.
func (a *account) noteRecent(op *event.Placed) {
	switch r := a.recent(); {
	case r == nil || !op.Kind.IsDebit():
	case op.Time < r.newest:
		a.seldom.recent = nil
	default:
		r.newest = op.Time
		r.add(op)
	}
}

// breaksOrderRule reports whether a place of an order that isn't live breaks a
// rule, and notes every rule it breaks.
func (e *Engine) breaksOrderRule(b *book, op *event.Placed) bool {
	p := &e.cfg.Policies.Orders
	hits := len(e.hits)
	if p.MaxLiveOrders > 0 {
		if live := int64(len(e.live(b))) + 1; live > p.MaxLiveOrders {
			e.hit(event.LiveOrdersLimit, "the user's live orders pass the limit",
				strconv.FormatInt(live, 10), strconv.FormatInt(p.MaxLiveOrders, 10))
		}
	}
	if p.MaxOrderNotional != (event.Decimal{}) {
		notional := op.Terms().Notional()
		if notional.Cmp(p.MaxOrderNotional) > 0 {
			e.hit(event.OrderNotionalLimit, "the order's notional passes the limit", notional.String(), p.MaxOrderNotional.String())
		}
	}
	return len(e.hits) > hits
}

// hit notes that the event in hand breaks a rule.
func (e *Engine) hit(kind event.AlertKind, message, value, limit string) {
	e.hits = append(e.hits, event.Alert{Kind: kind, Message: fmt.Sprintf("%s: %s of %s", message, value, limit), Value: value, Limit: limit})
}

// sayHits says the alerts of the rules that an entry's event broke. What
// falls due before the event is said before it.
func (e *Engine) sayHits(entry *event.Entry) {
	if entry.Kind.IsDue() {
		return
	}
	for i := range e.hits {
		h := &e.hits[i]
		h.UserID, h.Asset, h.EventID = entry.UserID, entry.Asset, entry.EventID
		e.sayAlert(h)
	}
	e.hits = e.hits[:0]
}
