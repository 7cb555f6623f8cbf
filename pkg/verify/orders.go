package verify

import (
	"highwater/pkg/event"
	"highwater/pkg/oracle"
)

// checkOrderStates compares the newest record of each order with the orders
// that are live in the replay.
func (h *history) checkOrderStates() {
	newest := map[userEvent]*published[event.OrderState]{}
	for _, p := range h.orderStates {
		h.report.count(checkOrderStates, "records", 1)
		newest[userEvent{p.value.UserID, p.value.OrderID}] = p
	}
	for account, line := range h.lines {
		if account.Asset != "" || line == nil {
			continue
		}
		for _, o := range line.Live {
			h.report.count(checkOrderStates, "live orders", 1)
			key := userEvent{account.User, o.ID}
			p := newest[key]
			if p == nil {
				h.report.fail(checkOrderStates, "%s of %s is live, but has no record", o.ID, account.User)
				continue
			}
			delete(newest, key)
			s := p.value
			want := event.OrderState{
				UserID: account.User, OrderID: o.ID, Currency: o.Currency, Quantity: o.Quantity, Price: o.Price,
				Status: o.Status, PlacedAt: o.Placed.Time, UpdatedAt: o.UpdatedAt, Revision: s.Revision, Stamp: s.Stamp,
			}
			if s != want {
				h.report.fail(checkOrderStates, "%s: %s of %s is %s %s %s at %s, placed %s, updated %s; expected %s %s %s at %s, placed %s, updated %s",
					where(p.record), o.ID, account.User, s.Status, s.Quantity, s.Currency, s.Price, s.PlacedAt, s.UpdatedAt,
					want.Status, want.Quantity, want.Currency, want.Price, want.PlacedAt, want.UpdatedAt)
			}
		}
	}
	for key, p := range newest {
		if !p.value.Gone {
			h.report.fail(checkOrderStates, "%s: %s of %s is %s, but isn't live in the replay", where(p.record), key.id, key.user, p.value.Status)
		}
	}
}

// checkOrderStats compares the newest record of each window with the sum over
// the replays of this partition's users.
func (h *history) checkOrderStats() {
	newest := map[oracle.Window]*published[event.OrderStats]{}
	for _, p := range h.orderStats {
		h.report.count(checkOrderStats, "records", 1)
		newest[oracle.Window{Currency: p.value.Currency, Start: p.value.WindowStart}] = p
	}
	sums := map[oracle.Window]event.Tally{}
	for account, line := range h.lines {
		if account.Asset == "" && line != nil {
			for window, tally := range line.Tallies {
				sums[window] = sum(sums[window], tally)
			}
		}
	}
	watermark := h.chain.last().watermark
	for window, tally := range sums {
		if newest[window] == nil && tally != (event.Tally{}) {
			h.report.fail(checkOrderStats, "%s at %s: no record in partition %d, expected %+v", window.Currency, window.Start, h.partition, tally)
		}
	}
	for window, p := range newest {
		h.report.count(checkOrderStats, "windows", 1)
		if tally := sums[window]; p.value.Tally != tally {
			h.report.fail(checkOrderStats, "%s: %s at %s is %+v, expected %+v", where(p.record), window.Currency, window.Start, p.value.Tally, tally)
		}
		if final := window.End() <= watermark; p.value.Final != final {
			h.report.fail(checkOrderStats, "%s: %s at %s has final %t; it ends at %s, the watermark is %s", where(p.record), window.Currency, window.Start, p.value.Final, window.End(), watermark)
		}
	}
}

// sum adds two tallies.
func sum(a, b event.Tally) event.Tally {
	return event.Tally{
		Placed: a.Placed + b.Placed, Paused: a.Paused + b.Paused, Resumed: a.Resumed + b.Resumed,
		Cancelled: a.Cancelled + b.Cancelled, Ignored: a.Ignored + b.Ignored,
		PlacedAmount: a.PlacedAmount.Add(b.PlacedAmount), PlacedNotional: a.PlacedNotional.Add(b.PlacedNotional),
		LiveOrdersDelta:   a.LiveOrdersDelta + b.LiveOrdersDelta,
		LiveNotionalDelta: a.LiveNotionalDelta.Add(b.LiveNotionalDelta),
	}
}
