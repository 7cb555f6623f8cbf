package engine

import (
	"fmt"

	"highwater/pkg/event"
)

// SetPolicies changes the policies in force without a takeover.
func (e *Engine) SetPolicies(p event.Policies) { e.cfg.Policies = p }

// ForgetAccounts drops everything from memory that rows can bring back, as a
// new owner would find it, but for what is known of the topics' news.
func (e *Engine) ForgetAccounts() {
	marks := e.marks
	fresh, err := New(e.cfg, e.rows, e.sink)
	if err != nil {
		panic(err)
	}
	*e = *fresh
	e.marks, e.begun = marks, true
}

// AssetNames is how many names of assets accounts share.
func (e *Engine) AssetNames() int { return len(e.assets) }

// Cached is how many bytes the engine thinks it keeps in memory of users.
func (e *Engine) Cached() int { return e.cached }

// InMemory is what memory holds: bytes of accounts as they are counted, users,
// names in the agenda, and windows of order statistics.
func (e *Engine) InMemory() (bytes, users, named, windows int) {
	return e.cached, len(e.users), len(e.agenda), len(e.windows)
}

// Unfound names an account or a book in memory that something will happen to and
// no due row brings in time (I5); it is empty where there is none.
func (e *Engine) Unfound() string {
	found := func(what appointment) bool {
		for key := range e.rows.Scan(appendDueKey(nil, &e.meta.start), after(appendDueKey(nil, &what))) {
			if p, _ := appointmentIn(key); p.user == what.user && p.asset == what.asset {
				return true
			}
		}
		return false
	}
	for _, u := range e.users {
		for a := &u.one; a != nil; a = a.next {
			if a.user == nil {
				continue
			}
			if at, ok := e.wake(a); ok && !found(appointment{at, u.id, a.asset}) {
				return fmt.Sprintf("%s of %s at %s %q", a.asset, u.id, at.Time, at.ID)
			}
		}
		if u.book != nil {
			if at, ok := u.book.wake(); ok && !found(appointment{at, u.id, ""}) {
				return fmt.Sprintf("orders of %s at %s %q", u.id, at.Time, at.ID)
			}
		}
	}
	return ""
}

// Small is a configuration in which little belongs together: events between
// checkpoints, in a chapter, and of an account in memory; due rows of a piece.
func (c Config) Small(stride, chapter, keep, piece int) Config {
	c.sizes = sizes{stride, chapter, keep, piece}
	return c
}

// Jumps is how many chapters were jumped.
func (e *Engine) Jumps() int { return e.late.jumps }
