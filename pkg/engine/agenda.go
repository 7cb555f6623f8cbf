package engine

import (
	"strings"

	"highwater/pkg/event"
)

// appointment is when something happens to an account or, with the empty asset,
// to a book of orders; of an account that isn't in memory, when something may.
type appointment struct {
	at          event.Place
	user, asset string
}

func (p *appointment) before(q *appointment) bool {
	if p.at.Time != q.at.Time {
		return p.at.Time < q.at.Time
	}
	if c := p.at.Compare(q.at); c != 0 {
		return c < 0
	}
	if c := strings.Compare(p.user, q.user); c != 0 {
		return c < 0
	}
	return p.asset < q.asset
}

// startOf is before everything that happens in a bucket.
func startOf(bucket int64) appointment {
	return appointment{at: event.Place{Time: event.Time(bucket << bucketShift)}}
}

// entryPoint is where an account or a book stands in the agenda and among the
// due rows.
type entryPoint struct {
	// queued: the agenda has it at next, or what is ahead of the agenda.
	queued bool
	// rowed: a due row stands at next or before it, but in the piece if next is
	// in it, and otherwise behind the edge.
	rowed bool
	// looked: Commit sees to its due row.
	looked bool
	next   event.Place
}

// unrowed is an account or a book that Commit writes a due row of, if it is
// still queued then.
type unrowed struct {
	*entryPoint
	user, asset string
}

// agenda is what happens next: a heap with the earliest in front. What isn't in
// memory stands in due rows in the same order. They are read in pieces: the
// agenda has all that the rows of one piece name, and what else comes before
// the piece's end, its edge. The piece begins where everything before it is
// done, at start in the meta row.
type agenda []appointment

