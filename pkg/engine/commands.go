package engine

import (
	"slices"

	"highwater/pkg/event"
	"highwater/pkg/order"
	"highwater/pkg/timeline"
)

// command places a command on orders and says what becomes of it.
func (e *Engine) command(u *user, rec *Record) {
	ev := rec.Event
	b := e.book(u)
	if b == nil {
		e.meta.lastNumber++
		b = &book{user: u, head: head{number: e.meta.lastNumber}}
		u.book = b
	}
	if !b.touched {
		b.touched = true
		e.books = append(e.books, b)
	}
	op := e.place(rec)
	op.Amount = event.NoAmount
	if op.Kind == event.CancelAll {
		op.Amount = 0
	}
	at := op.Place()
	late := at.Before(b.place)
	if late {
		op.Marks |= event.LateMark
	}
	if op.Kind == event.PlaceOrder && !e.tracked(b, op.Ref()).state.Live() && e.breaksOrderRule(b, &op) {
		op.Outcome, op.Code = event.Ignored, event.RiskLimited
	}
	r := e.newResult()
	if late {
		e.commandLate(b, &op, r)
	} else {
		e.commandOnTime(b, &op, r)
		b.place = at
	}
	if op.Kind == event.CancelAll {
		op.Amount = event.Amount(r.Order.Cancelled)
	}
	e.writeEvent(b.number, &op, ev)
	e.rows.Set(appendPlace(commandsPrefix(b.number, op.Ref()), at), nil)
	e.writeName(e.name, op.ID, b.number, at)

	e.sayEntry(e.fillEvent(u.id, "", &op, r))
	e.sayOrderCorrection(b, &op)
	switch {
	case !e.cfg.Settled:
	case op.Marks.Has(event.AfterFinalMark):
		e.saySettled(e.fillEvent(u.id, "", &op, r))
	default:
		i := b.find(at)
		b.open = slices.Insert(b.open, i, openCommand{op: op})
		copyResult(&b.open[i].result, r)
	}
	e.late.clear()
	e.endShares()
	e.scheduleBook(b)
}

// find is the index of the first open command at or behind place.
func (b *book) find(place event.Place) int {
	i, _ := slices.BinarySearchFunc(b.open, place, func(c openCommand, p event.Place) int { return c.op.Place().Compare(p) })
	return i
}

// commandOnTime applies a command behind everything said of the user's
// orders.
func (e *Engine) commandOnTime(b *book, op *event.Placed, r *event.Result) {
	if op.Kind != event.CancelAll {
		e.step(b, e.tracked(b, op.Ref()), op, r)
		return
	}
	*r = cancelAllResult(0)
	var one event.Result
	ids := e.live(b)
	slices.Sort(ids) // as they stand in memory
	for _, id := range ids {
		e.step(b, e.tracked(b, id), op, &one)
		r.Order.Cancelled++
	}
}

// step applies a command to one order as it is now.
func (e *Engine) step(b *book, t *tracked, op *event.Placed, r *event.Result) {
	before := t.state
	r.Reset()
	t.state.Apply(op, r)
	e.count(t, op, t.state.Last(), 1)
	e.touchOrder(b, t, op, &before)
}

// count adds the share of a command on an order to the statistics, or takes
// it back.
func (e *Engine) count(t *tracked, op *event.Placed, share order.Share, sign int) {
	e.addShare(op.Time, share, sign)
	if share.Cancelled > 0 {
		t.ended = max(t.ended, op.Time)
	}
}

// touchOrder puts an order among those that Commit writes, after a command.
func (e *Engine) touchOrder(b *book, t *tracked, op *event.Placed, before *order.Order) {
	if t.said == nil {
		said := *before
		t.said = &said
	}
	if !before.LooksLike(&t.state) {
		t.cause = e.cause
	}
	if op.Kind != event.CancelAll {
		t.first = min(t.first, op.Time)
	}
	e.moveLive(b, t, before)
}

// commandLate applies a command before something said of the user's orders,
// and collects the entries it changes.
func (e *Engine) commandLate(b *book, op *event.Placed, r *event.Result) {
	counts := map[event.Place]int64{}
	if op.Kind != event.CancelAll {
		e.walkOrder(b, e.tracked(b, op.Ref()), op, r, counts)
	} else {
		*r = cancelAllResult(0)
		var one event.Result
		for _, id := range e.liveAround(b, op.Time) {
			e.walkOrder(b, e.tracked(b, id), op, &one, counts)
			r.Order.Cancelled += one.Order.Cancelled
		}
	}
	for place, delta := range counts {
		if delta != 0 {
			e.recount(b, place, delta)
		}
	}
	slices.SortFunc(e.late.changes, func(c, d event.EntryChange) int {
		return e.late.placeOf[c.EventID].Compare(e.late.placeOf[d.EventID])
	})
}

