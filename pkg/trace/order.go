package trace

import (
	"fmt"
	"time"

	"highwater/pkg/event"
)

var currencies = []string{"EUR", "USD", "JPY"}

// orders makes the commands of one user: a few orders for compute, each
// perhaps paused, resumed, cancelled, and now and then all of them cancelled.
func (m *mill) orders(n int) {
	user := User(n)
	commands := 0
	command := func(kind event.Kind, order string, at event.Time) event.Event {
		commands++
		e := fresh(kind, fmt.Sprintf("order-command-%d", commands), user, at)
		e.Ref, e.Source = order, "shop"
		return e
	}
	send := func(e event.Event) {
		at := m.shuffled(e.OccurredAt)
		if m.chance(m.LatePercent) {
			at = m.late(e.OccurredAt)
		}
		m.add(&e, at)
	}
	for i := range m.rng.IntN(4) {
		order := fmt.Sprintf("order-%d", i+1)
		at := m.within()
		e := command(event.PlaceOrder, order, at)
		e.Currency = currencies[m.rng.IntN(len(currencies))]
		e.Quantity = decimal(1+m.rng.Int64N(5_000_000), 3)
		e.Price = decimal(1+m.rng.Int64N(90_000), 2)
		send(e)
		for _, kind := range []event.Kind{event.Pause, event.Resume, event.Cancel} {
			if at = min(at+m.upTo(10*time.Minute), m.end); m.rng.IntN(2) == 0 {
				send(command(kind, order, at))
			}
		}
	}
	if m.rng.IntN(5) == 0 {
		send(command(event.CancelAll, "", m.within()))
	}
}

// decimal is n divided by a power of ten.
func decimal(n int64, digits int) event.Decimal {
	unit := int64(1)
	for range digits {
		unit *= 10
	}
	d, err := event.ParseDecimal(fmt.Sprintf("%d.%0*d", n/unit, digits, n%unit))
	if err != nil {
		panic(fmt.Sprintf("trace: %d with %d digits is no decimal: %v", n, digits, err))
	}
	return d
}
