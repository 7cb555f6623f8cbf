package oracle

import (
	"slices"

	"highwater/pkg/event"
)

// Order is one live order.
type Order struct {
	ID       string
	Currency string
	Quantity event.Decimal
	Price    event.Decimal
	Status   event.OrderStatus
	// Placed is the place of the command that started it.
	Placed event.Place
	// UpdatedAt is the effective time of the last command that changed it.
	UpdatedAt event.Time
}

// windowMicros is how long a window of order statistics lasts.
const windowMicros = 60_000_000

// Window is one minute of one currency.
type Window struct {
	Currency string
	Start    event.Time
}

// End is the first instant after the window.
func (w Window) End() event.Time { return w.Start + windowMicros }

// windowAt is the window of a currency that an instant lies in.
func windowAt(currency string, t event.Time) Window {
	return Window{currency, t - t%windowMicros}
}

// book is a user's orders while they are replayed.
type book struct {
	live    map[string]*Order
	tallies map[Window]event.Tally
}

// ReplayOrders replays the commands on one user's orders.
func ReplayOrders(taken []Taken) *Timeline {
	moments := make([]moment, 0, len(taken))
	for i := range taken {
		moments = append(moments, moment{place: taken[i].Place(), taken: &taken[i]})
	}
	inOrder(moments)
	b := &book{live: map[string]*Order{}, tallies: map[Window]event.Tally{}}
	line := &Timeline{}
	for _, m := range moments {
		e := &m.taken.Event
		r := event.Result{Outcome: event.Applied, Amount: event.NoAmount}
		if m.taken.Rejected != event.NoCode {
			r.Order, r.Code = b.refuse(e), m.taken.Rejected
		} else {
			r.Order, r.Code = b.command(e)
		}
		if r.Code != event.NoCode {
			r.Outcome = event.Ignored
		}
		line.Items = append(line.Items, Item{Place: m.place, Kind: e.Kind, ID: e.ID, Taken: m.taken, Result: r})
	}
	for _, o := range b.live {
		line.Live = append(line.Live, *o)
	}
	slices.SortFunc(line.Live, func(a, b Order) int { return a.Placed.Compare(b.Placed) })
	line.Tallies = b.tallies
	return line
}

// command does one command; a code says why it is ignored.
func (b *book) command(e *event.Event) (event.OrderChange, event.Code) {
	if e.Kind == event.CancelAll {
		return b.cancelAll(e), event.NoCode
	}
	o := b.live[e.Ref]
	if e.Kind == event.PlaceOrder {
		return b.place(e, o)
	}
	if o == nil {
		return event.OrderChange{OrderID: e.Ref}, event.UnknownOrder
	}
	says := event.OrderChange{OrderID: o.ID, Status: o.Status}
	count := func(f func(*event.Tally)) { b.count(o.Currency, e.EffectiveTime(), f) }
	switch {
	case e.Kind == event.Pause && o.Status != event.Active:
		count(func(t *event.Tally) { t.Ignored++ })
		return says, event.NotActive
	case e.Kind == event.Resume && o.Status != event.Paused:
		count(func(t *event.Tally) { t.Ignored++ })
		return says, event.NotPaused
	case e.Kind == event.Cancel:
		b.end(o, e.EffectiveTime())
		says.Status = event.Cancelled
		return says, event.NoCode
	case e.Kind == event.Pause:
		o.Status = event.Paused
		count(func(t *event.Tally) { t.Paused++ })
	case e.Kind == event.Resume:
		o.Status = event.Active
		count(func(t *event.Tally) { t.Resumed++ })
	}
	o.UpdatedAt = e.EffectiveTime()
	says.Status = o.Status
	return says, event.NoCode
}

// refuse counts a place that a risk rule refused.
func (b *book) refuse(e *event.Event) event.OrderChange {
	b.count(e.Currency, e.EffectiveTime(), func(t *event.Tally) { t.Ignored++ })
	return event.OrderChange{OrderID: e.Ref}
}

// place starts an order, unless one of its id is live.
func (b *book) place(e *event.Event, live *Order) (event.OrderChange, event.Code) {
	if live != nil {
		b.count(e.Currency, e.EffectiveTime(), func(t *event.Tally) { t.Ignored++ })
		return event.OrderChange{OrderID: e.Ref, Status: live.Status}, event.DuplicateOrder
	}
	b.live[e.Ref] = &Order{
		ID: e.Ref, Currency: e.Currency, Quantity: e.Quantity, Price: e.Price,
		Status: event.Active, Placed: e.Place(), UpdatedAt: e.EffectiveTime(),
	}
	notional := e.Quantity.Notional(e.Price)
	b.count(e.Currency, e.EffectiveTime(), func(t *event.Tally) {
		t.Placed++
		t.PlacedAmount = t.PlacedAmount.Add(e.Quantity)
		t.PlacedNotional = t.PlacedNotional.Add(notional)
		t.LiveOrdersDelta++
		t.LiveNotionalDelta = t.LiveNotionalDelta.Add(notional)
	})
	return event.OrderChange{OrderID: e.Ref, Status: event.Active}, event.NoCode
}

func (b *book) cancelAll(e *event.Event) event.OrderChange {
	says := event.OrderChange{Cancelled: int64(len(b.live))}
	for _, o := range b.live {
		b.end(o, e.EffectiveTime())
	}
	return says
}

// end takes an order out of the live ones and counts that.
func (b *book) end(o *Order, at event.Time) {
	delete(b.live, o.ID)
	notional := o.Quantity.Notional(o.Price)
	b.count(o.Currency, at, func(t *event.Tally) {
		t.Cancelled++
		t.LiveOrdersDelta--
		t.LiveNotionalDelta = t.LiveNotionalDelta.Sub(notional)
	})
}

func (b *book) count(currency string, at event.Time, f func(*event.Tally)) {
	w := windowAt(currency, at)
	t := b.tallies[w]
	f(&t)
	b.tallies[w] = t
}
