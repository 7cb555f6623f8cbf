package engine

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
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
// checkpoints, in a chapter, and of an account in memory, and chapters in a
// volume; due rows of a piece; and states of so many bytes stand in the rows
// of accounts; and a row cache of so many bytes.
func (c Config) Small(stride, chapter, volume, keep, piece, state, rows int) Config {
	c.sizes = sizes{stride, chapter, volume, keep, piece, state, rows, max(rows/4, 1)}
	return c
}

// WithRowCache is a configuration with a row cache of so many bytes.
func (c Config) WithRowCache(rows int) Config {
	c.sizes.fill()
	c.sizes.rows, c.sizes.segment = rows, max(rows/4, 1)
	return c
}

// Jumps is how many chapters were jumped, and how many volumes.
func (e *Engine) Jumps() (chapters, volumes int) {
	return e.late.jumps[keyChapter], e.late.jumps[keyVolume]
}

// headOf is what the row of an account says; nil where there is none.
func (e *Engine) headOf(user, asset string) (*head, error) {
	row, ok := e.rows.Get(appendAccountKey(nil, user, asset))
	if !ok {
		return nil, nil
	}
	h := &head{}
	if _, _, err := h.decode(string(row), &event.Place{}); err != nil {
		return nil, err
	}
	return h, nil
}

// CheckStates is what I14 says of all accounts, and I15.
func (e *Engine) CheckStates() error {
	for row := (&rowList{rows: e.rows, from: []byte{keyAccount}, to: []byte{keyAccount + 1}, piece: firstPiece}); row.next(); {
		if err := e.checkState(row.key, row.value); err != nil {
			return err
		}
	}
	return e.left.each(func(key, row []byte, stands bool) error {
		user, asset, _ := strings.Cut(string(key), "\x00")
		if e.entryPoint(&appointment{user: user, asset: asset}) != nil {
			return fmt.Errorf("I15: the row cache has the row of %q of %s, who is in memory", asset, user)
		}
		if err := e.checkState("\x00"+string(key), string(row)); err != nil {
			return fmt.Errorf("in the row cache: %w", err)
		}
		var cached, stored head
		var cachedAt, storedAt event.Place
		written, ok := e.rows.Get(appendAccountKey(nil, user, asset))
		state, _, err := stored.decode(string(written), &storedAt)
		_, _, err2 := cached.decode(string(row), &cachedAt)
		// Without a state the row on the disk leaves the place to the newest event.
		if !ok || err != nil || err2 != nil || !reflect.DeepEqual(cached, stored) || cachedAt != storedAt && storedAt != (event.Place{}) {
			return fmt.Errorf("I15: of %q of %s the row cache says %+v at %+v, the row %+v at %+v", asset, user, cached, cachedAt, stored, storedAt)
		}
		if stands && state == "" && asset != "" {
			return fmt.Errorf("I15: the row of %q of %s hasn't its state, and the row cache says that it has", asset, user)
		}
		return nil
	})
}

// each visits the rows.
func (c *rowCache) each(visit func(key, row []byte, stands bool) error) error {
	for i, s := range c.segments {
		for from := 0; from < len(s); {
			key, row, stands, end := readCached(s, from)
			if at, ok := c.at[c.hash(key)]; ok && at == (c.first+uint64(i))<<32|uint64(from) {
				if err := visit(key, row, stands); err != nil {
					return err
				}
			}
			from = end
		}
	}
	return nil
}

// RowCache is how many rows of accounts that left memory are kept, in how many
// bytes, and how many were taken out and dropped so far.
func (e *Engine) RowCache() (rows, bytes, hits, drops int) {
	return len(e.left.at), e.left.bytes(), e.left.hits, e.left.drops
}

// States is how many rows of accounts have their state.
func (e *Engine) States() (n int) {
	for _, row := range e.rows.Scan([]byte{keyAccount}, []byte{keyAccount + 1}) {
		if state, _, _ := new(head).decode(string(row), &event.Place{}); state != "" {
			n++
		}
	}
	return n
}

