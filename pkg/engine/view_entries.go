package engine

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"highwater/pkg/event"
)

// EntryPlace is where an entry stands among all of its user's: by place, and
// at one place orders first, then assets by name.
type EntryPlace struct {
	Place event.Place
	Asset string
}

// Compare is negative, zero or positive as p is before, at or behind q.
func (p EntryPlace) Compare(q EntryPlace) int {
	return cmp.Or(p.Place.Compare(q.Place), strings.Compare(p.Asset, q.Asset))
}

// Entries are what a replay says of every event and due item of some accounts,
// up to the newest thing said of each, and of the operations that wait: those behind a place in their order,
// or with back those before it, the nearest first. Their stamps have no seq and
// no watermark; a due item has no committed_at and is never late.
func (v *View) Entries(accounts []Account, from EntryPlace, back bool) iter.Seq2[EntryPlace, *event.Entry] {
	return func(yield func(EntryPlace, *event.Entry) bool) {
		var sources []*entrySource
		for i := range accounts {
			sources = append(sources, v.entrySource(&accounts[i], from, back))
			if waiting := v.waitingEntries(&accounts[i]); len(waiting) > 0 {
				sources = append(sources, pendingSource(&accounts[i], waiting, from, back))
			}
		}
		for {
			var first *entrySource
			for _, s := range sources {
				if s.more() && (first == nil || s.before(first)) {
					first = s
				}
			}
			if first == nil {
				return
			}
			e := first.block[first.at]
			first.at++
			if !yield(EntryPlace{e.place, first.account.Asset}, &e.entry) {
				return
			}
		}
	}
}

// placedEntry is an entry and where it stands.
type placedEntry struct {
	place event.Place
	entry event.Entry
}

// entrySource makes one account's entries, block by block.
type entrySource struct {
	account *Account
	from    EntryPlace
	back    bool
	// load is the next block in the order of yielding; empty at the end.
	load  func() []placedEntry
	block []placedEntry
	at    int
	ended bool
}

// blockEntries is how many entries a block has, if it isn't a stretch between
// two checkpoints.
const blockEntries = 64

func (v *View) entrySource(a *Account, from EntryPlace, back bool) *entrySource {
	s := &entrySource{account: a, from: from, back: back}
	switch {
	case v.lastSaid(a) == (event.Place{}):
		s.load = func() []placedEntry { return nil }
	case a.IsOrders():
		s.load = v.bookBlocks(a, from.Place, back)
	case back:
		s.load = v.lineBlocksBack(a, from.Place)
	default:
		s.load = v.lineBlocks(a, from.Place)
	}
	return s
}

// pendingSource yields the operations of an account that wait.
func pendingSource(a *Account, waiting []placedEntry, from EntryPlace, back bool) *entrySource {
	if back {
		slices.Reverse(waiting)
	}
	return &entrySource{account: a, from: from, back: back, load: func() []placedEntry {
		block := waiting
		waiting = nil
		return block
	}}
}

// waitingEntries are the operations of an account that wait for the ones they
// name, in their order.
func (v *View) waitingEntries(a *Account) (waiting []placedEntry) {
	prefix := appendNumbered(nil, keyPending, a.number)
	rows := v.read(prefix, behind(prefix), false)
	var op event.Placed
	for rows.next() && v.event(rows, &op) {
		waiting = append(waiting, v.waitingEntry(a, &op))
	}
	return waiting
}

func (v *View) waitingEntry(a *Account, op *event.Placed) placedEntry {
	r := event.Result{Outcome: event.Pending, Amount: op.Amount}
	return placedEntry{op.Place(), v.stamped(v.e.fillEvent(a.User, a.Asset, op, &r), op)}
}

// more makes sure that there is an entry at the front, if any is left. Blocks
// may begin with what isn't wanted.
func (s *entrySource) more() bool {
	for !s.ended {
		for ; s.at < len(s.block); s.at++ {
			c := (EntryPlace{s.block[s.at].place, s.account.Asset}).Compare(s.from)
			if c > 0 && !s.back || c < 0 && s.back {
				return true
			}
		}
		s.block, s.at = s.load(), 0
		s.ended = len(s.block) == 0
	}
	return false
}

// before reports whether the front of s is yielded before that of t.
func (s *entrySource) before(t *entrySource) bool {
	c := EntryPlace{s.block[s.at].place, s.account.Asset}.Compare(EntryPlace{t.block[t.at].place, t.account.Asset})
	return (c < 0) != s.back
}

