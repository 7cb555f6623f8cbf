package order

import (
	"highwater/pkg/event"
)

// Order is one order_id of one user at one place. The zero Order was never
// placed. It is a machine for timeline.
type Order struct {
	Status event.OrderStatus
	// did is what the command applied last did, about are the terms it is
	// counted with.
	did deed
	// Terms are those of the newest applied place; nil before one.
	Terms *event.Terms
	// Placed is where the live order was placed.
	Placed event.Place
	// UpdatedAt is the time of the last command that changed the order.
	UpdatedAt event.Time

	about *event.Terms
}

// deed is what a command did, as far as statistics tell.
type deed uint8

const (
	nothing deed = iota
	ignored
	placed
	paused
	resumed
	cancelled
)

// Share is what one command adds to the statistics of its window. An empty
// currency means nothing.
type Share struct {
	Currency string
	event.Tally
}

// Live reports whether the order can be paused, resumed or cancelled (I1).
func (o *Order) Live() bool { return o.Status == event.Active || o.Status == event.Paused }

// Last is the share of the command applied last.
func (o *Order) Last() (s Share) {
	if o.did == nothing {
		return s
	}
	s.Currency = o.about.Currency
	switch o.did {
	case ignored:
		s.Ignored = 1
	case placed:
		s.Placed, s.LiveOrdersDelta = 1, 1
		s.PlacedAmount, s.PlacedNotional = o.about.Quantity, o.about.Notional()
		s.LiveNotionalDelta = s.PlacedNotional
	case paused:
		s.Paused = 1
	case resumed:
		s.Resumed = 1
	case cancelled:
		s.Cancelled, s.LiveOrdersDelta = 1, -1
		s.LiveNotionalDelta = o.about.Notional().Neg()
	}
	return s
}

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
	o.did, o.about = nothing, nil
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
			o.did, o.about = ignored, o.Terms
		}
		if op.Kind == event.PlaceOrder {
			o.did, o.about = ignored, op.Terms()
		}
		return
	case op.Kind == event.PlaceOrder:
		o.begin(op)
	case op.Kind == event.Cancel:
		o.end(op)
	default:
		o.Status, o.UpdatedAt = to.to, op.Time
		o.did, o.about = paused, o.Terms
		if to.to == event.Active {
			o.did = resumed
		}
	}
	r.Outcome = event.Applied
	r.Order.Status = to.to
}

func (o *Order) begin(op *event.Placed) {
	o.Status, o.Terms, o.Placed, o.UpdatedAt = event.Active, op.Terms(), op.Place(), op.Time
	o.did, o.about = placed, o.Terms
}

func (o *Order) end(op *event.Placed) {
	o.Status, o.UpdatedAt = event.Cancelled, op.Time
	o.did, o.about = cancelled, o.Terms
}
