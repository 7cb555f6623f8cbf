package engine

import (
	"slices"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/order"
)

// book is a user's orders in memory.
type book struct {
	head
	entryPoint
	// place is where what was said last stands, before everything where nothing
	// was.
	place event.Place
	user  *user
	// orders are those in memory, by id: most users have but a few.
	orders []*tracked
	// open are the commands that aren't settled, in the order of their
	// places, with what stands of them now.
	open []openCommand

	touched bool
}

// openCommand is a command before the watermark has passed it.
type openCommand struct {
	op     event.Placed
	result event.Result
}

// tracked is one order in memory.
type tracked struct {
	orderRow
	id string
	// said is the order as published last, where a command concerned it in this
	// transaction, last under cause; else nil.
	said  *order.Order
	cause event.Time
}

// book is the user's order book, loaded if it exists; nil where there is none
// yet.
func (e *Engine) book(u *user) *book {
	if u.book != nil {
		return u.book
	}
	e.key = appendAccountKey(e.key[:0], u.id, "")
	row, _, ok := e.accountRow(e.key)
	if !ok {
		return nil
	}
	b := &book{user: u}
	if _, _, err := b.decode(string(row), &b.place); err != nil {
		e.fail(err)
		return nil
	}
	if e.cfg.Settled {
		e.loadOpen(b)
	}
	u.book = b
	b.foundOnDisk(b.wake())
	e.resize(u)
	return b
}

func (b *book) wake() (at event.Place, ok bool) {
	if len(b.open) == 0 {
		return event.Place{}, false
	}
	return b.open[0].op.Place(), true
}

// loadOpen finds the commands that aren't settled and what stands of them.
func (e *Engine) loadOpen(b *book) {
	for _, op := range e.bookOps(b.number, event.EndOf(e.meta.settledTo)) {
		if e.kept(op.Place(), b.user, "") {
			continue
		}
		c := openCommand{op: op}
		if op.Kind == event.CancelAll {
			c.result = cancelAllResult(int64(op.Amount))
		} else {
			ops := e.orderOps(b.number, op.Ref(), event.Place{})
			var o order.Order
			for i := range ops {
				c.result.Reset()
				o.Apply(&ops[i], &c.result)
				if ops[i].IsAt(op.Place()) {
					break
				}
			}
		}
		b.open = append(b.open, c)
	}
}

// bookOps reads a user's commands behind a place.
func (e *Engine) bookOps(number uint64, place event.Place) []event.Placed {
	var ops []event.Placed
	for key, row := range e.rows.Scan(appendPlaced(nil, keyEvent, number, place), appendNumbered(nil, keyEvent, number+1)) {
		ops = append(ops, event.Placed{})
		if !e.readEvent(key, row, &ops[len(ops)-1], &event.Event{}) {
			return nil
		}
	}
	return ops
}

// orderOps reads the commands on one order and the user's cancel_alls behind a
// place, in their order.
func (e *Engine) orderOps(number uint64, orderID string, behindPlace event.Place) []event.Placed {
	ops := e.commands(number, orderID)
	for _, all := range e.commands(number, "") {
		if behindPlace.Before(all.Place()) {
			ops = append(ops, all)
		}
	}
	slices.SortFunc(ops, func(a, b event.Placed) int { return a.Place().Compare(b.Place()) })
	return ops
}

// commands reads the commands of one order; with an empty id the cancel_alls.
func (e *Engine) commands(number uint64, orderID string) []event.Placed {
	prefix := commandsPrefix(number, orderID)
	var keys [][]byte
	for key := range e.rows.Scan(prefix, behind(prefix)) {
		keys = append(keys, append(appendNumbered(nil, keyEvent, number), key[len(prefix):]...))
	}
	ops := make([]event.Placed, len(keys))
	for i, key := range keys {
		row, ok := e.rows.Get(key)
		if !ok {
			e.fail(errCorruptKey)
			return nil
		}
		if !e.readEvent(key, row, &ops[i], &event.Event{}) {
			return nil
		}
	}
	return ops
}

// tracked is one order of a book, known or not.
func (e *Engine) tracked(b *book, id string) *tracked {
	i, known := b.order(id)
	if known {
		return b.orders[i]
	}
	t := &tracked{id: strings.Clone(id)}
	t.first, t.ended = event.MaxTime, event.NoTime
	e.key = appendOrderKey(e.key[:0], b.number, id)
	if row, ok := e.rows.Get(e.key); ok {
		if err := t.decode(string(row)); err != nil {
			e.fail(err)
		}
	}
	b.orders = slices.Insert(b.orders, i, t)
	return t
}