// lineBlocks replays an asset from a place on.
func (v *View) lineBlocks(a *Account, from event.Place) func() []placedEntry {
	var r *replay
	return func() (block []placedEntry) {
		if r == nil {
			r, _ = v.replay(a, from, v.lastSaid(a))
		}
		for len(block) < blockEntries && r.step() {
			if !r.place.Before(from) {
				block = append(block, v.lineEntry(r))
			}
		}
		return block
	}
}

// lineBlocksBack replays an asset's stretches between checkpoints, the last
// one before a place first.
func (v *View) lineBlocksBack(a *Account, from event.Place) func() []placedEntry {
	end := v.lastSaid(a)
	if from.Before(end) {
		end = from
	}
	ended := false
	return func() (block []placedEntry) {
		for len(block) == 0 && !ended {
			r, begin := v.replay(a, end, end)
			for r.step() {
				block = append(block, v.lineEntry(r))
			}
			end, ended = begin, begin == (event.Place{})
		}
		slices.Reverse(block)
		return block
	}
}

// lineEntry is what the last step of a replay says.
func (v *View) lineEntry(r *replay) placedEntry {
	var e *event.Entry
	if r.did != nil {
		e = v.e.fillEvent(r.account.User, r.account.Asset, r.did, &r.result)
	} else {
		e = v.e.fillDue(r.account.User, r.account.Asset, r.place, &r.result, false)
	}
	return placedEntry{r.place, v.stamped(e, r.did)}
}

// stamped is a copy of an entry that stays, with what is known of its stamp.
func (v *View) stamped(e *event.Entry, op *event.Placed) event.Entry {
	c := *e
	c.Slices, c.Repaid = slices.Clone(e.Slices), slices.Clone(e.Repaid)
	c.Stamp = event.Stamp{Partition: v.e.cfg.Partition, CommittedAt: event.NoTime}
	if op != nil {
		c.CommittedAt = op.ProcessedAt
	}
	return c
}

// Entry is what a replay says of one event, or of one due item that was said,
// by its event_id. What a transfer brought is found by "received/", the sender
// and the sender's event_id; by the latter alone where the user has no event
// of that id, which walks through the keys of all his events.
func (v *View) Entry(user, id string) (*event.Entry, bool) {
	if kind, ref, isLong := strings.Cut(id, "/"); isLong {
		if kind == event.Received.String() {
			number, place, ok := v.named(nameGrant, user, ref+"/0")
			if !ok || place.From+"/"+place.ID != ref {
				return nil, false
			}
			return v.entryAt(user, number, place)
		}
		return v.dueEntry(user, kind, ref)
	}
	number, place, ok := v.named(nameEvent, user, id)
	if !ok {
		number, place, ok = v.receivedAs(user, id)
	}
	if !ok {
		return nil, false
	}
	return v.entryAt(user, number, place)
}

// receivedAs finds the first of what transfers brought under the sender's
// event_id.
func (v *View) receivedAs(user, id string) (number uint64, place event.Place, ok bool) {
	for a := range v.Accounts(user) {
		prefix := appendNumbered(nil, keyEvent, a.number)
		for rows := v.read(prefix, behind(prefix), false); !a.IsOrders() && rows.next(); {
			at, sound := placeIn(rows.key[len(prefix):])
			if !sound {
				return 0, event.Place{}, v.ok(errCorruptKey)
			}
			if at.ID == id && at.From != "" {
				if !ok || at.Before(place) {
					number, place, ok = a.number, at, true
				}
				break
			}
		}
	}
	return number, place, ok
}

// pendingAt is the entry of an operation that waits at a place.
func (v *View) pendingAt(a *Account, place event.Place) (*event.Entry, bool) {
	if place.Due != event.AnEvent {
		return nil, false
	}
	key := appendPlaced(nil, keyPending, a.number, place)
	row, ok := v.e.rows.Get(key)
	var op event.Placed
	if !ok || !v.e.readEvent(key, row, &op, &event.Event{}) {
		return nil, false
	}
	e := v.waitingEntry(a, &op)
	return &e.entry, true
}

// entryAt is the entry at a place of one of the user's accounts.
func (v *View) entryAt(user string, number uint64, place event.Place) (*event.Entry, bool) {
	for a := range v.Accounts(user) {
		if a.number != number {
			continue
		}
		if e, ok := v.pendingAt(&a, place); ok {
			return e, true
		}
		if v.lastSaid(&a).Before(place) {
			return nil, false // to come
		}
		if a.IsOrders() {
			return v.commandAt(&a, place)
		}
		r, _ := v.replay(&a, place, place)
		for r.step() {
			if r.place == place {
				e := v.lineEntry(r)
				return &e.entry, true
			}
		}
	}
	return nil, false
}
