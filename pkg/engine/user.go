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
	// one is the first account, in place since most users have but one; more
	// are the others.
	one   account
	more  []*account
	book  *book
	bytes int
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
	// touched: something was said in this transaction, last under the
	// watermark cause.
	touched bool
	cause   event.Time
	// written: its row must be written in this transaction.
	written bool
	head
	// open is the index of the first op that isn't settled; settled is the
	// state before it, where there is one.
	open int
	line ledgerTimeline
	entryPoint
	settled *ledger.Account
	// pending are the places of its operations that wait, in their order.
	pending []event.Place
	// recent is what the rules of its asset look at; nil before they do.
	recent *recent
	// sized is the capacity for ops that was measured last.
	sized int
	// walked is the segment of the past in which the last late event of the
	// transaction found its place, if it stays.
	walked *segment
}

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

// Of what is settled of an account, memory keeps up to keepOps while there is
// room, and what is not older than [Config.KeepFor] when it gets short: more
// accounts in memory are worth more than the past of some.
const (
	defaultKeepFor = 2 * 60 * 1_000_000
	keepOps        = 4096
)

// spare is how many of an account's ops in memory are settled and need not stay
// there.
func (e *Engine) spare(a *account) int {
	n := len(a.line.Ops) - e.cfg.sizes.keep
	if isShort := e.cfg.KeepFor > 0 || e.cached > e.cfg.CacheBytes/2; isShort {
		n = max(n, e.old(a))
	}
	return min(a.open, n)
}

// old is how many of an account's ops in memory are settled and aren't recent.
func (e *Engine) old(a *account) int {
	keepFor := cmp.Or(e.cfg.KeepFor, defaultKeepFor)
	return min(a.open, a.line.Find(event.EndOf(e.meta.settledTo-event.Time(keepFor))))
}

// makeRoom forgets what need not be in memory of an account, where that is a
// good part of it: else memory grows.
func (e *Engine) makeRoom(a *account) {
	// A segment of the past that waits to be written ends where memory begins.
	if a.walked == nil && e.spare(a) > len(a.line.Ops)/4 {
		e.trim(a)
	}
}

// Estimates of memory, in bytes.
const (
	userBytes    = 800 // the place of the first account is in it
	accountBytes = 620
	stateBytes   = 224
	placedBytes  = 180
	orderBytes   = 500
)

// account is the user's account of an asset, loaded if it exists; nil where
// there is none yet.
func (e *Engine) account(u *user, asset string) *account {
	if a := u.account(asset); a != nil {
		return a
	}
	e.key = appendAccountKey(e.key[:0], u.id, asset)
	row, ok := e.rows.Get(e.key)
	if !ok {
		return nil
	}
	a := e.addAccount(u, asset)
	if err := a.decode(string(row)); err != nil {
		e.fail(err)
	}
	e.loadPending(a)
	e.loadLine(a)
	a.foundOnDisk(e.wake(a))
	e.resize(u)
	return a
}

// account is one that is in memory; nil where there is none.
func (u *user) account(asset string) *account {
	if u.one.asset == asset {
		return &u.one
	}
	for _, a := range u.more {
		if a.asset == asset {
			return a
		}
	}
	return nil
}

// newAccount is the account of an asset that the user had nothing of.
func (e *Engine) newAccount(u *user, asset string) *account {
	a := e.addAccount(u, asset)
	e.meta.lastNumber++
	a.number = e.meta.lastNumber
	a.line.Stride = e.cfg.sizes.stride
	a.line.Start(event.Place{}, &ledger.Account{})
	return a
}

// addAccount makes room for an account in memory.
func (e *Engine) addAccount(u *user, asset string) *account {
	a := &u.one
	if a.user != nil {
		a = &account{}
		u.more = append(u.more, a)
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
	size := userBytes + len(u.id) + u.one.bytes()
	for _, a := range u.more {
		size += accountBytes + a.bytes()
	}
	if u.book != nil {
		size += accountBytes + len(u.book.orders)*orderBytes + cap(u.book.open)*(placedBytes+orderBytes)
	}
	e.cached += size - u.bytes
	u.bytes = size
}

// shrink keeps only what is recent of a user's accounts.
func (e *Engine) shrink(u *user) {
	if u.one.user != nil {
		e.forget(&u.one, e.old(&u.one))
	}
	for _, a := range u.more {
		e.forget(a, e.old(a))
	}
	e.resize(u)
}

// bytes is about how much memory an account holds, beside its own place.
func (a *account) bytes() int {
	const placeBytes = 64
	size := a.recent.bytes() + cap(a.pending)*placeBytes + cap(a.line.Ops)*placedBytes + a.line.Head.Bytes()
	if a.settled != nil {
		size += stateBytes + a.settled.Bytes()
	}
	for i := range a.line.Checks {
		size += a.line.Checks[i].State.Bytes()
	}
	return size
}

// SetCacheBytes changes the bound on the accounts kept in memory; what is over
// it goes with the next Commit.
func (e *Engine) SetCacheBytes(n int) { e.cfg.CacheBytes = n }

// evict forgets users until the rest fits. It goes round all of them like the
// hand of a clock: who was needed since it last came by stays for one round
// more, with what is recent. A transaction makes it go round once, so that an
// account larger than all the room isn't loaded for each one anew; without any
// room nothing stays.
func (e *Engine) evict() {
	passes := len(e.clock)
	if e.cfg.CacheBytes == 0 {
		passes *= 2 // who was needed goes at the second
	}
	for ; e.cached > e.cfg.CacheBytes && passes > 0; passes-- {
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
		last := len(e.clock) - 1
		e.clock[e.hand] = e.clock[last]
		e.clock[last] = nil
		e.clock = e.clock[:last]
		delete(e.users, u.id)
		e.cached -= u.bytes
	}
}
