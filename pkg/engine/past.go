package engine

import (
	"highwater/pkg/event"
	"highwater/pkg/ledger"
	"highwater/pkg/timeline"
)

// edit changes an account's history: it walks it without and with the edits,
// from the first one on, lets visit see every step at which the two may differ, and keeps
// the history with them.
func (e *Engine) edit(a *account, edits []timeline.Edit, visit func(*timeline.Step)) {
	w := &e.late.credits
	if a.line.Covers(edits[0].Place) {
		a.line.Edit(w, edits, a.place(), visit)
		return
	}
	e.anchor(a)
	p := past{
		e: e, a: a, keep: true,
		walk: func(s *segment) bool { return s.line.Edit(w, edits, s.end, visit) },
		on:   func(s *segment) bool { return s.line.EditOn(w, s.end, visit) },
	}
	if !p.through(edits[0].Place) {
		a.line.EditOn(w, a.place(), visit)
	}
}

// try walks an account's history without and with an edit like edit, and
// through all that falls due after it, until visit returns false. It changes
// nothing.
func (e *Engine) try(a *account, edit timeline.Edit, visit func(*timeline.Step) bool) {
	w := &e.late.credits
	if a.line.Covers(edit.Place) {
		a.line.Try(w, edit, visit)
		return
	}
	e.anchor(a)
	p := past{
		e: e, a: a,
		walk: func(s *segment) bool { return s.line.TryTo(w, edit, s.end, visit) },
		on:   func(s *segment) bool { return s.line.TryOn(w, s.end, visit) },
	}
	if !p.through(edit.Place) {
		a.line.TryOn(w, event.EndOf(event.MaxTime), visit)
	}
}

// past is a walk through what has left memory of an account. It goes from
// segment to segment; a chapter or volume behind the first in which nothing but
// remainders can differ is jumped.
type past struct {
	e *Engine
	a *account
	// walk walks through the segment with the first edit, on through one
	// behind that; they report whether the walk is over.
	walk, on func(*segment) bool
	// keep tells that the walk changes the history.
	keep bool

	// chapters and volumes are those yet to come.
	chapters, volumes ahead
	// binder has the volume in which the walk stands, if it stands in one.
	binder *binder
	// shift is the difference of the two replays, where known is true; jumped
	// tells that the walker's states are from before a jump.
	shift         ledger.Shift
	known, jumped bool
}

// ahead are the chapters or volumes that a walk has yet to come to: next is the
// first of them, if more is true. The rows are nil before they are looked for.
type ahead struct {
	kind byte
	rows *rowList
	next chapter
	more bool
}

// segment is a stretch of the past that is read and walked: a chapter, the end
// of one, or what stands in none.
type segment struct {
	line ledgerTimeline
	end  event.Place
	// of is the chapter, nil for none; ops is how many events were read.
	of  *chapter
	ops int
	// changed tells that it isn't written as it is.
	changed bool
	// lent tells that its states have shifts in them that their rows have not.
	lent bool
}

// through walks from a place to where memory begins; it reports whether the
// walk was over before.
func (p *past) through(place event.Place) (over bool) {
	p.chapters.kind, p.volumes.kind, p.binder = keyChapter, keyVolume, p.e.binder(p.a)
	first := p.a.line.Begin
	s := p.begin(place)
	s.changed = s.changed || p.keep
	over = p.walk(s)
	for at := s.end; !over && at.Before(first); {
		if end, ok := p.jump(at); ok {
			at = end
			continue
		}
		s := p.segment(at)
		p.arrive(&s.line.Checks[0].State)
		over = p.on(s)
		p.known = false
		if p.keep {
			p.e.finish(p.a, s, p.binder)
		}
		at = s.end
		p.e.release(s)
	}
	p.binder.flush()
	if !over {
		p.arrive(&p.a.line.Checks[0].State)
	}
	return over
}

