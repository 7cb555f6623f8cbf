package engine

import (
	"fmt"
	"iter"
	"math"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/watermark"
)

// View answers what a shard knows, from rows that an engine wrote and by the
// same replay: the state at a time is the newest stored one before it and at
// most a few dozen events. It changes nothing and isn't safe for concurrent
// use.
//
// Lists are iterators that read in small pieces as they go: who stops early
// has paid for what he took. A corrupt row ends a list; ask Err before what
// was read is believed, and the owner of the rows too.
type View struct {
	// e reads rows for the view as it does for itself; it is never begun.
	e Engine
}

// readOnly are rows that can't be written.
type readOnly struct{ Reader }

const errWritten = "engine: a view wrote a row"

func (readOnly) Set(_, _ []byte)         { panic(errWritten) }
func (readOnly) Delete(_ []byte)         { panic(errWritten) }
func (readOnly) DeleteRange(_, _ []byte) { panic(errWritten) }

// NewView is a view of a partition's rows.
func NewView(rows Reader, partition int32) (*View, error) {
	v := &View{e: Engine{cfg: Config{Partition: partition}, rows: readOnly{rows}, marks: watermark.New(watermark.Config{})}}
	if err := v.e.loadMeta(); err != nil {
		return nil, fmt.Errorf("view of partition %d: %w", partition, err)
	}
	return v, nil
}

// Err is the first row that could not be read.
func (v *View) Err() error {
	if v.e.err == nil {
		return nil
	}
	return fmt.Errorf("view of partition %d: %w", v.e.cfg.Partition, v.e.err)
}

// Watermark is the one in force; 0 before there is one.
func (v *View) Watermark() event.Time { return v.e.marks.At }

// CommittedAt is the clock of the newest transaction.
func (v *View) CommittedAt() event.Time { return v.e.meta.committedAt }

// Account is one of a user's accounts: an asset, or the orders.
type Account struct {
	User string
	// Asset is "" for the user's orders.
	Asset string

	head
	// place is where what was said last stands; nothing where the row doesn't
	// tell (see lastSaid).
	place event.Place
}

// IsOrders reports whether the account is that of the user's orders.
func (a *Account) IsOrders() bool { return a.Asset == "" }

// Account finds a user's asset; with an empty asset, his orders.
func (v *View) Account(user, asset string) (Account, bool) {
	row, ok := v.e.rows.Get(appendAccountKey(nil, user, asset))
	if !ok {
		return Account{}, false
	}
	a := Account{User: user, Asset: asset}
	_, _, err := a.decode(string(row), &a.place)
	return a, v.ok(err)
}

// Accounts are all accounts of a user: orders first, then assets by name.
func (v *View) Accounts(user string) iter.Seq[Account] {
	return func(yield func(Account) bool) {
		prefix := appendAccountKey(nil, user, "")
		rows := v.read(prefix, behind(prefix), false)
		for rows.next() {
			a := Account{User: user, Asset: strings.Clone(rows.key[len(prefix):])}
			if _, _, err := a.decode(rows.value, &a.place); !v.ok(err) || !yield(a) {
				return
			}
		}
	}
}

// lastSaid is where what was said last of an account stands, before everything
// where nothing was.
func (v *View) lastSaid(a *Account) event.Place {
	if a.place == (event.Place{}) && !a.IsOrders() {
		prefix := appendNumbered(nil, keyEvent, a.number)
		rows := v.read(prefix, behind(prefix), true)
		rows.piece = 1
		if rows.next() {
			place, ok := placeIn(rows.key[len(prefix):])
			if !ok {
				v.ok(errCorruptKey)
			}
			a.place = place
		}
	}
	return a.place
}

// numbered finds a user's account by its number.
func (v *View) numbered(user string, number uint64) (Account, bool) {
	for a := range v.Accounts(user) {
		if a.number == number {
			return a, true
		}
	}
	return Account{}, false
}

// HasUser reports whether anything that a user sent made an entry.
func (v *View) HasUser(user string) bool {
	for range v.Accounts(user) {
		return true
	}
	return false
}

// ok remembers an error.
func (v *View) ok(err error) bool {
	if err != nil {
		v.e.fail(err)
	}
	return err == nil
}

// Pieces in which lists are read, in rows, each twice the one before: nearly
// every question needs one or two, for there are at most 64 events between two
// checkpoints.
const (
	firstPiece = 32
	largePiece = 256
)

// rowList reads the rows between two keys piece by piece, so that other rows
// can be read meanwhile.
type rowList struct {
	rows     Reader
	from, to []byte
	back     bool
	piece    int
	read     []rowText
	at       int
	done     bool
	// key and value are the row that next has moved to.
	key, value string
}

type rowText struct{ key, value string }

// read lists the rows in [from, to).
func (v *View) read(from, to []byte, back bool) *rowList {
	return &rowList{rows: v.e.rows, from: from, to: to, back: back, piece: firstPiece}
}

func (l *rowList) next() bool {
	if l.at == len(l.read) && !l.done {
		l.fill()
	}
	if l.at == len(l.read) {
		return false
	}
	l.key, l.value = l.read[l.at].key, l.read[l.at].value
	l.at++
	return true
}

func (l *rowList) fill() {
	l.read, l.at = l.read[:0], 0
	scan := l.rows.Scan
	if l.back {
		scan = l.rows.ScanBack
	}
	for key, value := range scan(l.from, l.to) {
		l.read = append(l.read, rowText{string(key), string(value)})
		if len(l.read) == l.piece {
			break
		}
	}
	if l.done = len(l.read) < l.piece; l.done {
		return
	}
	last := []byte(l.read[len(l.read)-1].key)
	if l.back {
		l.to = last
	} else {
		l.from = after(last)
	}
	l.piece = min(2*l.piece, largePiece)
}

// event decodes the event row that the list stands at. What it decodes keeps
// the row in memory.
func (v *View) event(l *rowList, p *event.Placed) bool {
	place, ok := placeIn(l.key[1+numberBytes:])
	if !ok {
		return v.ok(errCorruptKey)
	}
	return v.ok(decodeEventRow(place, l.value, p, &event.Event{}))
}

// eventAt reads the event at an account's place.
func (v *View) eventAt(number uint64, place event.Place, p *event.Placed) bool {
	key := appendPlaced(nil, keyEvent, number, place)
	row, ok := v.e.rows.Get(key)
	if !ok {
		return false
	}
	return v.e.readEvent(key, row, p, &event.Event{})
}

// named finds the event that took a name: the number of its account and its
// place.
func (v *View) named(what byte, user, id string) (number uint64, place event.Place, ok bool) {
	value, ok := v.e.rows.Get(appendName(nil, what, user, id, nil))
	if !ok {
		return 0, event.Place{}, false
	}
	if key, ok := keyNamed(value, id); ok {
		if place, ok = placeIn(string(key[1+numberBytes:])); ok {
			return numberOf(key[1:]), place, true
		}
	}
	return 0, event.Place{}, v.ok(errCorruptKey)
}

// eventsTo is the key behind an account's events at or before a place.
func eventsTo(number uint64, end event.Place) []byte {
	key := appendPlaced(nil, keyEvent, number, end)
	if end.Due == event.AnEvent {
		return after(key)
	}
	return key
}

// position is where an event came from.
func (v *View) position(op *event.Placed) event.Position { return inputOf(op, v.e.cfg.Partition) }

// always is later than any time at which anything was processed.
const always = event.Time(math.MaxInt64)
