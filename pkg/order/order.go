package order

import (
	"highwater/pkg/event"
)

// Order is one order_id of one user at one place. The zero Order was never
// placed. It is a machine for timeline.
type Order struct {
	Status event.OrderStatus
	// Terms are those of the newest applied place; nil before one.
	Terms *event.Terms
	// Placed is where the live order was placed.
	Placed event.Place
	// UpdatedAt is the time of the last command that changed the order.
	UpdatedAt event.Time

	last Share
}

// Share is what one command adds to the statistics of its window. An empty
// currency means nothing.
type Share struct {
	Currency string
	event.Tally
}

// Live reports whether the order can be paused, resumed or cancelled (I1).
func (o *Order) Live() bool { return o.Status == event.Active || o.Status == event.Paused }

// Last is the share of the command applied last.
func (o *Order) Last() Share { return o.last }

// CopyFrom makes o the same state as p.
func (o *Order) CopyFrom(p *Order) { *o = *p }

// Equal reports whether both states answer all that follows alike.
func (o *Order) Equal(p *Order) bool {
	return o.LooksLike(p) && (!o.Live() || o.Placed == p.Placed)
}

// LooksLike reports whether both states are published alike.
func (o *Order) LooksLike(p *Order) bool {
	if o.Live() != p.Live() {
		return false
	}
	return !o.Live() || o.Status == p.Status && o.Placed.Time == p.Placed.Time && o.UpdatedAt == p.UpdatedAt && *o.Terms == *p.Terms
}

// Weight is small: an order's state never grows.
func (o *Order) Weight() int { return 0 }

// NextDue says that nothing happens to an order by itself.
func (o *Order) NextDue() (event.Place, bool) { return event.Place{}, false }

// DueTime is later than any valid time.
func (o *Order) DueTime() event.Time { return 1<<63 - 1 }

// Due is never called: NextDue names nothing.
func (o *Order) Due(*event.Result) { panic("order: an order has no due items") }

// transition is what a command does to an order in a state.
type transition struct {
	to   event.OrderStatus
	code event.Code
}

// table gives for each state and command where it leads, or why it is
// ignored.
var table = [4]map[event.Kind]transition{
	event.NoOrderStatus: notLive,
	event.Active: {
		event.PlaceOrder: {code: event.DuplicateOrder},
		event.Pause:      {to: event.Paused},
		event.Resume:     {code: event.NotPaused},
		event.Cancel:     {to: event.Cancelled},
		event.CancelAll:  {to: event.Cancelled},
	},
	event.Paused: {
		event.PlaceOrder: {code: event.DuplicateOrder},
		event.Pause:      {code: event.NotActive},
		event.Resume:     {to: event.Active},
		event.Cancel:     {to: event.Cancelled},
		event.CancelAll:  {to: event.Cancelled},
	},
	event.Cancelled: notLive,
}

var notLive = map[event.Kind]transition{
	event.PlaceOrder: {to: event.Active},
	event.Pause:      {code: event.UnknownOrder},
	event.Resume:     {code: event.UnknownOrder},
	event.Cancel:     {code: event.UnknownOrder},
	event.CancelAll:  {code: event.UnknownOrder},
}

// Apply performs a command. For a cancel_all, the result says whether it
// ended this order: Order.Cancelled is 1 or 0.
func (o *Order) Apply(op *event.Placed, r *event.Result) {
	o.last = Share{}
	r.Amount = event.NoAmount
	if op.Kind != event.CancelAll {
		r.Order.OrderID = op.Ref()
	}
	to := table[o.Status][op.Kind]
	if op.Outcome == event.Ignored { // refused when it was processed
		to = transition{code: op.Code}
	}
	switch {
	case op.Kind == event.CancelAll:
		r.Outcome = event.Applied
		if to.code == event.NoCode {
			r.Order.Cancelled = 1
			o.end(op)
		}
		return
	case to.code != event.NoCode:
		r.Outcome, r.Code = event.Ignored, to.code
		if o.Live() && op.Outcome != event.Ignored {
			r.Order.Status = o.Status
			o.last.Currency = o.Terms.Currency
			o.last.Ignored = 1
		}
		if op.Kind == event.PlaceOrder {
			o.last.Currency = op.Terms().Currency
			o.last.Ignored = 1
		}
		return
	case op.Kind == event.PlaceOrder:
		o.begin(op)
	case op.Kind == event.Cancel:
		o.end(op)
	default:
		o.Status, o.UpdatedAt = to.to, op.Time
		o.last.Currency = o.Terms.Currency
		if to.to == event.Paused {
			o.last.Paused = 1
		} else {
			o.last.Resumed = 1
		}
	}
	r.Outcome = event.Applied
	r.Order.Status = to.to
}

func (o *Order) begin(op *event.Placed) {
	o.Status, o.Terms, o.Placed, o.UpdatedAt = event.Active, op.Terms(), op.Place(), op.Time
	notional := o.Terms.Quantity.Notional(o.Terms.Price)
	o.last = Share{Currency: o.Terms.Currency, Tally: event.Tally{
		Placed: 1, PlacedAmount: o.Terms.Quantity, PlacedNotional: notional,
		LiveOrdersDelta: 1, LiveNotionalDelta: notional,
	}}
}

func (o *Order) end(op *event.Placed) {
	notional := o.Terms.Quantity.Notional(o.Terms.Price)
	o.Status, o.UpdatedAt = event.Cancelled, op.Time
	o.last = Share{Currency: o.Terms.Currency, Tally: event.Tally{
		Cancelled: 1, LiveOrdersDelta: -1, LiveNotionalDelta: notional.Neg(),
	}}
}