func (g *agenda) push(p appointment) {
	h := append(*g, p)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !h[i].before(&h[up]) {
			break
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
	*g = h
}

func (g *agenda) pop() appointment {
	h := *g
	top := h[0]
	last := len(h) - 1
	h[0] = h[last]
	h[last] = appointment{}
	h = h[:last]
	for i := 0; ; {
		down := 2*i + 1
		if down >= len(h) {
			break
		}
		if down+1 < len(h) && h[down+1].before(&h[down]) {
			down++
		}
		if !h[down].before(&h[i]) {
			break
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
	*g = h
	return top
}

// wake is the place of the next thing that the watermark's move brings to an
// account.
func (e *Engine) wake(a *account) (event.Place, bool) {
	at, ok := a.nextToSettle()
	if pending := a.pending(); len(pending) > 0 && (!ok || pending[0].Before(at)) {
		return pending[0], true
	}
	return at, ok
}

func (a *account) nextToSettle() (event.Place, bool) {
	if a.open == len(a.line.Ops) {
		return a.line.Head.NextDue()
	}
	op := &a.line.Ops[a.open]
	if a.settled.DueTime() <= op.Time {
		return a.settled.NextDue()
	}
	return op.Place(), true
}

// schedule sees to it that what comes next for an account will be found: by
// the agenda in this transaction, by a due row after it (I5).
func (e *Engine) schedule(a *account) {
	if at, ok := e.wake(a); ok {
		e.appoint(a.user, a.asset, &a.entryPoint, at)
	}
}

func (e *Engine) scheduleBook(b *book) {
	if at, ok := b.wake(); ok {
		e.appoint(b.user, "", &b.entryPoint, at)
	}
}

// appoint sees to it that an account or a book comes up at a place at the
// latest.
func (e *Engine) appoint(u *user, asset string, p *entryPoint, at event.Place) {
	if p.queued && !at.Before(p.next) {
		return
	}
	what := appointment{at, u.id, asset}
	near := what.before(&e.edge)
	p.rowed = p.rowed && !at.Before(p.next) && e.serves(&appointment{p.next, u.id, asset}, near)
	if p.rowed && !near {
		return // the row brings it
	}
	p.queued, p.next = true, at
	if near {
		u.needed = true // not to be read again soon
		e.agenda.push(what)
	} else {
		e.ahead.push(what)
	}
	if !p.rowed && !p.looked {
		p.looked = true
		e.looked = append(e.looked, unrowed{p, u.id, asset})
	}
}

// serves reports whether a due row will be found in time: one that stands in
// the piece if that is near, else one behind the edge.
func (e *Engine) serves(row *appointment, near bool) bool {
	if near {
		return !row.before(&e.meta.start)
	}
	return !row.before(&e.edge)
}

// commitAppointments writes the due rows of what this transaction appointed,
// and leaves in memory only what comes before the agenda's edge.
func (e *Engine) commitAppointments() {
	for _, p := range e.looked {
		p.looked = false
		if !p.queued {
			continue
		}
		what := appointment{p.next, p.user, p.asset}
		e.key = appendDueKey(e.key[:0], &what)
		e.rows.Set(e.key, nil)
		p.rowed = true
		if !what.before(&e.edge) {
			p.queued = false
			e.nextDue = min(e.nextDue, what.at.Time)
		}
	}
	for i := range e.ahead {
		if e.ahead[i].before(&e.edge) {
			e.agenda.push(e.ahead[i])
		}
	}
	clear(e.looked)
	clear(e.ahead)
	e.looked, e.ahead = e.looked[:0], e.ahead[:0]
	if len(e.agenda) > 2*e.cfg.sizes.piece {
		e.forgetAgenda()
	}
}

// forgetAgenda leaves to the due rows what the agenda has.
func (e *Engine) forgetAgenda() {
	for i := range e.agenda {
		if p := e.entryPoint(&e.agenda[i]); p != nil {
			p.queued = false
		}
	}
	clear(e.agenda)
	e.agenda = e.agenda[:0]
	e.edge, e.nextDue = e.meta.start, e.meta.start.at.Time
}

// entryPoint is that of an account or a book in memory; nil if it isn't there.
func (e *Engine) entryPoint(of *appointment) *entryPoint {
	u := e.users[of.user]
	switch {
	case u == nil:
	case of.asset != "":
		if a := u.account(of.asset); a != nil {
			return &a.entryPoint
		}
	case u.book != nil:
		return &u.book.entryPoint
	}
	return nil
}

// never is behind every time.
const never = event.MaxTime + 1

// foundOnDisk tells where there is a due row of an account just loaded at the
// latest.
func (p *entryPoint) foundOnDisk(at event.Place, ok bool) { p.rowed, p.next = ok, at }

// advance moves the watermark to where it may be, and does what that causes:
// due items are said, and events and due items settled, in the order of their
// places. A move that causes more than one transaction may hold goes on in
// the next one (see Busy).
func (e *Engine) advance() {
	if !e.Busy() && !e.marks.Advance(e.now) {
		return
	}
	to := e.marks.At
	e.cause = to
	for e.keepAppointments(to) {
		if to < e.edge.at.Time {
			if e.closeWindows() {
				e.meta.settledTo = to
			}
			return
		}
		e.nextPiece(to)
	}
}

// full reports whether the transaction may hold no more of what the
// watermark's move causes, or memory no more of the accounts that it brings.
func (e *Engine) full() bool {
	if e.cfg.MaxMoves == 0 {
		return false
	}
	return e.moves >= e.cfg.MaxMoves || e.cached > e.room() && e.brought > max(e.cfg.CacheBytes/4, minBrought)
}

// minBrought is how many bytes of accounts a transaction may bring into memory
// that has no room left, however little there is.
const minBrought = 1 << 20

// Busy reports whether the watermark's move has more to do than one
// transaction may hold. Then the transaction must be committed, and no record
// processed before another one, begun, is no longer busy.
func (e *Engine) Busy() bool { return e.meta.settledTo < e.marks.At }

// nextPiece goes on to the next piece of due rows: to the end of a time's
// bucket, or less where there are many. That names whom they are about, and
// reads nobody yet.
func (e *Engine) nextPiece(to event.Time) {
	e.meta.start = e.edge
	e.edge = startOf(bucketOf(to) + 1)
	if e.nextDue >= e.edge.at.Time {
		return
	}
	e.nextDue = never
	from := appendDueKey(nil, &e.meta.start)
	for key := range e.rows.Scan(from, []byte{keyDue + 1}) {
		p, ok := appointmentIn(key)
		if !ok {
			e.fail(errCorruptKey)
			return
		}
		if p.before(&e.edge) && len(e.agenda) < e.cfg.sizes.piece {
			e.agenda.push(p)
			continue
		}
		if p.before(&e.edge) {
			e.edge = p
		}
		e.nextDue = p.at.Time
		return
	}
}

// keepAppointments does everything in the agenda up to a time; it reports
// false where the transaction is full before that.
func (e *Engine) keepAppointments(to event.Time) bool {
	for {
		earliest := &e.agenda
		if len(e.agenda) == 0 || len(e.ahead) > 0 && e.ahead[0].before(&e.agenda[0]) {
			earliest = &e.ahead
		}
		if len(*earliest) == 0 || (*earliest)[0].at.Time > to || !(*earliest)[0].before(&e.edge) {
			return true
		}
		if e.full() {
			return false
		}
		what := earliest.pop()
		before := e.cached
		if what.asset == "" {
			e.keepBook(&what)
		} else {
			e.keepAccount(&what)
		}
		e.brought += e.cached - before
	}
}

// keepAccount keeps an appointment of an account.
func (e *Engine) keepAccount(what *appointment) {
	a := e.account(e.load(what.user), what.asset)
	if a == nil {
		e.fail(errCorruptKey)
		return
	}
	if at, ok := e.wake(a); e.comes(&a.entryPoint, what, ok && at == what.at) {
		if pending := a.pending(); len(pending) > 0 && pending[0] == at {
			e.giveUp(a)
		} else {
			e.settleNext(a)
		}
	}
	e.schedule(a)
}

// keepBook keeps an appointment of a book.
func (e *Engine) keepBook(what *appointment) {
	b := e.book(e.load(what.user))
	if b == nil {
		e.fail(errCorruptKey)
		return
	}
	if at, ok := b.wake(); e.comes(&b.entryPoint, what, ok && at == what.at) {
		e.settleCommand(b)
	}
	e.scheduleBook(b)
}

// comes reports whether an appointment is to be kept, if something happens
// then.
func (e *Engine) comes(p *entryPoint, what *appointment, happens bool) bool {
	if p.queued && p.next != what.at {
		return false // another appointment took its place
	}
	e.moves++
	p.queued = false
	if !happens {
		// Whoever comes next in the middle of the move need not look again.
		e.key = appendDueKey(e.key[:0], what)
		e.rows.Delete(e.key)
		p.rowed = false
		return false
	}
	e.meta.kept = *what
	return true
}

// kept reports whether an appointment was kept by the move of the watermark
// that is under way. It tells what to skip of an account that is read in the
// middle of it.
func (e *Engine) kept(at event.Place, u *user, asset string) bool {
	return e.Busy() && !e.meta.kept.before(&appointment{at, u.id, asset})
}

// settleNext does the next thing that the watermark brings to an account.
func (e *Engine) settleNext(a *account) {
	r := &e.result
	r.Reset()
	if a.open < len(a.line.Ops) {
		if op := &a.line.Ops[a.open]; a.settled.DueTime() > op.Time {
			a.settled.Apply(op, r)
			a.open++
			e.closeSettled(a)
			e.saySettled(e.fillEvent(a.user.id, a.asset, op, r))
			return
		}
		place, _ := a.settled.NextDue()
		a.settled.Due(r)
		e.settleDue(a, place, e.fillDue(a.user.id, a.asset, place, r, false))
		return
	}
	place, _ := a.line.Head.NextDue()
	a.line.Head.Due(r)
	e.sayDue(a, place, r, false)
	e.settleDue(a, a.place(), &e.entry)
}

// dropPassed deletes the due rows of pieces that the watermark has passed.
func (e *Engine) dropPassed() {
	if e.meta.dropped.before(&e.meta.start) {
		// From where the last one ended: the store keeps deleted ranges apart
		// from each other cheaply, nested ones at a cost of their square.
		e.rows.DeleteRange(appendDueKey(nil, &e.meta.dropped), appendDueKey(nil, &e.meta.start))
		e.meta.dropped = e.meta.start
	}
}