// begin is the segment in which an event at a place stands, from a checkpoint
// before it on. Late events come in swarms: until the transaction ends it stays
// in memory, and isn't written, as long as the next one finds its place there.
func (p *past) begin(place event.Place) *segment {
	if s := p.a.walked(); s != nil && s.line.Covers(place) && !s.end.Before(place) && len(s.line.Ops) <= 2*p.e.cfg.sizes.chapter {
		return s
	}
	p.e.flushPast(p.a)
	s := p.first(place)
	if !s.lent {
		p.a.rare().walked = s
	}
	return s
}

// flushPast writes the segment that stayed in memory, before anything else
// reads or writes of the account's past.
func (e *Engine) flushPast(a *account) {
	s := a.walked()
	if s == nil {
		return
	}
	a.seldom.walked = nil
	if s.changed {
		b := e.binder(a)
		e.finish(a, s, b)
		b.flush()
	}
	e.release(s)
}

// release keeps the memory of a segment for the next one.
func (e *Engine) release(s *segment) {
	if ops := s.line.Ops; cap(ops) > cap(e.late.ops) && cap(ops) <= 4*chapterOps {
		e.late.ops = ops
	}
}

// first reads the segment in which an event at a place stands, from the
// checkpoint before it on.
func (p *past) first(place event.Place) *segment {
	e, number := p.e, p.a.number
	from, _ := e.storedBefore(number, place)
	c, ok := e.begunBefore(keyChapter, number, place)
	if !ok || !c.has(place) {
		return p.read(nil, from, p.gapEnd(from))
	}
	p.binder.find(c.begin)
	if v := &p.binder.volume; v.holds(c.begin) {
		if p.keep {
			p.binder.open(c.begin)
			c, _ = e.begunBefore(keyChapter, number, place)
		} else {
			c.lay(v.shift)
		}
	}
	if c.ops > 2*e.cfg.sizes.chapter {
		from = c.begin // it is cut, and so read whole
	}
	return p.read(c, from, c.end)
}

// segment reads the next segment, which begins at a checkpoint.
func (p *past) segment(at event.Place) *segment {
	if next := p.at(&p.chapters, at); next != nil {
		c := *next
		return p.read(&c, at, c.end)
	}
	return p.read(nil, at, p.gapEnd(at))
}

// read reads a segment from a checkpoint on.
func (p *past) read(c *chapter, from, end event.Place) *segment {
	e, number := p.e, p.a.number
	s := &segment{of: c, end: end}
	var shift ledger.Shift
	if c != nil {
		if p.keep {
			e.pushDown(number, c)
		}
		shift = c.shift
		v := &p.binder.volume
		s.lent = len(shift) > 0 || v.holds(c.begin) && len(v.shift) > 0
	}
	state := e.storedAt(number, from)
	state.Shift(shift)
	ops, checks := e.stretch(number, from, &end, e.late.ops)
	e.late.ops = nil
	if n := len(checks); n > 0 && ops[checks[n-1].Index-1].IsAt(end) {
		checks = checks[:n-1]
	}
	for i := range checks {
		checks[i].State.Shift(shift)
	}
	s.line.Stride = int16(e.cfg.sizes.stride)
	s.line.Start(from, state)
	s.line.Resume(ops, checks)
	s.ops = len(ops)
	return s
}

// gapEnd is where a segment ends that begins at a checkpoint in no chapter: at
// one about a chapter further on, the next chapter, or where memory begins.
func (p *past) gapEnd(from event.Place) event.Place {
	e, number := p.e, p.a.number
	end := p.a.line.Begin
	if p.look(&p.chapters, from) {
		end = p.chapters.next.begin
	}
	left := e.cfg.sizes.chapter / e.cfg.sizes.stride
	for key := range e.rows.Scan(after(appendPlaced(nil, keyCheck, number, from)), appendPlaced(nil, keyCheck, number, end)) {
		if left--; left > 0 {
			continue
		}
		at, ok := placeIn(string(key[1+numberBytes:]))
		if !ok {
			e.fail(errCorruptKey)
			break
		}
		return at
	}
	return end
}

