package order_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"highwater/pkg/event"
	"highwater/pkg/order"
)

func decimal(s string) event.Decimal {
	d, err := event.ParseDecimal(s)
	if err != nil {
		panic(err)
	}
	return d
}

// command is a command on the order o1 at a time.
func command(kind event.Kind, at event.Time) *event.Placed {
	op := event.Placed{ID: fmt.Sprintf("e%d", at), Kind: kind, Time: at, Amount: event.NoAmount}
	if kind == event.CancelAll {
		op.Amount = 0
		return &op
	}
	d := op.Details()
	d.Ref = "o1"
	if kind == event.PlaceOrder {
		d.Terms = &event.Terms{Currency: "EUR", Quantity: decimal("2"), Price: decimal("1.5")}
	}
	op = op.With(d)
	return &op
}

// after is an order that commands brought about.
func after(kinds ...event.Kind) (o order.Order) {
	for i, k := range kinds {
		o.Apply(command(k, event.Time(i+1)), &event.Result{})
	}
	return o
}

var (
	neverPlaced = after()
	active      = after(event.PlaceOrder)
	resumed     = after(event.PlaceOrder, event.Pause, event.Resume)
	paused      = after(event.PlaceOrder, event.Pause)
	cancelled   = after(event.PlaceOrder, event.Cancel)
	swept       = after(event.PlaceOrder, event.Pause, event.CancelAll)
)

// The transition table: every command in every state.
func TestTransitions(t *testing.T) {
	one, notional := decimal("2"), decimal("3")
	var (
		none    = order.Share{}
		ignored = order.Share{Currency: "EUR", Tally: event.Tally{Ignored: 1}}
		placed  = order.Share{Currency: "EUR", Tally: event.Tally{
			Placed: 1, PlacedAmount: one, PlacedNotional: notional, LiveOrdersDelta: 1, LiveNotionalDelta: notional,
		}}
		pausing  = order.Share{Currency: "EUR", Tally: event.Tally{Paused: 1}}
		resuming = order.Share{Currency: "EUR", Tally: event.Tally{Resumed: 1}}
		ending   = order.Share{Currency: "EUR", Tally: event.Tally{Cancelled: 1, LiveOrdersDelta: -1, LiveNotionalDelta: notional.Neg()}}
	)
	for _, c := range []struct {
		state  string
		from   order.Order
		kind   event.Kind
		code   event.Code
		shown  event.OrderStatus
		ended  int64
		to     event.OrderStatus
		shares order.Share
	}{
		{"never placed", neverPlaced, event.PlaceOrder, 0, event.Active, 0, event.Active, placed},
		{"never placed", neverPlaced, event.Pause, event.UnknownOrder, 0, 0, 0, none},
		{"never placed", neverPlaced, event.Resume, event.UnknownOrder, 0, 0, 0, none},
		{"never placed", neverPlaced, event.Cancel, event.UnknownOrder, 0, 0, 0, none},
		{"never placed", neverPlaced, event.CancelAll, 0, 0, 0, 0, none},

		{"active", active, event.PlaceOrder, event.DuplicateOrder, event.Active, 0, event.Active, ignored},
		{"active", active, event.Pause, 0, event.Paused, 0, event.Paused, pausing},
		{"active", active, event.Resume, event.NotPaused, event.Active, 0, event.Active, ignored},
		{"active", active, event.Cancel, 0, event.Cancelled, 0, event.Cancelled, ending},
		{"active", active, event.CancelAll, 0, 0, 1, event.Cancelled, ending},

		{"resumed", resumed, event.PlaceOrder, event.DuplicateOrder, event.Active, 0, event.Active, ignored},
		{"resumed", resumed, event.Pause, 0, event.Paused, 0, event.Paused, pausing},
		{"resumed", resumed, event.Resume, event.NotPaused, event.Active, 0, event.Active, ignored},
		{"resumed", resumed, event.Cancel, 0, event.Cancelled, 0, event.Cancelled, ending},
		{"resumed", resumed, event.CancelAll, 0, 0, 1, event.Cancelled, ending},

		{"paused", paused, event.PlaceOrder, event.DuplicateOrder, event.Paused, 0, event.Paused, ignored},
		{"paused", paused, event.Pause, event.NotActive, event.Paused, 0, event.Paused, ignored},
		{"paused", paused, event.Resume, 0, event.Active, 0, event.Active, resuming},
		{"paused", paused, event.Cancel, 0, event.Cancelled, 0, event.Cancelled, ending},
		{"paused", paused, event.CancelAll, 0, 0, 1, event.Cancelled, ending},

		{"cancelled", cancelled, event.PlaceOrder, 0, event.Active, 0, event.Active, placed},
		{"cancelled", cancelled, event.Pause, event.UnknownOrder, 0, 0, event.Cancelled, none},
		{"cancelled", cancelled, event.Resume, event.UnknownOrder, 0, 0, event.Cancelled, none},
		{"cancelled", cancelled, event.Cancel, event.UnknownOrder, 0, 0, event.Cancelled, none},
		{"cancelled", cancelled, event.CancelAll, 0, 0, 0, event.Cancelled, none},

		{"swept", swept, event.PlaceOrder, 0, event.Active, 0, event.Active, placed},
		{"swept", swept, event.Pause, event.UnknownOrder, 0, 0, event.Cancelled, none},
		{"swept", swept, event.Resume, event.UnknownOrder, 0, 0, event.Cancelled, none},
		{"swept", swept, event.Cancel, event.UnknownOrder, 0, 0, event.Cancelled, none},
		{"swept", swept, event.CancelAll, 0, 0, 0, event.Cancelled, none},
	} {
		t.Run(c.state+"/"+c.kind.String(), func(t *testing.T) {
			o, r := c.from, event.Result{}
			op := command(c.kind, 100)
			o.Apply(op, &r)
			want := event.Result{
				Outcome: event.Applied, Code: c.code, Amount: event.NoAmount,
				Order: event.OrderChange{OrderID: op.Ref(), Status: c.shown, Cancelled: c.ended},
			}
			if c.code != event.NoCode {
				want.Outcome = event.Ignored
			}
			if !r.Same(&want) {
				t.Errorf("the result is %+v, not %+v", r, want)
			}
			if o.Status != c.to || o.Last() != c.shares {
				t.Errorf("it leads to %q and counts %+v, not %q and %+v", o.Status, o.Last(), c.to, c.shares)
			}
			if changes := o.Status != c.from.Status; changes && o.UpdatedAt != 100 || !changes && o.UpdatedAt != c.from.UpdatedAt {
				t.Errorf("updated at %d", o.UpdatedAt)
			}
			if _, due := o.NextDue(); due || o.DueTime() <= event.MaxTime {
				t.Errorf("something is due at %d", o.DueTime())
			}
		})
	}
}

