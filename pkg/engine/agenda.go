package engine

import (
	"cmp"
	"strings"

	"highwater/pkg/event"
)

// entryPoint is where an account or a book stands in the agenda.
type entryPoint struct {
	// row is the bucket of the due row that will bring it back (I5), -1 for
	// none; looked tells that Commit sees to it.
	row    int64
	looked bool
	// queued tells that the agenda names it, at next.
	queued bool
	next   event.Place
}

// appointment is when something happens to an account or a book; one of them
// is nil.
type appointment struct {
	at      event.Place
	user    *user
	asset   string
	account *account
	book    *book
}

func (p *appointment) before(q *appointment) bool {
	if p.at.Time != q.at.Time {
		return p.at.Time < q.at.Time
	}
	if c := p.at.Compare(q.at); c != 0 {
		return c < 0
	}
	if c := strings.Compare(p.user.id, q.user.id); c != 0 {
		return c < 0
	}
	return p.asset < q.asset
}

func (p *appointment) point() *entryPoint {
	if p.account != nil {
		return &p.account.entryPoint
	}
	return &p.book.entryPoint
}

// agenda is what happens next: a heap with the earliest in front.
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
	if p := a.pending(); len(p) > 0 && (!ok || p[0].Before(at)) {
		return p[0], true
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
		e.appoint(appointment{at: at, user: a.user, asset: a.asset, account: a})
	}
}

func (e *Engine) scheduleBook(b *book) {
	if len(b.open) > 0 {
		e.appoint(appointment{at: b.open[0].op.Place(), user: b.user, book: b})
	}
}

func (e *Engine) appoint(what appointment) {
	p := what.point()
	if !p.looked {
		p.looked = true
		e.looked = append(e.looked, what)
	}
	if p.queued && !what.at.Before(p.next) {
		return
	}
	p.queued, p.next = true, what.at
	what.user.pins++
	if bucketOf(what.at.Time) <= e.meta.loaded {
		e.agenda.push(what)
	} else {
		e.ahead.push(what)
	}
}

// commitAppointments writes the due rows of what this transaction appointed,
// and leaves in memory only what belongs to buckets that have come.
func (e *Engine) commitAppointments() {
	for i := range e.looked {
		what := &e.looked[i]
		what.point().looked = false
		if what.account != nil {
			if at, ok := e.wake(what.account); ok {
				e.writeDue(what, what.account.number, at)
			}
		} else if len(what.book.open) > 0 {
			e.writeDue(what, what.book.number, what.book.wake())
		}
	}
	for i := range e.ahead {
		what := &e.ahead[i]
		p := what.point()
		if bucketOf(what.at.Time) <= e.meta.loaded {
			e.agenda.push(*what)
			continue
		}
		what.user.pins--
		if p.queued && p.next == what.at {
			p.queued = false
		}
	}
	clear(e.looked)
	clear(e.ahead)
	e.looked, e.ahead = e.looked[:0], e.ahead[:0]
}

// writeDue writes the due row for what happens at a place, unless there is one
// that serves.
func (e *Engine) writeDue(what *appointment, number uint64, at event.Place) {
	p, loaded := what.point(), e.meta.loaded
	need := max(bucketOf(at.Time), loaded)
	if p.row == need || loaded < p.row && p.row < need {
		return
	}
	e.key = appendDueKey(e.key[:0], need, number)
	e.val = append(append(append(e.val[:0], what.user.id...), 0), what.asset...)
	e.rows.Set(e.key, e.val)
	p.row = need
	if need > loaded {
		e.nextDue = min(e.nextDue, need)
	}
}

// noBucket is behind all buckets.
const noBucket = 1<<63 - 1

// foundOnDisk tells where the due row of an account just loaded is at the
// latest.
func (e *Engine) foundOnDisk(p *entryPoint, at event.Place, ok bool) {
	p.row = -1
	if ok {
		p.row = max(bucketOf(at.Time), e.meta.loaded)
	}
}

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
	for e.meta.loaded < bucketOf(to) {
		// To the end of the buckets that have come; that may bring about
		// appointments in those to come.
		if !e.keepAppointments(event.Time((e.meta.loaded+1)<<bucketShift) - 1) {
			return
		}
		bucket, found := e.nextBucket(bucketOf(to))
		e.meta.loaded = bucket
		if found {
			e.visit(bucket)
		}
	}
	if e.keepAppointments(to) && e.closeWindows() {
		e.meta.settledTo = to
	}
}

