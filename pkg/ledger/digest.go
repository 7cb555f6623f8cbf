package ledger

import (
	"math"
	"slices"

	"highwater/pkg/event"
	"highwater/pkg/pack"
)

// MaxTouched is of how many grants a digest knows what remained.
const MaxTouched = 64

// Digest is what is remembered of a stretch of an account's history, so that
// the stretch need not be read to know that it does the same to two accounts
// that differ by a [Shift] (Allows). It may say more than happened, never less.
type Digest struct {
	// since is the time at which the stretch begins. A grant that is effective
	// later came about within it, and no difference from before is about it.
	since event.Time
	// fixed tells that the stretch allows no shift: something ran short, or more
	// grants were touched than are remembered.
	fixed bool
	// most is the most that was available at any place.
	most int64
	// touched are the grants from before the stretch that it drew from or
	// revoked, in the order of their ids. Those that expired show by their expires_at, and giving
	// back says the same whatever remains.
	touched []touch
	// last is the last grant in the order of drawing from which anything was
	// drawn, if drawn is true.
	drawn bool
	last  Grant
}

// touch is the least that remained of a grant behind what drew from it; 0 of
// one that was revoked.
type touch struct {
	id string
	// since is when the grant became effective, 0 where that isn't known.
	since event.Time
	least event.Amount
}

// Begin makes d the digest of a stretch in which nothing has happened, behind
// a time at which the account is a.
func (d *Digest) Begin(a *Account, since event.Time) {
	*d = Digest{since: since, most: a.available, touched: d.touched[:0]}
}

// CopyFrom makes d a copy of o.
func (d *Digest) CopyFrom(o *Digest) {
	touched := append(d.touched[:0], o.touched...)
	*d = *o
	d.touched = touched
}

// Extend adds events to the stretch, with what falls due before each. It
// applies them to a, which must be the account at the end of the stretch.
func (d *Digest) Extend(a *Account, ops []event.Placed, scratch *event.Result) {
	for i := range ops {
		op := &ops[i]
		for a.DueTime() <= op.Time {
			scratch.Reset()
			a.Due(scratch)
			d.most = max(d.most, a.available)
		}
		d.draw(a, op)
		scratch.Reset()
		a.Apply(op, scratch)
		if op.Kind == event.Revoke {
			d.touch(touch{id: op.Ref()})
		}
		d.fixed = d.fixed || scratch.Shortfall > 0
		d.most = max(d.most, a.available)
	}
}

// draw takes note of what an event will draw.
func (d *Digest) draw(a *Account, op *event.Placed) {
	if !op.Kind.IsDebit() || op.Outcome == event.Rejected {
		return
	}
	left := op.Amount
	usable := a.Usable()
	for i := range usable {
		g := &usable[i]
		amount := min(left, g.Remaining)
		d.touch(touch{g.ID, g.EffectiveAt, g.Remaining - amount})
		if !d.drawn || drawnBefore(d.last, *g) < 0 {
			d.drawn, d.last = true, *g
		}
		if left -= amount; left == 0 {
			return
		}
	}
}

// touch takes note of a grant, unless it came about within the stretch.
func (d *Digest) touch(t touch) {
	if t.since > d.since {
		return
	}
	i, found := d.find(t.id)
	switch {
	case found:
		d.touched[i].least = min(d.touched[i].least, t.least)
		d.touched[i].since = min(d.touched[i].since, t.since)
	case len(d.touched) == MaxTouched:
		d.fixed = true
	default:
		d.touched = slices.Insert(d.touched, i, t)
	}
}

func (d *Digest) find(id string) (int, bool) {
	for i := range d.touched {
		if d.touched[i].id >= id {
			return i, d.touched[i].id == id
		}
	}
	return len(d.touched), false
}