// look finds the first chapter or volume that begins at or behind a place.
func (p *past) look(l *ahead, place event.Place) bool {
	if l.rows == nil {
		number := p.a.number
		from, to := appendPlaced(nil, l.kind, number, place), appendPlaced(nil, l.kind, number, p.a.line.Begin)
		l.rows = &rowList{rows: p.e.rows, from: from, to: to, piece: firstPiece / 4}
		p.advance(l)
	}
	for l.more && l.next.begin.Before(place) {
		p.advance(l)
	}
	return l.more
}

// at is the chapter or volume that begins at a place; nil where there is none.
func (p *past) at(l *ahead, place event.Place) *chapter {
	if p.look(l, place) && l.next.begin == place {
		return &l.next
	}
	return nil
}

func (p *past) advance(l *ahead) {
	if l.more = l.rows.next(); !l.more {
		return
	}
	c, v := &l.next, &p.binder.volume
	if err := c.decode(l.rows.key, l.rows.value); err != nil {
		p.e.fail(err)
		l.more = false
		return
	}
	if l.kind == keyChapter && v.holds(c.begin) {
		c.lay(v.shift)
	}
}

// jump goes to the end of the volume that begins at a place, or else of the
// chapter, if that does the same in both replays.
func (p *past) jump(at event.Place) (end event.Place, ok bool) {
	if v := p.at(&p.volumes, at); v != nil {
		end, ok = v.end, p.skip(v)
		if p.chapters.rows = nil; p.keep {
			p.binder.join(v)
		} else {
			p.binder.move(v)
		}
		if ok {
			return end, true
		}
		if p.keep {
			p.binder.open(at)
			p.volumes.rows = nil
		}
	}
	if c := p.at(&p.chapters, at); c != nil && p.skip(c) {
		return c.end, true
	}
	return at, false
}

// skip leaves a chapter or volume out, if it does the same in both replays: what
// differs behind it is laid on its row.
func (p *past) skip(c *chapter) bool {
	w := &p.e.late.credits
	if left := w.Left(); len(left) > 0 && c.has(left[0].Place) {
		return false
	}
	if !p.known {
		var ok bool
		if p.shift, ok = w.Old.ShiftTo(&w.New); !ok {
			return false
		}
		p.known = true
	}
	if len(c.shift.Plus(p.shift)) > ledger.MaxShift || !c.digest.Allows(p.shift, c.end.Time) {
		return false
	}
	p.jumped = true
	if len(p.shift) == 0 {
		return true
	}
	if p.keep {
		c.lay(p.shift)
		p.e.writeChapter(p.a.number, c)
		if c.kind == keyChapter && c.end != p.a.last.end {
			p.binder.put(c)
		}
	}
	p.e.late.jumps[c.kind]++
	return true
}

// arrive brings the walker behind jumps to a place, given the state there
// without the edits.
func (p *past) arrive(state *ledger.Account) {
	if !p.jumped {
		return
	}
	w := &p.e.late.credits
	w.Old.CopyFrom(state)
	w.New.CopyFrom(state)
	w.New.Shift(p.shift)
	p.jumped = false
}

// finish writes what became of a segment.
func (e *Engine) finish(a *account, s *segment, b *binder) {
	e.writeChecks(a.number, &s.line)
	first := &s.line.Checks[0]
	begin := s.line.Begin
	c, more := &e.late.chapter, len(s.line.Ops)-s.ops
	if b.find(begin); b.volume.holds(begin) {
		b.volume.ops += more
	}
	c.start(&s.line, 0)
	if s.of == nil || s.of.begin == begin {
		e.compile(b, c, &s.line, len(s.line.Checks), len(s.line.Ops), s.end, e.cfg.sizes.chapter/2)
		if a.last == nil || a.last.end.Before(c.end) {
			a.last = &lastChapter{c.begin, c.end}
		}
	} else {
		// What stands before it stays as it was.
		e.late.state.CopyFrom(&first.State)
		c.digest.Extend(&e.late.state, s.line.Ops, &e.late.scratch)
		s.of.digest.Join(&c.digest)
		s.of.ops += more
		e.writeChapter(a.number, s.of)
		c = s.of
	}
	if c.end != a.last.end {
		b.put(c)
	}
}
