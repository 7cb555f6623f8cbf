package engine

import (
	"cmp"
	"iter"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/order"
)

// WindowID names a window of the order statistics.
type WindowID struct {
	Start    event.Time
	Currency string
}

// Compare is negative, zero or positive as w is before, at or behind x.
func (w WindowID) Compare(x WindowID) int {
	return cmp.Or(cmp.Compare(w.Start, x.Start), strings.Compare(w.Currency, x.Currency))
}

// Windows are the partition's windows that start before a time, from one on,
// by start and currency; with a currency only that one's. It yields no tally
// for a window of another currency that it had to go past, so that whoever
// asks can count the work.
func (v *View) Windows(from WindowID, to event.Time, currency string) iter.Seq2[WindowID, *event.Tally] {
	return func(yield func(WindowID, *event.Tally) bool) {
		end := appendWindowKey(nil, to, "")
		next := from
		for {
			if currency != "" && next.Currency != currency {
				next = nextWindow(next, currency)
			}
			rows := v.read(appendWindowKey(nil, next.Start, next.Currency), end, false)
			if currency != "" {
				rows.piece = 1 // what follows is often of another currency
			}
			past := false
			for !past && rows.next() {
				id := WindowID{event.Time(be64(rows.key[1:])), strings.Clone(rows.key[9:])}
				if past = currency != "" && id.Currency != currency; past {
					next = id
					if !yield(id, nil) {
						return
					}
					continue
				}
				var w window
				if !v.ok(w.decode(rows.value)) || !yield(id, &w.tally) {
					return
				}
			}
			if !past {
				return
			}
		}
	}
}

// nextWindow is the first window of a currency at or behind another's.
func nextWindow(id WindowID, currency string) WindowID {
	if id.Currency > currency {
		id.Start += order.WindowMicros
	}
	id.Currency = currency
	return id
}

// FinalTo is up to where windows have ended at the watermark: one that starts
// before it is final.
func (v *View) FinalTo() event.Time { return v.e.meta.finalTo }
