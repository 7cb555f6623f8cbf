package engine

import (
	"cmp"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
	"highwater/pkg/timeline"
)

// user is what is in memory of one user. Users leave memory whole, those not
// needed for long first.
type user struct {
	id string
	// one is the first account, in place since most users have but one; it
	// leads to the others.
	one   account
	book  *book
	bytes int
	// past is what of bytes its accounts' events take.
	past int
	// needed since eviction last came by: by a record, or soon by the agenda.
	needed bool
}

// ledgerTimeline is the timeline of a (user, asset).
type ledgerTimeline = timeline.Timeline[ledger.Account, *ledger.Account]

// account is one (user, asset) in memory. What every event needs stands
// together in front.
type account struct {
	asset string
	user  *user
	head
	line ledgerTimeline
	// open is the index of the first op that isn't settled; settled is the
	// state before it, where there is one.
	open    int
	settled *ledger.Account
	// due is where the last due item was said that no op said follows; nil
	// where there is none.
	due *event.Place
	// seldom is nil for most.
	seldom *seldom
	// next is the user's next account.
	next *account
	entryPoint
	// touched: something was said in this transaction, last under the
	// watermark cause. written: its row must be written in it.
	cause            event.Time
	touched, written bool
	// stands: its row has its state. known: that need not be written with its row
	// before it leaves memory, since it was read from the row cache, or its row was
	// written since it came into memory.
	stands, known bool
	// sized is the capacity for ops that was measured last.
	sized int32
}

// seldom is what few accounts have.
type seldom struct {
	// pending are the places of its operations that wait, in their order.
	pending []event.Place
	// recent is what the rules of its asset look at; nil before they do.
	recent *recent
	// walked is the segment of the past in which the last late event of the
	// transaction found its place, if it stays.
	walked *segment
}

// rare is what is seldom of an account, made where it must be.
func (a *account) rare() *seldom {
	if a.seldom == nil {
		a.seldom = &seldom{}
	}
	return a.seldom
}

func (a *account) pending() []event.Place {
	if a.seldom == nil {
		return nil
	}
	return a.seldom.pending
}

func (a *account) recent() *recent {
	if a.seldom == nil {
		return nil
	}
	return a.seldom.recent
}

func (a *account) walked() *segment {
	if a.seldom == nil {
		return nil
	}
	return a.seldom.walked
}

// place is where what was said last stands, before everything where nothing
// was.
func (a *account) place() event.Place {
	if a.due != nil {
		return *a.due
	}
	return a.line.Last()
}

// isLate reports whether something said stands behind a place.
func (a *account) isLate(at event.Place) bool { return at.Before(a.place()) }

// user is the user of this id, in memory from now on.
func (e *Engine) user(id string) *user {
	u := e.load(id)
	u.needed = true
	return u
}

// load is user for what the watermark brings, which is no reason to stay.
func (e *Engine) load(id string) *user {
	u := e.users[id]
	if u == nil {
		u = &user{id: strings.Clone(id)}
		e.users[u.id] = u
		e.clock = append(e.clock, u)
		e.resize(u)
	}
	return u
}

// Of what is settled of an account, memory keeps up to keepOps events while
// there is room, and what is not older than keepFor when it gets short. That is
// a day or [Config.KeepFor], and where the events of a day are too many it goes
// down as far as to minKeepFor: what a late event needs is worth less than an
// account, but most of the events that come late do so by less than a day.
const (
	keepOps    = 4096
	minKeepFor = 2 * 60 * 1_000_000
	maxKeepFor = 24 * 60 * 60 * 1_000_000
)

// spare is how many of an account's ops in memory are settled and need not stay
// there.
func (e *Engine) spare(a *account) int {
	n := len(a.line.Ops) - e.cfg.sizes.keep
	if isShort := e.cfg.KeepFor > 0 || e.cached > e.room()/2; isShort {
		n = max(n, e.old(a))
	}
	return min(a.open, n)
}

// old is how many of an account's ops in memory are settled and aren't recent.
func (e *Engine) old(a *account) int {
	return min(a.open, a.line.Find(event.EndOf(e.oldTo())))
}

// oldTo is the end of what isn't recent.
func (e *Engine) oldTo() event.Time { return e.meta.settledTo - event.Time(e.keepFor) }

// balanceMemory shares memory between accounts and their events where it isn't
// enough for both: it changes how long events stay.
func (e *Engine) balanceMemory() {
	switch {
	case e.cfg.KeepFor > 0: // somebody decided
	case e.past > e.room()/2:
		e.keepFor = max(e.keepFor/2, minKeepFor)
	case e.past < e.room()/8:
		e.keepFor = min(e.keepFor*2, maxKeepFor)
	}
}