// full reports whether the transaction may hold no more of what the
// watermark's move causes.
func (e *Engine) full() bool { return e.cfg.MaxMoves > 0 && e.moves >= e.cfg.MaxMoves }

// Busy reports whether the watermark's move has more to do than one
// transaction may hold. Then the transaction must be committed, and no record
// processed before another one, begun, is no longer busy.
func (e *Engine) Busy() bool { return e.meta.settledTo < e.marks.At }

// nextBucket is the next bucket that has due rows, at most last.
func (e *Engine) nextBucket(last int64) (bucket int64, found bool) {
	if e.nextDue <= e.meta.loaded {
		e.nextDue = noBucket
		for key := range e.rows.Scan(appendDueKey(nil, e.meta.loaded+1, 0), []byte{keyDue + 1}) {
			e.nextDue = int64(be64(string(key[1:9])))
			break
		}
	}
	return min(e.nextDue, last), e.nextDue <= last
}

// visit puts the accounts and books that the due rows of a bucket name into
// the agenda.
func (e *Engine) visit(bucket int64) {
	type named struct{ user, asset string }
	var who []named
	e.nextDue = noBucket
	for key, row := range e.rows.Scan(appendDueKey(nil, bucket, 0), []byte{keyDue + 1}) {
		if in := int64(be64(string(key[1:9]))); in != bucket {
			e.nextDue = in
			break
		}
		id, asset, _ := strings.Cut(string(row), "\x00")
		who = append(who, named{id, asset})
	}
	for _, w := range who {
		u := e.user(w.user)
		if w.asset == "" {
			if b := e.book(u); b != nil {
				b.row = bucket
				e.scheduleBook(b)
			}
		} else if a := e.account(u, w.asset); a != nil {
			a.row = bucket
			e.schedule(a)
		}
	}
}

// loadAgenda finds again what an earlier engine had in its agenda.
func (e *Engine) loadAgenda() {
	if e.meta.loaded >= 0 {
		e.visit(e.meta.loaded)
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
		if len(*earliest) == 0 || (*earliest)[0].at.Time > to {
			return true
		}
		if e.full() {
			return false
		}
		p := earliest.pop()
		p.user.pins--
		point := p.point()
		if !point.queued || point.next != p.at {
			continue // another appointment took its place
		}
		point.queued = false
		e.moves++
		e.meta.kept = keptPlace{p.at, p.user.id, p.asset}
		if p.book != nil {
			e.settleCommand(p.book, to)
			e.scheduleBook(p.book)
			continue
		}
		switch at, ok := e.wake(p.account); {
		case !ok || at != p.at: // it vanished
		case len(p.account.pending()) > 0 && p.account.pending()[0] == at:
			e.giveUp(p.account)
		default:
			e.settleNext(p.account)
		}
		e.schedule(p.account)
	}
}

// keptPlace is the appointment kept last.
type keptPlace struct {
	at          event.Place
	user, asset string
}

// kept reports whether an appointment was kept by the move of the watermark
// that is under way. It tells what to skip of an account that is read in the
// middle of it.
func (e *Engine) kept(at event.Place, u *user, asset string) bool {
	if !e.Busy() {
		return false
	}
	k := &e.meta.kept
	if c := at.Compare(k.at); c != 0 {
		return c < 0
	}
	return cmp.Or(strings.Compare(u.id, k.user), strings.Compare(asset, k.asset)) <= 0
}

// settleNext does the next thing that the watermark brings to an account.
func (e *Engine) settleNext(a *account) {
	r := &e.result
	resetResult(r)
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

// dropPassed deletes the due rows of buckets that the watermark has left.
func (e *Engine) dropPassed() {
	if last := e.meta.loaded - 1; last > e.meta.dropped {
		// From where the last one ended: the store keeps deleted ranges apart
		// from each other cheaply, nested ones at a cost of their square.
		e.rows.DeleteRange(appendDueKey(nil, e.meta.dropped+1, 0), appendDueKey(nil, last+1, 0))
		e.meta.dropped = last
	}
}

func resetResult(r *event.Result) {
	r.Reset()
}
