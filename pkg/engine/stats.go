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

// openWindow is a window in memory: one that isn't final, or that this
// transaction touched.
type openWindow struct {
	window
	id windowID
	// said is the window as published last.
	said  window
	cause event.Time
	// used tells that this transaction touched it.
	used bool
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
		w = &openWindow{id: id}
		if id.start < e.meta.finalTo {
			e.key = appendWindowKey(e.key[:0], id.start, id.currency)
			if row, ok := e.rows.Get(e.key); ok {
				e.decodeWindow(w, row)
			}
			w.final = true
		} else {
			e.open = append(e.open, w)
		}
		e.windows[id] = w
	}
	e.useWindow(w)
	return w
}

func (e *Engine) useWindow(w *openWindow) {
	if !w.used {
		w.used = true
		e.used = append(e.used, w)
	}
}

func (e *Engine) decodeWindow(w *openWindow, row []byte) {
	if err := w.decode(string(row)); err != nil {
		e.fail(err)
	}
	w.said = w.window
}

// loadWindows brings the windows that aren't final into memory.
func (e *Engine) loadWindows() {
	for key, row := range e.rows.Scan(appendWindowKey(nil, e.meta.finalTo, ""), []byte{keyWindow + 1}) {
		w := &openWindow{id: windowID{event.Time(be64(string(key[1:9]))), string(key[9:])}}
		e.decodeWindow(w, row)
		e.windows[w.id] = w
		e.open = append(e.open, w)
	}
}

// closeWindows makes the windows final that have ended at the watermark; it
// reports false where the transaction is full before that.
func (e *Engine) closeWindows() bool {
	closedTo := order.WindowOf(e.marks.At) // windows that start before it have ended
	if closedTo <= e.meta.finalTo {
		return true
	}
	slices.SortFunc(e.open, byWindow)
	upTo, closed := closedTo, 0
	for last := event.NoTime; closed < len(e.open) && e.open[closed].id.start < closedTo; closed++ {
		w := e.open[closed]
		if w.id.start != last && e.full() {
			upTo = w.id.start
			break
		}
		e.moves++
		last = w.id.start
		w.final, w.cause = true, e.marks.At
		e.useWindow(w)
	}
	e.open = slices.Delete(e.open, 0, closed)
	e.meta.finalTo = upTo
	return upTo == closedTo
}

func byWindow(a, b *openWindow) int {
	return cmp.Or(cmp.Compare(a.id.start, b.id.start), cmp.Compare(a.id.currency, b.id.currency))
}

// commitWindows publishes the windows that changed, and forgets those that are
// final or came to nothing.
func (e *Engine) commitWindows() {
	slices.SortFunc(e.used, byWindow)
	idle := false
	for _, w := range e.used {
		if w.changed() {
			e.sayWindow(w)
		}
		w.used = false
		if w.final || w.records == 0 {
			delete(e.windows, w.id)
			idle = idle || w.records == 0
		}
	}
	if idle {
		e.open = slices.DeleteFunc(e.open, func(w *openWindow) bool { return w.records == 0 })
	}
	clear(e.used)
	e.used = e.used[:0]
}

func (e *Engine) sayWindow(w *openWindow) {
	e.cause = w.cause
	e.sink.OrderStats(&event.OrderStats{
		Currency: w.id.currency, WindowStart: w.id.start, Tally: w.tally,
		Revision: w.records, Final: w.final, Stamp: e.stamp(orderStats),
	})
	w.records++
	e.key = appendWindowKey(e.key[:0], w.id.start, w.id.currency)
	e.val = w.window.append(e.val[:0])
	e.rows.Set(e.key, e.val)
	w.said = w.window
}