// makeRoom forgets what need not be in memory of an account, where that is a
// good part of it: else memory grows.
func (e *Engine) makeRoom(a *account) {
	// A segment of the past that waits to be written ends where memory begins,
	// and a checkpoint that is no more is read until its row is deleted.
	if a.walked() == nil && len(a.line.Dropped()) == 0 && e.spare(a) > len(a.line.Ops)/4 {
		e.trim(a)
	}
}

// Estimates of memory, in bytes.
const (
	// What map and clock keep of the user is in it.
	userBytes    = 488
	accountBytes = 384
	checkBytes   = 72
	stateBytes   = 64
	placedBytes  = 80
	placeBytes   = 56
	seldomBytes  = 88
	bookBytes    = 240
	openBytes    = 224
	orderBytes   = 240 // with its terms and id
)

// account is the user's account of an asset in memory, if it is there.
func (u *user) account(asset string) *account {
	for a := &u.one; a != nil; a = a.next {
		if a.asset == asset {
			return a
		}
	}
	return nil
}

// account is the user's account of an asset, loaded if it exists; nil where
// there is none yet.
func (e *Engine) account(u *user, asset string) *account {
	if a := u.account(asset); a != nil {
		return a
	}
	e.key = appendAccountKey(e.key[:0], u.id, asset)
	row, from, ok := e.accountRow(e.key)
	if !ok {
		return nil
	}
	a := e.addAccount(u, asset)
	var place event.Place
	state, since, err := a.decode(string(row), &place)
	if err != nil {
		e.fail(err)
	}
	if place != (event.Place{}) && place.Due != event.AnEvent {
		a.due = &place
	}
	e.loadPending(a)
	// Who only comes back need not be written with his state: it stays when he
	// goes.
	a.known, a.stands = from != disk, from == cachedClean || from == disk && state != ""
	if state != "" {
		e.resume(a, place, state, since)
	} else {
		e.loadLine(a)
	}
	a.foundOnDisk(e.wake(a))
	e.resize(u)
	return a
}

// Where the row of an account or a book came from: the disk, or the row cache,
// where it was as it is on the disk, or with a state that isn't there.
const (
	disk = iota
	cachedClean
	cachedChanged
)

// accountRow is the row at an account's or a book's key, taken out of the row
// cache if it is there.
func (e *Engine) accountRow(key []byte) (row []byte, from int, ok bool) {
	row, stands, ok := e.left.take(key[1:])
	switch {
	case !ok:
		row, ok = e.rows.Get(key)
		return row, disk, ok
	case stands:
		return row, cachedClean, true
	}
	return row, cachedChanged, true
}

// newAccount is the account of an asset that the user had nothing of.
func (e *Engine) newAccount(u *user, asset string) *account {
	a := e.addAccount(u, asset)
	e.meta.lastNumber++
	a.number = e.meta.lastNumber
	a.line.Stride = int16(e.cfg.sizes.stride)
	a.line.Start(event.Place{}, &ledger.Account{})
	return a
}

// mayStand reports whether an account's state may stand in its row if it is
// small, so that who reads it needs no more (I14).
func (e *Engine) mayStand(a *account) bool {
	return a.due == nil && a.open == len(a.line.Ops) && a.line.Last() != (event.Place{}) && a.line.Head.Weight() <= 2*e.cfg.sizes.state
}

// isNearlyFull reports whether accounts will soon have to leave memory.
func (e *Engine) isNearlyFull() bool { return e.cached >= e.room()-e.room()/8 }

// room is how many bytes accounts may take in memory, beside the rows of those
// that left it.
func (e *Engine) room() int { return e.cfg.CacheBytes - e.left.bytes() }

// addAccount makes room for an account in memory.
func (e *Engine) addAccount(u *user, asset string) *account {
	a := &u.one
	if a.user != nil {
		a = &account{next: u.one.next}
		u.one.next = a
	}
	a.user, a.asset = u, e.assetName(asset)
	return a
}

// maxAssetNames bounds the names that are shared: producers choose them.
const maxAssetNames = 4096

// assetName is the one copy of an asset's name that accounts share.
func (e *Engine) assetName(asset string) string {
	if asset == event.DefaultAsset {
		return event.DefaultAsset
	}
	name, ok := e.assets[asset]
	if !ok {
		if len(e.assets) >= maxAssetNames {
			clear(e.assets)
		}
		name = strings.Clone(asset)
		e.assets[name] = name
	}
	return name
}

// touch puts an account among those that Commit writes.
func (e *Engine) touch(a *account) {
	a.cause, a.touched = e.cause, true
	e.write(a)
}