// liveAround are the ids of the orders that may have been live at a time.
func (e *Engine) liveAround(b *book, t event.Time) []string {
	var ids []string
	prefix := appendNumbered(nil, keyOrder, b.number)
	for key, row := range e.rows.Scan(prefix, behind(prefix)) {
		id := string(key[len(prefix):])
		if _, known := b.order(id); known {
			continue // memory knows better
		}
		var o orderRow
		if err := o.decode(string(row)); err != nil {
			e.fail(err)
			return nil
		}
		if o.first <= t && (o.state.Live() || o.ended >= t) {
			ids = append(ids, id)
		}
	}
	for _, o := range b.orders {
		if o.first <= t && (o.state.Live() || o.ended >= t) {
			ids = append(ids, o.id)
		}
	}
	slices.Sort(ids)
	return ids
}

// walkOrder walks one order without and with a late command. Entries that
// differ are collected, except those of cancel_alls, whose counts are summed
// over the orders first.
func (e *Engine) walkOrder(b *book, t *tracked, op *event.Placed, own *event.Result, counts map[event.Place]int64) {
	ops := e.orderOps(b.number, t.id, event.Place{Time: min(t.first, op.Time)})
	w := &e.late.orders
	before := t.state
	at := op.Place()
	edit := [1]timeline.Edit{{Place: at, New: op}}
	var none order.Order
	_, agreed := w.Walk(&none, ops, edit[:], b.place, func(s *timeline.Step) {
		var oldShare order.Share
		if s.Before != nil {
			oldShare = w.Old.Last()
		}
		if newShare := w.New.Last(); newShare != oldShare {
			e.count(t, s.Op, oldShare, -1)
			e.count(t, s.Op, newShare, 1)
		}
		switch {
		case s.Edited && s.Place == at:
			copyResult(own, s.After)
		case s.Op.Kind == event.CancelAll:
			counts[s.Place] += s.After.Order.Cancelled - s.Before.Order.Cancelled
		case !s.Before.Same(s.After):
			e.noteCommand(b, s.Place, s.Op.ID, s.Op.Kind, s.Before, s.After)
		}
	})
	if !agreed {
		t.state = w.New
	}
	e.touchOrder(b, t, op, &before)
}

// recount changes how many orders a cancel_all ended.
func (e *Engine) recount(b *book, place event.Place, delta int64) {
	key := appendPlaced(nil, keyEvent, b.number, place)
	row, ok := e.rows.Get(key)
	var p event.Placed
	var extra event.Event
	if !ok || !e.readEvent(key, row, &p, &extra) {
		e.fail(errCorruptKey)
		return
	}
	before, after := cancelAllResult(int64(p.Amount)), cancelAllResult(int64(p.Amount)+delta)
	p.Amount += event.Amount(delta)
	e.writeEvent(b.number, &p, &extra)
	e.noteCommand(b, place, p.ID, p.Kind, &before, &after)
}

// noteCommand takes up a command's entry that no longer stands.
func (e *Engine) noteCommand(b *book, place event.Place, id string, kind event.Kind, before, after *event.Result) {
	l := &e.late
	c := event.EntryChange{EventID: id, Kind: kind, EffectiveAt: place.Time, Before: e.newResult(), After: e.newResult()}
	copyResult(c.Before, before)
	copyResult(c.After, after)
	l.changes = append(l.changes, c)
	if l.placeOf == nil {
		l.placeOf = map[string]event.Place{}
	}
	l.placeOf[id] = place
	if i := b.find(place); i < len(b.open) && b.open[i].op.IsAt(place) {
		copyResult(&b.open[i].result, after)
		if kind == event.CancelAll {
			b.open[i].op.Amount = event.Amount(after.Order.Cancelled)
		}
	}
}

func (e *Engine) sayOrderCorrection(b *book, op *event.Placed) {
	l := &e.late
	l.correction = event.Correction{
		Cause: e.causeOf(op, b.place.Time), UserID: b.user.id,
		AfterFinal: op.Marks.Has(event.AfterFinalMark), Entries: l.changes,
	}
	e.sayCorrection(&l.correction, b.number)
	clear(l.placeOf)
}
