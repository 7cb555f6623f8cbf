package engine

import (
	"iter"
	"slices"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
)

// HoldLeft is a hold that may still be captured.
type HoldLeft struct {
	*ledger.Hold
	// Amount is what was asked for, Captured what accepted captures took of it
	// so far. What is neither left nor captured was released.
	Amount, Captured event.Amount
	// Held is what it has set aside; Left less Held is what it is short of.
	Held event.Amount
}

// HoldsLeft are the holds of an asset behind one by its id, in the order of
// their ids.
func (v *View) HoldsLeft(a *Account, s *Standing, behindID string) iter.Seq[HoldLeft] {
	return func(yield func(HoldLeft) bool) {
		holds := s.State.Holds()
		from, found := slices.BinarySearchFunc(holds, behindID, func(h ledger.Hold, id string) int { return strings.Compare(h.ID, id) })
		if found {
			from++
		}
		for i := range holds[from:] {
			h := HoldLeft{Hold: &holds[from+i]}
			for j := range h.Pieces {
				h.Held += h.Pieces[j].Remaining
			}
			var op event.Placed
			number, place, ok := v.named(nameEvent, a.User, h.ID)
			if !ok || !v.eventAt(number, place, &op) {
				v.ok(errCorruptKey)
				return
			}
			h.Amount, h.Captured = op.Amount, v.captured(a, s, h.ID)
			if !yield(h) {
				return
			}
		}
	}
}

// captured is what captures took of a hold, as far as a standing goes.
func (v *View) captured(a *Account, s *Standing, holdID string) (sum event.Amount) {
	from := appendCaptureKey(nil, a.number, holdID, event.Place{})
	to := appendCaptureKey(nil, a.number, holdID, s.end)
	if s.end.Due == event.AnEvent {
		to = after(to)
	}
	keyBytes := len(from) - len(appendPlace(nil, event.Place{}))
	var op event.Placed
	for rows := v.read(from, to, false); rows.next(); {
		amount, err := readCaptureRow(rows.value)
		if !v.ok(err) {
			return sum
		}
		if s.Known != always {
			place, ok := placeIn(rows.key[keyBytes:])
			if !ok || !v.eventAt(a.number, place, &op) {
				v.ok(errCorruptKey)
				return sum
			}
			if op.ProcessedAt > s.Known {
				continue
			}
		}
		sum += amount
	}
	return sum
}
