package engine

import (
	"iter"
	"slices"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/order"
)

// orderTracker steps the orders that a list of commands meets. An order's
// state is made up when the first command on it is met.
type orderTracker struct {
	v      *View
	book   *Account
	orders map[string]*order.Order
}

func (v *View) tracker(book *Account) *orderTracker {
	return &orderTracker{v: v, book: book, orders: map[string]*order.Order{}}
}

// apply says what becomes of the next command, in the order of places.
func (t *orderTracker) apply(op *event.Placed, r *event.Result) {
	r.Reset()
	if op.Kind == event.CancelAll {
		var one event.Result
		for _, o := range t.orders {
			one.Reset()
			o.Apply(op, &one)
		}
		*r = cancelAllResult(int64(op.Amount))
		return
	}
	o := t.orders[op.Ref()]
	if o == nil {
		o = t.v.orderBefore(t.book, op.Ref(), op.Place())
		t.orders[op.Ref()] = o
	}
	o.Apply(op, r)
}

// orderBefore is an order before a place. Behind the user's last cancel_all no
// order is live, so it replays no more than the commands since.
func (v *View) orderBefore(book *Account, id string, place event.Place) *order.Order {
	own, alls := commandsPrefix(book.number, id), commandsPrefix(book.number, "")
	from := slices.Clone(own)
	last := v.read(alls, appendPlace(slices.Clone(alls), place), true)
	last.piece = 1
	if last.next() {
		from = append(from, last.key[len(alls):]...)
	}
	o := &order.Order{}
	commands := v.read(from, appendPlace(slices.Clone(own), place), false)
	var op event.Placed
	var r event.Result
	for commands.next() && v.command(book, commands.key[len(own):], &op) {
		r.Reset()
		o.Apply(&op, &r)
	}
	return o
}

// command reads the command at a place as the end of a key has it.
func (v *View) command(book *Account, place string, op *event.Placed) bool {
	key := append(appendNumbered(nil, keyEvent, book.number), place...)
	row, ok := v.e.rows.Get(key)
	if !ok {
		return v.ok(errCorruptKey)
	}
	return v.e.readEvent(key, row, op, &event.Event{})
}

// bookBlocks makes the entries of a user's commands from a place on, or the
// last ones before it first.
func (v *View) bookBlocks(book *Account, from event.Place, back bool) func() []placedEntry {
	prefix := appendNumbered(nil, keyEvent, book.number)
	first, last := prefix, behind(prefix)
	if back {
		last = appendPlaced(nil, keyEvent, book.number, from)
	} else {
		first = appendPlaced(nil, keyEvent, book.number, from)
	}
	rows := v.read(first, last, back)
	tracker := v.tracker(book)
	return func() (block []placedEntry) {
		var ops []event.Placed
		for len(ops) < blockEntries && rows.next() {
			ops = append(ops, event.Placed{})
			if !v.event(rows, &ops[len(ops)-1]) {
				return nil
			}
		}
		if back {
			slices.Reverse(ops)
			tracker = v.tracker(book) // what it knows is of later places
		}
		for i := range ops {
			block = append(block, v.commandEntry(tracker, &ops[i]))
		}
		if back {
			slices.Reverse(block)
		}
		return block
	}
}

func (v *View) commandEntry(t *orderTracker, op *event.Placed) placedEntry {
	var r event.Result
	t.apply(op, &r)
	return placedEntry{op.Place(), v.stamped(v.e.fillEvent(t.book.User, "", op, &r), op)}
}

func (v *View) commandAt(book *Account, place event.Place) (*event.Entry, bool) {
	var op event.Placed
	if !v.eventAt(book.number, place, &op) {
		return nil, false
	}
	e := v.commandEntry(v.tracker(book), &op)
	return &e.entry, true
}

// LiveOrders are a user's live orders in the order they were placed, behind a
// place.
func (v *View) LiveOrders(book *Account, from event.Place) iter.Seq2[event.Place, *event.OrderState] {
	return func(yield func(event.Place, *event.OrderState) bool) {
		prefix := appendNumbered(nil, keyLive, book.number)
		rows := v.read(appendPlaced(nil, keyLive, book.number, from), behind(prefix), false)
		for rows.next() {
			s, place, ok := v.liveOrder(book.User, book.number, rows.value)
			if !ok || from.Before(place) && !yield(place, s) {
				return
			}
		}
	}
}

// liveOrder reads an order that an index names.
func (v *View) liveOrder(user string, number uint64, id string) (*event.OrderState, event.Place, bool) {
	row, ok := v.e.rows.Get(appendOrderKey(nil, number, id))
	var o orderRow
	if !ok || !v.ok(o.decode(string(row))) || !o.state.Live() {
		return nil, event.Place{}, v.ok(errCorruptKey)
	}
	return v.orderState(user, id, &o.state, o.records), o.state.Placed, true
}

func (v *View) orderState(user, id string, o *order.Order, records int64) *event.OrderState {
	return &event.OrderState{
		UserID: user, OrderID: id, Currency: o.Terms.Currency, Quantity: o.Terms.Quantity, Price: o.Terms.Price,
		Status: o.Status, PlacedAt: o.Placed.Time, UpdatedAt: o.UpdatedAt, Revision: max(records-1, 0),
		Stamp: event.Stamp{Partition: v.e.cfg.Partition},
	}
}