// A duplicate place counts in the currency it names itself, and one that was
// refused when it was processed never starts an order.
func TestRefusedPlaces(t *testing.T) {
	op := command(event.PlaceOrder, 5)
	*op.Terms() = event.Terms{Currency: "USD", Quantity: decimal("9"), Price: decimal("9")}
	o, r := paused, event.Result{}
	o.Apply(op, &r)
	if want := (order.Share{Currency: "USD", Tally: event.Tally{Ignored: 1}}); o.Last() != want || o.Terms.Currency != "EUR" {
		t.Errorf("a duplicate counts %+v and leaves an order of %s", o.Last(), o.Terms.Currency)
	}

	op.Outcome, op.Code = event.Ignored, event.RiskLimited
	for _, from := range []order.Order{neverPlaced, cancelled} {
		o, r := from, event.Result{}
		o.Apply(op, &r)
		if r.Outcome != event.Ignored || r.Code != event.RiskLimited || r.Order.Status != event.NoOrderStatus || o.Live() {
			t.Errorf("a refused place is %+v and leaves the order %q", r, o.Status)
		}
		if want := (order.Share{Currency: "USD", Tally: event.Tally{Ignored: 1}}); o.Last() != want {
			t.Errorf("a refused place counts %+v", o.Last())
		}
	}
}

// LooksLike is about what is published, Equal about all that follows.
func TestEqual(t *testing.T) {
	for _, c := range []struct {
		name              string
		a, b              order.Order
		looksLike, equals bool
	}{
		{"itself", active, active, true, true},
		{"never placed and cancelled", neverPlaced, cancelled, true, true},
		{"cancelled twice over", cancelled, swept, true, true},
		{"live and not", active, cancelled, false, false},
		{"active and paused", active, paused, false, false},
		{"updated later", active, resumed, false, false},
		{"other terms", active, with(active, func(o *order.Order) {
			o.Terms = &event.Terms{Currency: "EUR", Quantity: decimal("2"), Price: decimal("1.6")}
		}), false, false},
		{"the same terms elsewhere in memory", active, with(active, func(o *order.Order) { terms := *o.Terms; o.Terms = &terms }), true, true},
		{"placed at another time", active, with(active, func(o *order.Order) { o.Placed.Time++ }), false, false},
		{"placed at another place of that time", active, with(active, func(o *order.Order) { o.Placed.Sequence++ }), true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, pair := range [][2]order.Order{{c.a, c.b}, {c.b, c.a}} {
				if got := pair[0].LooksLike(&pair[1]); got != c.looksLike {
					t.Errorf("LooksLike is %v", got)
				}
				if got := pair[0].Equal(&pair[1]); got != c.equals {
					t.Errorf("Equal is %v", got)
				}
			}
		})
	}
}

func with(o order.Order, change func(*order.Order)) order.Order {
	change(&o)
	return o
}

