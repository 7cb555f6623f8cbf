package engine

import (
	"highwater/pkg/event"
	"highwater/pkg/ledger"
)

// volumeChapters balances the chapters of a volume that a late event goes
// through one by one against the volumes that it jumps.
const volumeChapters = 64

// full is how many events a volume has before another one begins.
func (s *sizes) full() int { return s.volume * s.chapter }

// binder puts chapters that follow one another into volumes. A volume is what
// a chapter is, one level up: it has chapters where these have checkpoints.
//
// REQUIRES: where a volume begins at a chapter that is put, and the chapter
// before it was put or moved to, the binder was moved to the volume.
type binder struct {
	e      *Engine
	number uint64
	// volume is the one that was found or moved to last; its kind is 0 where
	// there is none.
	volume chapter
	// changed tells that its row isn't as it is.
	changed bool
	// passed is what was put since the binder was moved to the volume, in one
	// piece from its beginning on.
	passed chapter
}

func (e *Engine) binder(a *account) *binder { return &binder{e: e, number: a.number} }

// find brings the volume in which a chapter stands that begins at a place, or
// else the last one before it.
func (b *binder) find(place event.Place) {
	if v := &b.volume; v.kind != 0 && !place.Before(v.begin) && !v.end.Before(place) {
		return
	}
	b.flush()
	b.volume = chapter{}
	if v, ok := b.e.lastBefore(keyVolume, b.number, after(appendPlaced(nil, keyVolume, b.number, place))); ok {
		b.volume = *v
	}
}

// flush writes the volume where it changed.
func (b *binder) flush() {
	if b.changed {
		b.e.writeChapter(b.number, &b.volume)
		b.changed = false
	}
}

// put takes note of a chapter as its row is now: its volume must say what it
// says, and where it stands in none it comes into the volume that ends where it
// begins, or into a new one.
func (b *binder) put(c *chapter) {
	b.find(c.begin)
	v := &b.volume
	if b.passed.end == c.begin {
		b.passed.take(c)
	}
	switch {
	case v.holds(c.begin):
		v.digest.Join(&c.digest)
		if b.passed.begin == v.begin && b.passed.end == v.end {
			v.digest.CopyFrom(&b.passed.digest)
		}
	case v.kind != 0 && v.end == c.begin && v.digest.EndsIn(&c.digest, c.end.Time):
		// Nearly every late event walks it. Where it stands between two volumes
		// these are jumped.
		return
	case v.kind != 0 && v.end == c.begin && v.ops < b.e.cfg.sizes.full():
		b.open(c.begin)
		v.take(c)
	default:
		b.flush()
		v.startVolume(c.begin)
		v.take(c)
	}
	b.changed = true
}

// startVolume makes v a volume that has nothing yet.
func (c *chapter) startVolume(at event.Place) {
	*c = chapter{kind: keyVolume, begin: at, end: at, digest: c.digest}
}

// take adds what follows.
func (c *chapter) take(next *chapter) {
	if c.begin == c.end {
		c.digest.CopyFrom(&next.digest)
	} else {
		c.digest.Join(&next.digest)
	}
	c.end = next.end
	c.ops += next.ops
}

// move goes on to a volume.
func (b *binder) move(v *chapter) {
	b.flush()
	b.volume.copyFrom(v)
	b.passed.startVolume(v.begin)
}

// join goes on to a volume like move. Where there is room it becomes one with
// that before it: what was never in memory for long makes small ones.
func (b *binder) join(v *chapter) {
	u := &b.volume
	if u.kind == 0 || u.end != v.begin {
		b.flush()
		*u = chapter{}
		if before, ok := b.e.begunBefore(keyVolume, b.number, v.begin); ok {
			*u = *before
		}
	}
	if u.end != v.begin || u.kind == 0 || u.ops+v.ops > b.e.cfg.sizes.full() {
		b.move(v)
		return
	}
	b.open(v.begin)
	next := binder{e: b.e, number: b.number}
	next.move(v)
	next.open(v.begin)
	u.take(&next.volume)
	b.e.rows.Delete(appendPlaced(nil, keyVolume, b.number, v.begin))
	b.changed = true
}

// open makes the volume's shift to its chapters, so that they can be read and
// changed one by one, and cuts it where it has grown too large. The binder
// stays at the piece of a place.
func (b *binder) open(place event.Place) {
	v := &b.volume
	if len(v.shift) == 0 && v.ops <= 2*b.e.cfg.sizes.full() {
		return
	}
	from, to := appendPlaced(nil, keyChapter, b.number, v.begin), appendPlaced(nil, keyChapter, b.number, v.end)
	shift := v.shift
	v.startVolume(v.begin)
	var c chapter
	for rows := (&rowList{rows: b.e.rows, from: from, to: to, piece: firstPiece}); rows.next(); {
		if err := c.decode(rows.key, rows.value); err != nil {
			b.e.fail(err)
			return
		}
		if len(shift) > 0 {
			b.e.layOn(b.number, &c, shift)
		}
		if v.ops >= b.e.cfg.sizes.full() {
			b.flush()
			v.startVolume(c.begin)
		}
		v.take(&c)
		b.changed = true
	}
	b.find(place)
}

// layOn adds a shift to a chapter's row.
func (e *Engine) layOn(number uint64, c *chapter, shift ledger.Shift) {
	if len(c.shift.Plus(shift)) > ledger.MaxShift {
		e.pushDown(number, c)
	}
	c.lay(shift)
	e.writeChapter(number, c)
}