// LivePlace is where a live order stands among everyone's.
type LivePlace struct {
	Time     event.Time
	Sequence int64
	EventID  string
	User     string
}

// Compare is negative, zero or positive as p is before, at or behind q.
func (p LivePlace) Compare(q LivePlace) int {
	return strings.Compare(string(p.key()), string(q.key()))
}

func (p LivePlace) key() []byte {
	return appendAllLiveKey(nil, event.Place{Time: p.Time, Sequence: p.Sequence, ID: p.EventID}, p.User)
}

// AllLive are the live orders of all users of the partition in the order they
// were placed, behind a place; the zero LivePlace is before all of them.
func (v *View) AllLive(from LivePlace) iter.Seq2[LivePlace, *event.OrderState] {
	return func(yield func(LivePlace, *event.OrderState) bool) {
		first := []byte{keyAllLive}
		if from != (LivePlace{}) {
			first = after(from.key())
		}
		rows := v.read(first, []byte{keyAllLive + 1}, false)
		for rows.next() {
			if len(rows.value) < numberBytes {
				v.e.fail(errCorruptKey)
				return
			}
			place, ok := placeIn(allLivePlace(rows.key))
			if !ok {
				v.e.fail(errCorruptKey)
				return
			}
			user := place.From
			s, _, ok := v.liveOrder(user, numberOf([]byte(rows.value)), rows.value[numberBytes:])
			if !ok || !yield(LivePlace{place.Time, place.Sequence, place.ID, user}, s) {
				return
			}
		}
	}
}

// allLivePlace is a key of the index of all live orders as the key of a place,
// whose sender is the user: a rank is put in.
func allLivePlace(key string) string {
	const fixed = 1 + 8 + 1
	n := fixed
	if len(key) > fixed && key[fixed-1] != 0x80 {
		n += 8
	}
	if len(key) < n {
		return ""
	}
	return key[1:n] + "\x00" + key[n:]
}

// Order is one order now, live or ended; false where it was never placed. Of
// an ended one the whole history is replayed.
func (v *View) Order(book *Account, id string) (*event.OrderState, bool) {
	row, ok := v.e.rows.Get(appendOrderKey(nil, book.number, id))
	var now orderRow
	if !ok || !v.ok(now.decode(string(row))) {
		return nil, false
	}
	o := &now.state
	if !o.Live() {
		o = v.walkCommands(book, id, event.Place{}, func(*event.Placed, *event.Result) bool { return true })
	}
	if o.Terms == nil {
		return nil, false
	}
	return v.orderState(book.User, id, o, now.records), true
}

// History are the entries of everything done to one order, or tried, behind a
// place; a cancel_all is among them where it ended the order. It goes through
// the commands on the order, and the user's cancel_alls meanwhile.
func (v *View) History(book *Account, id string, from event.Place) iter.Seq2[event.Place, *event.Entry] {
	return func(yield func(event.Place, *event.Entry) bool) {
		v.walkCommands(book, id, from, func(op *event.Placed, r *event.Result) bool {
			place := op.Place()
			if !from.Before(place) {
				return true
			}
			e := v.stamped(v.e.fillEvent(book.User, "", op, r), op)
			return yield(place, &e)
		})
	}
}

// walkCommands steps an order through what concerns it from a place on, until
// visit returns false, and returns the order as it is then.
func (v *View) walkCommands(book *Account, id string, from event.Place, visit func(*event.Placed, *event.Result) bool) *order.Order {
	o := v.orderBefore(book, id, from)
	ownPrefix, allsPrefix := commandsPrefix(book.number, id), commandsPrefix(book.number, "")
	own := v.read(appendPlace(slices.Clone(ownPrefix), from), behind(ownPrefix), false)
	moreOwn := own.next()
	firstAll := appendPlace(slices.Clone(allsPrefix), from)
	if moreOwn && !o.Live() {
		firstAll = append(slices.Clone(allsPrefix), own.key[len(ownPrefix):]...)
	}
	alls := v.read(firstAll, behind(allsPrefix), false)
	moreAlls := alls.next()
	var op event.Placed
	var r event.Result
	for moreOwn || moreAlls {
		if moreAlls && (!moreOwn || alls.key[len(allsPrefix):] < own.key[len(ownPrefix):]) {
			if !v.command(book, alls.key[len(allsPrefix):], &op) {
				break
			}
			moreAlls = alls.next()
			r.Reset()
			o.Apply(&op, &r)
			if r.Order.Cancelled == 0 {
				continue
			}
			r = cancelAllResult(int64(op.Amount))
		} else {
			if !v.command(book, own.key[len(ownPrefix):], &op) {
				break
			}
			moreOwn = own.next()
			r.Reset()
			o.Apply(&op, &r)
		}
		if !visit(&op, &r) {
			break
		}
	}
	return o
}

// LiveOrdersNamed are the live orders of this id, by user.
func (v *View) LiveOrdersNamed(orderID string) iter.Seq[*event.OrderState] {
	return func(yield func(*event.OrderState) bool) {
		prefix := appendLiveIDKey(nil, orderID, "")
		rows := v.read(prefix, behind(prefix), false)
		for rows.next() {
			if len(rows.value) < numberBytes {
				v.ok(errCorruptKey)
				return
			}
			state, _, ok := v.liveOrder(strings.Clone(rows.key[len(prefix):]), numberOf([]byte(rows.value)), orderID)
			if ok && !yield(state) {
				return
			}
		}
	}
}
