package oracle

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"highwater/pkg/event"
)

// orderBoard is what a Model knows of all users' orders and order statistics,
// and of what it said about them.
type orderBoard struct {
	orders  map[name]*orderLife
	windows map[Window]*windowLife
	// tallies are each user's, by the newest replay.
	tallies map[string]map[Window]event.Tally
}

// said is what was published about one thing so far, and what must be.
type said[T any] struct {
	last      T
	ever      bool
	revisions int64
	// cause is the watermark in force when it last changed; it counts where
	// touched, which a commit clears.
	touched bool
	cause   event.Time
}

func (s *said[T]) touch(watermark event.Time) { s.touched, s.cause = true, watermark }

// orderLife is one order id of one user. A state that is Gone is that of no
// live order.
type orderLife struct {
	said[event.OrderState]
	now event.OrderState
}

// windowLife is one window; last is without its stamp and revision.
type windowLife struct{ said[event.OrderStats] }

func newOrderBoard() orderBoard {
	return orderBoard{
		orders: map[name]*orderLife{}, windows: map[Window]*windowLife{},
		tallies: map[string]map[Window]event.Tally{},
	}
}

// changed takes in the replay of a user's orders with one more event.
func (b *orderBoard) changed(user string, before, after *Timeline, watermark event.Time) {
	ids := map[string]bool{}
	for _, o := range slices.Concat(before.Live, after.Live) {
		ids[o.ID] = true
	}
	for id := range ids {
		key := name{user, id}
		if b.orders[key] == nil {
			b.orders[key] = &orderLife{now: gone(user, id)}
		}
		life := b.orders[key]
		if now := stateOf(user, id, after.Live); now != life.now {
			life.now = now
			life.touch(watermark)
		}
	}
	windows := map[Window]bool{}
	for _, line := range []*Timeline{before, after} {
		for w := range line.Tallies {
			windows[w] = true
		}
	}
	for w := range windows {
		if before.Tallies[w] == after.Tallies[w] {
			continue
		}
		if b.windows[w] == nil {
			b.windows[w] = &windowLife{}
		}
		b.windows[w].touch(watermark)
	}
	b.tallies[user] = after.Tallies
}

// passed marks the windows that a move of the watermark made final.
func (b *orderBoard) passed(old, watermark event.Time) {
	for w, life := range b.windows {
		if old < w.End() && w.End() <= watermark {
			life.touch(watermark)
		}
	}
}

// commit publishes what differs from what was published last.
func (b *orderBoard) commit(m *Model) {
	for _, key := range slices.SortedFunc(maps.Keys(b.orders), func(x, y name) int {
		return cmp.Or(strings.Compare(x.user, y.user), strings.Compare(x.id, y.id))
	}) {
		b.commitOrder(m, b.orders[key])
	}
	for _, w := range slices.SortedFunc(maps.Keys(b.windows), func(x, y Window) int {
		return cmp.Or(strings.Compare(x.Currency, y.Currency), cmp.Compare(x.Start, y.Start))
	}) {
		b.commitWindow(m, w, b.windows[w])
	}
}

func (b *orderBoard) commitOrder(m *Model, life *orderLife) {
	touched := life.touched
	life.touched = false
	known := life.ever || !life.now.Gone
	if !touched || !known || life.ever && life.now == life.last {
		return
	}
	life.last, life.ever = life.now, true
	record := life.now
	record.Revision = next(&life.revisions)
	record.Stamp = m.stampOf(&m.seqs.orderStates, life.cause)
	m.out.OrderStates = append(m.out.OrderStates, record)
}

func (b *orderBoard) commitWindow(m *Model, w Window, life *windowLife) {
	touched := life.touched
	life.touched = false
	now := event.OrderStats{
		Currency: w.Currency, WindowStart: w.Start,
		Tally: b.sum(w), Final: w.End() <= life.cause,
	}
	known := life.ever || now.Tally != event.Tally{}
	if !touched || !known || life.ever && now == life.last {
		return
	}
	life.last, life.ever = now, true
	now.Revision = next(&life.revisions)
	now.Stamp = m.stampOf(&m.seqs.orderStats, life.cause)
	m.out.OrderStats = append(m.out.OrderStats, now)
}

// sum is a window over all users.
func (b *orderBoard) sum(w Window) event.Tally {
	var sum event.Tally
	for _, tallies := range b.tallies {
		t := tallies[w]
		sum.Placed += t.Placed
		sum.Paused += t.Paused
		sum.Resumed += t.Resumed
		sum.Cancelled += t.Cancelled
		sum.Ignored += t.Ignored
		sum.PlacedAmount = sum.PlacedAmount.Add(t.PlacedAmount)
		sum.PlacedNotional = sum.PlacedNotional.Add(t.PlacedNotional)
		sum.LiveOrdersDelta += t.LiveOrdersDelta
		sum.LiveNotionalDelta = sum.LiveNotionalDelta.Add(t.LiveNotionalDelta)
	}
	return sum
}

// stateOf is the record of an order, without its stamp and revision.
func stateOf(user, id string, live []Order) event.OrderState {
	for _, o := range live {
		if o.ID == id {
			return event.OrderState{
				UserID: user, OrderID: id, Currency: o.Currency, Quantity: o.Quantity, Price: o.Price,
				Status: o.Status, PlacedAt: o.Placed.Time, UpdatedAt: o.UpdatedAt,
			}
		}
	}
	return gone(user, id)
}

func gone(user, id string) event.OrderState {
	return event.OrderState{UserID: user, OrderID: id, Gone: true}
}