var kinds = []event.Kind{event.PlaceOrder, event.Pause, event.Resume, event.Cancel, event.CancelAll}

// steps applies random commands to one order.
func steps(t *rapid.T, visit func(before, o *order.Order, op *event.Placed, r *event.Result)) {
	var o order.Order
	for n := range rapid.IntRange(1, 30).Draw(t, "commands") {
		op := command(rapid.SampledFrom(kinds).Draw(t, "kind"), event.Time(n+1))
		if terms := op.Terms(); terms != nil {
			terms.Quantity = decimal(rapid.SampledFrom([]string{"1", "0.000000000000000003", "2.5"}).Draw(t, "quantity"))
		}
		before, r := o, event.Result{}
		o.Apply(op, &r)
		visit(&before, &o, op, &r)
	}
}

// I1: an order is live exactly while its status is ACTIVE or PAUSED, and what
// an entry shows of a live order is its status.
func TestI1LiveIsActiveOrPaused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps(t, func(_, o *order.Order, op *event.Placed, r *event.Result) {
			if live := o.Status == event.Active || o.Status == event.Paused; o.Live() != live {
				t.Fatalf("I1: an order that is %q: live is %v", o.Status, o.Live())
			}
			if o.Live() && op.Kind != event.CancelAll && r.Order.Status != o.Status {
				t.Fatalf("I1: after %s the order is %q, but %q is said", op.Kind, o.Status, r.Order.Status)
			}
		})
	})
}

// I2: a command that is ignored leaves the order as it was, and one that is
// applied doesn't, but for a cancel_all that ends nothing.
func TestI2IgnoredChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps(t, func(before, o *order.Order, op *event.Placed, r *event.Result) {
			nothing := r.Outcome == event.Ignored || op.Kind == event.CancelAll && r.Order.Cancelled == 0
			if before.Equal(o) != nothing {
				t.Fatalf("I2: %s is %s, and the order changed from %+v to %+v", op.Kind, r.Outcome, before, o)
			}
			if nothing && before.Status != o.Status {
				t.Fatalf("I2: %s is %s, and the order went from %q to %q", op.Kind, r.Outcome, before.Status, o.Status)
			}
		})
	})
}

// I3: the shares of all commands on an order sum to what is live of it.
func TestI3SharesSumToWhatIsLive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sum event.Tally
		var counted int64
		steps(t, func(_, o *order.Order, op *event.Placed, r *event.Result) {
			share := o.Last()
			order.Add(&sum, &share.Tally)
			var live int64
			var notional event.Decimal
			if o.Live() {
				live, notional = 1, o.Terms.Quantity.Notional(o.Terms.Price)
			}
			if sum.LiveOrdersDelta != live || sum.LiveNotionalDelta != notional {
				t.Fatalf("I3: after %s the shares sum to %d orders of %s, but %d of %s are live", op.Kind, sum.LiveOrdersDelta, sum.LiveNotionalDelta, live, notional)
			}
			// Each command counts once, unless it found no order.
			if r.Code != event.UnknownOrder && (op.Kind != event.CancelAll || r.Order.Cancelled > 0) {
				counted++
			}
			if all := sum.Placed + sum.Paused + sum.Resumed + sum.Cancelled + sum.Ignored; all != counted {
				t.Fatalf("I3: %d commands counted as %d", counted, all)
			}
		})
	})
}

func TestWindowOf(t *testing.T) {
	for _, c := range [][2]event.Time{
		{0, 0}, {1, 0}, {59_999_999, 0}, {60_000_000, 60_000_000}, {119_999_999, 60_000_000}, {event.MaxTime, event.MaxTime - 59_999_999},
	} {
		if got := order.WindowOf(c[0]); got != c[1] {
			t.Errorf("%d lies in the window that starts at %d, not %d", c[0], got, c[1])
		}
	}
}

// A tally and its negation sum to nothing, in every field.
func TestNegated(t *testing.T) {
	tally := event.Tally{
		Placed: 1, Paused: 2, Resumed: 3, Cancelled: 4, Ignored: 5,
		PlacedAmount: decimal("6"), PlacedNotional: decimal("7"), LiveOrdersDelta: 8, LiveNotionalDelta: decimal("9"),
	}
	twice := tally
	order.Add(&twice, &tally)
	want := event.Tally{
		Placed: 2, Paused: 4, Resumed: 6, Cancelled: 8, Ignored: 10,
		PlacedAmount: decimal("12"), PlacedNotional: decimal("14"), LiveOrdersDelta: 16, LiveNotionalDelta: decimal("18"),
	}
	if twice != want {
		t.Errorf("twice %+v is %+v", tally, twice)
	}
	back := order.Negated(tally)
	order.Add(&back, &tally)
	if back != (event.Tally{}) {
		t.Errorf("%+v less itself is %+v", tally, back)
	}
}
