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
	// said is the window as published last.
	said  window
	cause event.Time
	// touched: the command being processed added to the tally, which was
	// before it until then.
	touched bool
	before  event.Tally
}

func (w *openWindow) changed() bool { return w.tally != w.said.tally || w.final != w.said.final }

// addShare adds what a command did to the statistics of its window, or takes
// it back.
func (e *Engine) addShare(t event.Time, s order.Share, sign int) {
	if s.Currency == "" {
		return
	}
	w := e.window(windowID{order.WindowOf(t), s.Currency})
	if !w.touched {
		w.touched, w.before = true, w.tally
		e.shared = append(e.shared, w)
	}
	if sign < 0 {
		s.Tally = order.Negated(s.Tally)
	}
	order.Add(&w.tally, &s.Tally)
}

// endShares ends a command: it is the cause of the windows that it left
// different.
func (e *Engine) endShares() {
	for _, w := range e.shared {
		w.touched = false
		if w.tally != w.before {
			w.cause = e.cause
		}
	}
	e.shared = e.shared[:0]
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
		w.said = w.window
		w.final = w.final || id.start < e.meta.finalTo
		e.windows[id] = w
	}
	return w
}

// closeWindows makes the windows final that have ended at the watermark; it
// reports false where the transaction is full before that.
func (e *Engine) closeWindows() bool {
	closedTo := order.WindowOf(e.marks.At) // windows that start before it have ended
	if closedTo <= e.meta.finalTo {
		return true
	}
	upTo, last := closedTo, event.NoTime
	var ids []windowID
	for key := range e.rows.Scan(appendWindowKey(nil, e.meta.finalTo, ""), appendWindowKey(nil, closedTo, "")) {
		start := event.Time(be64(string(key[1:9])))
		if start != last && e.full() {
			upTo = start
			break
		}
		e.moves++
		last = start
		ids = append(ids, windowID{start, string(key[9:])})
	}
	for _, id := range ids {
		e.window(id)
	}
	for id, w := range e.windows {
		if id.start < upTo && !w.final {
			w.final, w.cause = true, e.marks.At
		}
	}
	e.meta.finalTo = upTo
	return upTo == closedTo
}

// commitWindows publishes the windows that changed.
func (e *Engine) commitWindows() {
	ids := make([]windowID, 0, len(e.windows))
	for id, w := range e.windows {
		if w.changed() {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b windowID) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.currency, b.currency))
	})
	for _, id := range ids {
		w := e.windows[id]
		e.cause = w.cause
		e.sink.OrderStats(&event.OrderStats{
			Currency: id.currency, WindowStart: id.start, Tally: w.tally,
			Revision: w.records, Final: w.final, Stamp: e.stamp(orderStats),
		})
		w.records++
		e.key = appendWindowKey(e.key[:0], id.start, id.currency)
		e.val = w.window.append(e.val[:0])
		e.rows.Set(e.key, e.val)
	}
	clear(e.windows)
}
