package engine

import (
	"cmp"
	"slices"

	"highwater/pkg/event"
	"highwater/pkg/order"
)

// windowID names a window of the order statistics.
type windowID struct {
	start    event.Time
	currency string
}

// openWindow is a window that changed in this transaction.
type openWindow struct {
	window
	changed bool
	cause   event.Time
}

// addShare adds what a command did to the statistics of its window, or takes
// it back.
func (e *Engine) addShare(t event.Time, s order.Share, sign int) {
	if s.Currency == "" {
		return
	}
	w := e.window(windowID{order.WindowOf(t), s.Currency})
	w.changed, w.cause = true, e.cause
	if sign < 0 {
		s.Tally = order.Negated(s.Tally)
	}
	order.Add(&w.tally, &s.Tally)
}

func (e *Engine) window(id windowID) *openWindow {
	w := e.windows[id]
	if w == nil {
		w = &openWindow{}
		e.key = appendWindowKey(e.key[:0], id.start, id.currency)
		if row, ok := e.rows.Get(e.key); ok {
			if err := w.decode(string(row)); err != nil {
				e.fail(err)
			}
		}
		e.windows[id] = w
	}
	return w
}

// commitWindows publishes the windows that changed, and those that the
// watermark has closed.
func (e *Engine) commitWindows() {
	closedTo := order.WindowOf(e.marks.At) // windows that start before it have ended
	if closedTo > e.meta.finalTo {
		var ids []windowID
		for key := range e.rows.Scan(appendWindowKey(nil, e.meta.finalTo, ""), appendWindowKey(nil, closedTo, "")) {
			ids = append(ids, windowID{event.Time(be64(string(key[1:9]))), string(key[9:])})
		}
		for _, id := range ids {
			e.window(id)
		}
		e.meta.finalTo = closedTo
	}
	ids := make([]windowID, 0, len(e.windows))
	for id := range e.windows {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b windowID) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.currency, b.currency))
	})
	for _, id := range ids {
		e.commitWindow(id, e.windows[id], id.start < closedTo)
	}
	clear(e.windows)
}

func (e *Engine) commitWindow(id windowID, w *openWindow, closed bool) {
	if closed && !w.final {
		w.final, w.cause = true, e.marks.At
	} else if !w.changed {
		return
	}
	e.cause = w.cause
	s := event.OrderStats{
		Currency: id.currency, WindowStart: id.start, Tally: w.tally,
		Revision: w.records, Final: w.final, Stamp: e.stamp(orderStats),
	}
	w.records++
	e.sink.OrderStats(&s)
	e.key = appendWindowKey(e.key[:0], id.start, id.currency)
	e.val = w.window.append(e.val[:0])
	e.rows.Set(e.key, e.val)
}