// order is the index of the order of this id, or where it belongs, and whether
// it is in memory.
func (b *book) order(id string) (int, bool) {
	return slices.BinarySearchFunc(b.orders, id, func(t *tracked, id string) int { return strings.Compare(t.id, id) })
}

// live are the ids of the user's live orders, in the order they were placed.
func (e *Engine) live(b *book) []string {
	var ids []string
	prefix := appendNumbered(nil, keyLive, b.number)
	for _, id := range e.rows.Scan(prefix, behind(prefix)) {
		ids = append(ids, string(id))
	}
	return ids
}

// moveLive brings the indexes of live orders from one state of an order to
// another.
func (e *Engine) moveLive(b *book, t *tracked, before *order.Order) {
	if before.Live() == t.state.Live() && (!before.Live() || before.Placed == t.state.Placed) {
		return
	}
	if before.Live() {
		e.rows.Delete(appendPlaced(nil, keyLive, b.number, before.Placed))
		e.rows.Delete(appendAllLiveKey(nil, before.Placed, b.user.id))
		e.rows.Delete(appendLiveIDKey(nil, t.id, b.user.id))
	}
	if t.state.Live() {
		e.key = appendPlaced(e.key[:0], keyLive, b.number, t.state.Placed)
		e.rows.Set(e.key, []byte(t.id))
		e.key = appendAllLiveKey(e.key[:0], t.state.Placed, b.user.id)
		e.val = append(appendNumber(e.val[:0], b.number), t.id...)
		e.rows.Set(e.key, e.val)
		e.key = appendLiveIDKey(e.key[:0], t.id, b.user.id)
		e.rows.Set(e.key, e.val[:numberBytes])
	}
}

// commitBook publishes the orders that changed and writes them.
func (e *Engine) commitBook(b *book) {
	b.touched = false
	for _, t := range b.orders {
		if t.said == nil {
			continue
		}
		e.cause = t.cause
		e.sayOrder(b, t)
		t.said = nil
		e.key = appendOrderKey(e.key[:0], b.number, t.id)
		e.val = t.orderRow.append(e.val[:0])
		e.rows.Set(e.key, e.val)
	}
	b.keep(func(t *tracked) bool { return t.state.Live() })
	e.packBook(b)
	e.rows.Set(e.key, e.val)
	e.resize(b.user)
}

// packBook makes a book's row.
func (e *Engine) packBook(b *book) {
	e.key = appendAccountKey(e.key[:0], b.user.id, "")
	e.val = b.head.append(e.val[:0], b.place, nil, 0)
}

// keep forgets all orders but some: rows bring them back.
func (b *book) keep(some func(*tracked) bool) {
	b.orders = slices.DeleteFunc(b.orders, func(t *tracked) bool { return !some(t) })
	if len(b.orders) == 0 {
		b.orders = nil
	}
}

// bytes is about how much memory a book holds.
func (b *book) bytes() int {
	size := bookBytes + cap(b.orders)*8 + len(b.orders)*orderBytes + cap(b.open)*openBytes
	for i := range b.open {
		size += b.open[i].op.Bytes()
	}
	return size
}

// sayOrder publishes an order that isn't as it was published last.
func (e *Engine) sayOrder(b *book, t *tracked) {
	if t.said.LooksLike(&t.state) {
		return
	}
	s := event.OrderState{UserID: b.user.id, OrderID: t.id, Revision: t.records, Gone: !t.state.Live()}
	if o := &t.state; o.Live() {
		s.Currency, s.Quantity, s.Price = o.Terms.Currency, o.Terms.Quantity, o.Terms.Price
		s.Status, s.PlacedAt, s.UpdatedAt = o.Status, o.Placed.Time, o.UpdatedAt
	}
	t.records++
	s.Stamp = e.stamp(orderStates)
	e.sink.OrderState(&s)
}

// settleCommand settles the first open command.
func (e *Engine) settleCommand(b *book) {
	c := &b.open[0]
	e.saySettled(e.fillEvent(b.user.id, "", &c.op, &c.result))
	// One user may have very many: those behind stay where they are.
	b.open[0] = openCommand{}
	if b.open = b.open[1:]; len(b.open) == 0 {
		b.open = nil
	}
}

func cancelAllResult(count int64) event.Result {
	return event.Result{Outcome: event.Applied, Amount: event.NoAmount, Order: event.OrderChange{Cancelled: count}}
}