// Allows reports whether the stretch, whose last event is at a time, does the
// same after a shift of the account that it begins with, which owes nothing:
// each event and due item says the same, and the shift is the difference at
// every place.
func (d *Digest) Allows(s Shift, until event.Time) bool {
	if len(s) == 0 {
		return true
	}
	if d.fixed || d.most > math.MaxInt64-max(s.Sum(), 0) {
		return false
	}
	for i := range s {
		g := &s[i]
		if g.ExpiresAt != event.NoTime && g.ExpiresAt <= until {
			return false
		}
		at, touched := d.find(g.ID)
		switch {
		case touched && !g.Both:
			return false
		case touched:
			// A draw that reaches it ends there, in both.
			if least := int64(d.touched[at].least); least == 0 || least+g.By <= 0 {
				return false
			}
		case !g.Both && d.drawn && drawnBefore(d.last, g.Grant) >= 0:
			// A draw would find it in the one and go past it in the other.
			return false
		}
	}
	return true
}

// EndsIn reports whether the grant that d's stretch came to last, in the order of
// drawing, runs out in a later stretch or expires up to its last event, at a
// time. What differs between two accounts mostly lies on that grant.
func (d *Digest) EndsIn(o *Digest, until event.Time) bool {
	if !d.drawn {
		return false
	}
	if d.last.ExpiresAt != event.NoTime && d.last.ExpiresAt <= until {
		return true
	}
	at, touched := o.find(d.last.ID)
	return touched && o.touched[at].least == 0
}

// Shift makes d the digest of the stretch after a shift that it allows.
func (d *Digest) Shift(s Shift) {
	d.most += s.Sum()
	for i := range s {
		if at, touched := d.find(s[i].ID); touched {
			d.touched[at].least += event.Amount(s[i].By)
		}
	}
}

// Join makes d say what either digest says. Both are of the same stretch, or o
// of a part of it or of what comes behind it.
func (d *Digest) Join(o *Digest) {
	d.fixed = d.fixed || o.fixed
	d.most = max(d.most, o.most)
	for _, t := range o.touched {
		d.touch(t)
	}
	if o.drawn && (!d.drawn || drawnBefore(d.last, o.last) < 0) {
		d.drawn, d.last = true, o.last
	}
}

// The bits of a digest's flags.
const (
	isFixed = 1 << iota
	hasDrawn
)

// AppendTo appends the digest's persisted form:
//
//	since | flags byte | most | touched: count, (id, least, effective_at)
//	| if drawn, of the last: id, effective_at, expires_at, priority
func (d *Digest) AppendTo(b []byte) []byte {
	flags := byte(0)
	if d.fixed {
		flags |= isFixed
	}
	if d.drawn {
		flags |= hasDrawn
	}
	b = append(appendTime(b, d.since, 0), flags)
	b = pack.Int(b, d.most)
	b = pack.Uint(b, uint64(len(d.touched)))
	for i := range d.touched {
		t := &d.touched[i]
		b = pack.String(b, t.id)
		b = pack.Uint(b, uint64(t.least))
		b = appendTime(b, t.since, 0)
	}
	if d.drawn {
		b = pack.String(b, d.last.ID)
		b = appendTime(b, d.last.EffectiveAt, 0)
		b = appendTime(b, d.last.ExpiresAt, d.last.EffectiveAt)
		b = pack.Uint(b, uint64(d.last.Priority))
	}
	return b
}

// Read makes d what AppendTo wrote.
func (d *Digest) Read(r *pack.Reader) {
	*d = Digest{since: readTime(r, 0), touched: d.touched[:0]}
	flags := r.Byte()
	d.fixed, d.drawn = flags&isFixed != 0, flags&hasDrawn != 0
	d.most = r.Int()
	for range r.Count(3) {
		d.touched = append(d.touched, touch{id: r.String(), least: event.Amount(r.Uint()), since: readTime(r, 0)})
	}
	if d.drawn {
		t := &Terms{ID: r.String(), EffectiveAt: readTime(r, 0)}
		t.ExpiresAt, t.Priority = readTime(r, t.EffectiveAt), int32(r.Uint())
		d.last.Terms = t
	}
}