func (e *Engine) checkState(key, row string) error {
	user, asset, _ := strings.Cut(key[1:], "\x00")
	var h head
	var at event.Place
	packed, since, err := h.decode(row, &at)
	if err != nil || packed == "" {
		return err
	}
	var line ledgerTimeline
	var got, want ledger.Account
	line.Start(event.Place{}, &ledger.Account{})
	ops, checks := e.stretch(h.number, event.Place{}, nil, nil)
	line.Resume(ops, nil)
	line.StateAt(at, &want, &event.Result{})
	if err := got.Decode(packed); err != nil {
		return err
	}
	if line.Last() != at || !got.Equal(&want) {
		return fmt.Errorf("I14: the row of %s of %s doesn't have the state that its events make", asset, user)
	}
	behind := len(ops)
	if n := len(checks); n > 0 {
		behind -= int(checks[n-1].Index)
	}
	if since < behind {
		return fmt.Errorf("I14: the row of %s of %s says that %d events lie behind its last checkpoint, there are %d", asset, user, since, behind)
	}
	return nil
}

// WithoutStates is a configuration in which no state stands in an account's
// row.
func (c Config) WithoutStates() Config {
	c.sizes.fill()
	c.sizes.state = -1
	return c
}

// CheckVolumes is what I12 says of volumes, for an account of this user.
func (e *Engine) CheckVolumes(user, asset string) error {
	h, err := e.headOf(user, asset)
	if h == nil {
		return err
	}
	var end event.Place
	for volumes := e.all(keyVolume, h.number); volumes.next(); {
		var v chapter
		if err := v.decode(volumes.key, volumes.value); err != nil {
			return err
		}
		if v.begin.Before(end) {
			return fmt.Errorf("I12: a volume begins at %v, before the end of another one at %v", v.begin, end)
		}
		at, ops := v.begin, 0
		chapters := e.all(keyChapter, h.number)
		chapters.from, chapters.to = appendPlaced(nil, keyChapter, h.number, v.begin), appendPlaced(nil, keyChapter, h.number, v.end)
		for chapters.next() {
			var c chapter
			if err := c.decode(chapters.key, chapters.value); err != nil {
				return err
			}
			if c.begin != at {
				return fmt.Errorf("I12: in a volume a chapter ends at %v and the next begins at %v", at, c.begin)
			}
			if len(c.shift) > ledger.MaxShift || len(v.shift) > ledger.MaxShift {
				return fmt.Errorf("shifts of %d grants, and %d", len(c.shift), len(v.shift))
			}
			at, ops = c.end, ops+c.ops
			c.lay(v.shift)
			says := string(v.digest.AppendTo(nil))
			if v.digest.Join(&c.digest); string(v.digest.AppendTo(nil)) != says {
				return fmt.Errorf("I13: a volume's digest says %q, less than that of a chapter: %q", says, c.digest.AppendTo(nil))
			}
		}
		if at != v.end || ops != v.ops {
			return fmt.Errorf("I12: a volume of %d events ends at %v, its chapters have %d and end at %v", v.ops, v.end, ops, at)
		}
		if end = v.end; !end.Before(h.last.end) {
			return errors.New("I12: the last chapter is in a volume")
		}
	}
	return nil
}

// ForgetVolumes leaves an account's rows as they were before there were
// volumes.
func (e *Engine) ForgetVolumes(user, asset string) error {
	h, err := e.headOf(user, asset)
	if h == nil {
		return err
	}
	for volumes := e.all(keyVolume, h.number); volumes.next(); {
		b := binder{e: e, number: h.number}
		if err := b.volume.decode(volumes.key, volumes.value); err != nil {
			return err
		}
		b.open(b.volume.begin)
	}
	e.rows.DeleteRange(appendNumbered(nil, keyVolume, h.number), appendNumbered(nil, keyVolume, h.number+1))
	return e.err
}

// all are the rows of a kind of an account.
func (e *Engine) all(kind byte, number uint64) *rowList {
	return &rowList{rows: e.rows, from: appendNumbered(nil, kind, number), to: appendNumbered(nil, kind, number+1), piece: firstPiece}
}