// write puts an account among those whose row Commit writes.
func (e *Engine) write(a *account) {
	if !a.written {
		a.written = true
		e.accounts = append(e.accounts, a)
	}
}

// resize measures what a user takes in memory.
func (e *Engine) resize(u *user) {
	size, past := userBytes+len(u.id)+u.one.bytes(), u.one.past()
	for a := u.one.next; a != nil; a = a.next {
		size += accountBytes + a.bytes()
		past += a.past()
	}
	size += past
	if u.book != nil {
		size += u.book.bytes()
	}
	e.cached += size - u.bytes
	e.past += past - u.past
	u.bytes, u.past = size, past
}

// shrink keeps only what is recent of a user's accounts and orders.
func (e *Engine) shrink(u *user) {
	for a := &u.one; a != nil; a = a.next {
		e.forget(a, e.old(a))
	}
	if u.book != nil {
		u.book.keep(func(t *tracked) bool { return t.state.UpdatedAt > e.oldTo() })
	}
	e.resize(u)
}

// bytes is about how much memory an account holds, beside its own place and its
// events.
func (a *account) bytes() int {
	size := cap(a.line.Checks)*checkBytes + a.line.Head.Bytes()
	if a.settled != nil {
		size += stateBytes + a.settled.Bytes()
	}
	if a.due != nil {
		size += placeBytes
	}
	if s := a.seldom; s != nil {
		size += seldomBytes + cap(s.pending)*placeBytes + s.recent.bytes()
	}
	// States share nearly all grants; few come and go between the oldest and the newest.
	shared := a.line.Head.SharedBytes()
	for i := range a.line.Checks {
		state := &a.line.Checks[i].State
		size += state.Bytes()
		shared = max(shared, state.SharedBytes())
	}
	return size + shared
}

// past is how much memory an account's events take.
func (a *account) past() int {
	size := cap(a.line.Ops) * placedBytes
	// A few ops tell what all hold.
	apart := len(a.line.Ops)/16 + 1
	for i := len(a.line.Ops) - 1; i >= 0; i -= apart {
		size += a.line.Ops[i].Bytes() * min(apart, i+1)
	}
	return size
}

// SetCacheBytes changes the bound on what is kept in memory of accounts; what is
// over it goes with the next Commit.
func (e *Engine) SetCacheBytes(n int) {
	e.cfg.CacheBytes = n
	e.left.room = cmp.Or(e.cfg.sizes.rows, n/rowsShare)
}

// maxLeaving bounds the states that a transaction writes of accounts that leave
// memory: where there is suddenly less room, many leave at once. Those of the
// others are made from their past when they come back.
const maxLeaving = 8192

// evict forgets users until the rest fits. It goes round all of them like the
// hand of a clock: who was needed since it last came by stays for one round
// more, with what is recent. A transaction makes it go round once, so that an
// account larger than all the room isn't loaded for each one anew; without any
// room nothing stays.
func (e *Engine) evict() {
	written := 0
	write := func(key, row []byte) {
		if written++; written <= maxLeaving {
			e.key = append(append(e.key[:0], keyAccount), key...)
			e.rows.Set(e.key, row)
		}
	}
	e.left.shrink(e.left.room, write)
	if e.cached <= e.room() {
		return
	}
	e.balanceMemory()
	passes := len(e.clock)
	if e.cfg.CacheBytes == 0 {
		passes *= 2 // who was needed goes at the second
	}
	for ; e.cached > e.room() && passes > 0 && len(e.clock) > 0; passes-- {
		if e.hand >= len(e.clock) {
			e.hand = 0
		}
		u := e.clock[e.hand]
		if u.needed {
			u.needed = false
			e.shrink(u)
			e.hand++
			continue
		}
		e.leave(u, write)
		last := len(e.clock) - 1
		e.clock[e.hand] = e.clock[last]
		e.clock[last] = nil
		e.clock = e.clock[:last]
		delete(e.users, u.id)
		e.cached -= u.bytes
		e.past -= u.past
	}
}

// leave keeps the rows of a user who leaves memory, of accounts with their
// states if they may stand there.
func (e *Engine) leave(u *user, write func(key, row []byte)) {
	for a := &u.one; a != nil; a = a.next {
		if a.user == nil || !e.mayStand(a) || !e.packHead(a, true) {
			continue
		}
		// The key's memory is that of rows which are dropped.
		e.key2 = append(e.key2[:0], e.key[1:]...)
		if !e.left.put(e.key2, e.val, a.stands, write) && !a.stands {
			write(e.key2, e.val)
		}
	}
	if u.book != nil {
		e.packBook(u.book)
		e.key2 = append(e.key2[:0], e.key[1:]...)
		e.left.put(e.key2, e.val, true, write)
	}
}
