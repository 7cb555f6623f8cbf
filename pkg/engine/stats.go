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

func (id windowID) compare(other windowID) int {
	return cmp.Or(cmp.Compare(id.start, other.start), cmp.Compare(id.currency, other.currency))
}

// openWindow is a window in memory: one that this transaction touched, or that
// isn't final.
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
		isOpen := id.start >= e.meta.finalTo
		if row, ok := e.windowRow(id, isOpen); ok {
			e.decodeWindow(w, row)
		} else if isOpen {
			e.writeWindow(w) // it is found by its row when it ends
			if id.compare(e.openFrom) < 0 {
				e.openFrom = id
			}
		}
		w.final = w.final || !isOpen
		e.windows[id] = w
	}
	e.useWindow(w)
	return w
}

// windowRow is the row of a window that isn't in memory.
func (e *Engine) windowRow(id windowID, isOpen bool) (row []byte, ok bool) {
	if isOpen && !e.forgotten {
		return nil, false
	}
	e.key = appendWindowKey(e.key[:0], id.start, id.currency)
	return e.rows.Get(e.key)
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

// closeWindows makes the windows final that have ended at the watermark; it
// reports false where the transaction is full before that.
func (e *Engine) closeWindows() bool {
	closedTo := order.WindowOf(e.marks.At) // windows that start before it have ended
	for e.openFrom.start < closedTo {
		for _, id := range e.endedWindows(closedTo) {
			if e.full() {
				e.openFrom = id
				return false
			}
			e.meta.finalTo = id.start
			if w := e.window(id); !w.final {
				w.final, w.cause = true, e.marks.At
				e.moves++
			}
		}
	}
	if closedTo > e.meta.finalTo {
		e.meta.finalTo = closedTo
		if e.forgotten && closedTo > e.fewerFrom {
			e.loadWindows()
		}
	}
	return true
}

// endedWindows is a piece of the windows that aren't known to be final and
// start before a time. It moves openFrom behind them.
func (e *Engine) endedWindows(closedTo event.Time) (ids []windowID) {
	if e.forgotten {
		return e.endedRows(closedTo)
	}
	for id, w := range e.windows {
		if !w.final && id.start < closedTo {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, windowID.compare)
	e.openFrom = windowID{start: closedTo}
	return ids
}

// loadWindows brings the windows that aren't final into memory. If they are too
// many it is worth a look again once half of those seen are final.
func (e *Engine) loadWindows() {
	open := map[windowID]*openWindow{}
	for key, row := range e.rows.Scan(appendWindowKey(nil, e.meta.finalTo, ""), []byte{keyWindow + 1}) {
		if e.forgotten = len(open) == e.cfg.sizes.piece; e.forgotten {
			return
		}
		id, ok := windowIn(key)
		if !ok {
			e.fail(errCorruptKey)
			return
		}
		if len(open) <= e.cfg.sizes.piece/2 {
			e.fewerFrom = id.start
		}
		w := &openWindow{id: id}
		e.decodeWindow(w, row)
		open[w.id] = w
	}
	e.forgotten = false
	for id, w := range open {
		if e.windows[id] == nil && !w.final {
			e.windows[id] = w
		}
	}
}

// endedRows is endedWindows where memory doesn't hold all.
func (e *Engine) endedRows(closedTo event.Time) (ids []windowID) {
	from := appendWindowKey(nil, e.openFrom.start, e.openFrom.currency)
	e.openFrom = windowID{start: never}
	for key := range e.rows.Scan(from, []byte{keyWindow + 1}) {
		id, ok := windowIn(key)
		if !ok {
			e.fail(errCorruptKey)
			return nil
		}
		if id.start >= closedTo || len(ids) == e.cfg.sizes.piece {
			e.openFrom = id
			break
		}
		ids = append(ids, id)
	}
	return ids
}

// commitWindows publishes the windows that changed. It forgets those that are
// final or came to nothing, and all where there are many: their rows are as
// they are.
func (e *Engine) commitWindows() {
	slices.SortFunc(e.used, func(a, b *openWindow) int { return a.id.compare(b.id) })
	for _, w := range e.used {
		if w.changed() {
			e.sayWindow(w)
		} else if w.records == 0 && !w.final {
			e.rows.Delete(appendWindowKey(e.key[:0], w.id.start, w.id.currency))
		}
		w.used = false
		if w.final || w.records == 0 {
			delete(e.windows, w.id)
		}
	}
	clear(e.used)
	e.used = e.used[:0]
	if len(e.windows) > e.cfg.sizes.piece {
		clear(e.windows)
		if !e.forgotten {
			e.forgotten, e.fewerFrom = true, event.NoTime
		}
	}
}

func (e *Engine) sayWindow(w *openWindow) {
	e.cause = w.cause
	e.sink.OrderStats(&event.OrderStats{
		Currency: w.id.currency, WindowStart: w.id.start, Tally: w.tally,
		Revision: w.records, Final: w.final, Stamp: e.stamp(orderStats),
	})
	w.records++
	e.writeWindow(w)
	w.said = w.window
}

func (e *Engine) writeWindow(w *openWindow) {
	e.key = appendWindowKey(e.key[:0], w.id.start, w.id.currency)
	e.val = w.window.append(e.val[:0])
	e.rows.Set(e.key, e.val)
}
