package order

import "highwater/pkg/event"

// WindowMicros is the length of a window of the order statistics.
const WindowMicros = 60_000_000

// WindowOf is the start of the window that t lies in.
func WindowOf(t event.Time) event.Time { return t - t%WindowMicros }

// Add adds one tally to another.
func Add(t *event.Tally, o *event.Tally) {
	t.Placed += o.Placed
	t.Paused += o.Paused
	t.Resumed += o.Resumed
	t.Cancelled += o.Cancelled
	t.Ignored += o.Ignored
	t.PlacedAmount = t.PlacedAmount.Add(o.PlacedAmount)
	t.PlacedNotional = t.PlacedNotional.Add(o.PlacedNotional)
	t.LiveOrdersDelta += o.LiveOrdersDelta
	t.LiveNotionalDelta = t.LiveNotionalDelta.Add(o.LiveNotionalDelta)
}

// Negated is the tally that takes t back.
func Negated(t event.Tally) event.Tally {
	return event.Tally{
		Placed: -t.Placed, Paused: -t.Paused, Resumed: -t.Resumed, Cancelled: -t.Cancelled, Ignored: -t.Ignored,
		PlacedAmount: t.PlacedAmount.Neg(), PlacedNotional: t.PlacedNotional.Neg(),
		LiveOrdersDelta: -t.LiveOrdersDelta, LiveNotionalDelta: t.LiveNotionalDelta.Neg(),
	}
}
