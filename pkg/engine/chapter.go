package engine

import (
	"fmt"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
	"highwater/pkg/pack"
	"highwater/pkg/timeline"
)

// sizes are how much belongs together; a test makes them small.
type sizes struct {
	// stride is how many events lie between two checkpoints, at least.
	stride int
	// chapter is how many events a chapter has before another one begins.
	chapter int
	// volume is of how many such chapters a volume has the events before another
	// one begins.
	volume int
	// keep is how many events of an account stay in memory while there is room.
	keep int
	// piece is how many due rows, or windows of order statistics, are read at
	// a time. The agenda names about twice as many, and memory has as many of
	// the windows; a transaction comes to that with what it touches.
	piece int
	// state is up to how many bytes a state may have that stands in its account's
	// row.
	state int
	// rows is how many bytes the row cache may take, in segments of so many; 0 is a
	// part of what accounts may take.
	rows, segment int
}

// chapterOps balances what is read of the chapter that a late event comes into
// against how many are jumped behind it.
const chapterOps = 256

const pieceRows = 1024

// rowStateBytes bounds what it costs to leave memory. Most who leave have a few
// grants.
const rowStateBytes = 1 << 10

func (s *sizes) fill() {
	if *s == (sizes{}) {
		*s = sizes{stride: timeline.Stride, chapter: chapterOps, volume: volumeChapters, keep: keepOps, piece: pieceRows, state: rowStateBytes, segment: segmentBytes}
	}
}

// chapter is a stretch of an account's history that has left memory, between
// two checkpoints: the events behind begin up to end, and the checkpoints from
// begin on before end. Its row stands at its beginning:
//
//	version | end, as in keys | events | digest | shift
//
// A volume is one, too: of chapters (volume.go).
type chapter struct {
	// kind is what its key begins with: keyChapter or keyVolume.
	kind       byte
	begin, end event.Place
	ops        int
	digest     ledger.Digest
	// shift is still to be made to the states that are stored of its
	// checkpoints, that of a volume to its chapters. What the digest says has it
	// in.
	shift ledger.Shift
}

// copyFrom makes c a copy of o.
func (c *chapter) copyFrom(o *chapter) {
	digest := c.digest
	digest.CopyFrom(&o.digest)
	*c = *o
	c.digest = digest
}

// lay adds a shift that the digest allows.
func (c *chapter) lay(shift ledger.Shift) {
	c.shift = c.shift.Plus(shift)
	c.digest.Shift(shift)
}

// holds reports whether the checkpoint at a place is the chapter's.
func (c *chapter) holds(place event.Place) bool {
	return !place.Before(c.begin) && place.Before(c.end)
}

// has reports whether the event at a place is the chapter's.
func (c *chapter) has(place event.Place) bool {
	return c.begin.Before(place) && !c.end.Before(place)
}

func (c *chapter) append(b []byte) []byte {
	var end [128]byte
	b = append(b, chapterRowVersion)
	b = pack.String(b, string(appendPlace(end[:0], c.end)))
	b = pack.Uint(b, uint64(c.ops))
	b = c.digest.AppendTo(b)
	return c.shift.AppendTo(b)
}

// decode reads the chapter that begins where the key ends.
func (c *chapter) decode(key, row string) error {
	var ok bool
	c.kind = key[0]
	if c.begin, ok = beginningIn(key[1+numberBytes:]); !ok {
		return errCorruptKey
	}
	r := pack.NewReader(row)
	if v := r.Byte(); v != chapterRowVersion {
		return fmt.Errorf("chapter row of version %d: this program reads version %d", v, chapterRowVersion)
	}
	if c.end, ok = placeIn(r.String()); !ok {
		return fmt.Errorf("chapter row: %w", errCorruptKey)
	}
	c.ops = int(r.Uint())
	c.digest.Read(&r)
	c.shift = ledger.ReadShift(&r)
	if err := r.Close(); err != nil {
		return fmt.Errorf("chapter row: %w", err)
	}
	return nil
}

// lastBefore is the last chapter or volume of an account whose key is before
// another one.
func (e *Engine) lastBefore(kind byte, number uint64, to []byte) (*chapter, bool) {
	for key, row := range e.rows.ScanBack(appendNumbered(nil, kind, number), to) {
		c := &chapter{}
		if err := c.decode(string(key), string(row)); err != nil {
			e.fail(err)
			return nil, false
		}
		return c, true
	}
	return nil, false
}

// begunBefore is the last chapter or volume of an account that begins before a
// place.
func (e *Engine) begunBefore(kind byte, number uint64, place event.Place) (*chapter, bool) {
	return e.lastBefore(kind, number, appendPlaced(nil, kind, number, place))
}

func (e *Engine) writeChapter(number uint64, c *chapter) {
	e.key = appendPlaced(e.key[:0], c.kind, number, c.begin)
	e.val = c.append(e.val[:0])
	e.rows.Set(e.key, e.val)
}

// trim forgets what need not stay in memory of an account, and keeps digests
// of it.
func (e *Engine) trim(a *account) {
	n := e.spare(a)
	drop := a.line.Whole(n)
	if drop == 0 {
		if len(a.line.Checks) == 1 {
			e.forget(a, n)
		}
		return
	}
	e.anchor(a)
	c, b := &e.late.chapter, e.binder(a)
	if !e.openTail(a, c) {
		e.bindLast(a, b)
		c.start(&a.line, 0)
	}
	n = int(a.line.Checks[drop].Index)
	e.compile(b, c, &a.line, drop, n, a.line.Place(drop), 0)
	b.flush()
	a.last = &lastChapter{c.begin, c.end}
	e.forget(a, n)
}

// forget forgets the oldest events in memory of an account, without a digest:
// who walks them makes it.
func (e *Engine) forget(a *account, n int) {
	if n > 0 {
		a.open -= a.line.Trim(n, &e.late.scratch)
	}
}

// anchor writes the checkpoint at which an account's memory begins, where it
// isn't written: what lies before it can be read up to there.
func (e *Engine) anchor(a *account) {
	if a.line.Loose() {
		e.writeCheck(a.number, a.line.Begin, &a.line.Checks[0].State)
		a.line.Anchor()
	}
}

// openTail finds the chapter that ends where an account's memory begins; false
// where there is none, or it is full.
func (e *Engine) openTail(a *account, c *chapter) bool {
	last := a.last
	if last == nil || last.end != a.line.Begin {
		return false
	}
	e.key = appendPlaced(e.key[:0], keyChapter, a.number, last.begin)
	row, ok := e.rows.Get(e.key)
	if !ok {
		return false
	}
	if err := c.decode(string(e.key), string(row)); err != nil {
		e.fail(err)
		return false
	}
	if c.end != last.end || c.ops >= e.cfg.sizes.chapter {
		return false
	}
	e.pushDown(a.number, c)
	return true
}

// bindLast puts the last chapter of an account into a volume: there will be
// another one behind it.
func (e *Engine) bindLast(a *account, b *binder) {
	if a.last == nil {
		return
	}
	if c, ok := e.begunBefore(keyChapter, a.number, a.last.end); ok {
		b.put(c)
	}
}

// start makes c a chapter that begins at a checkpoint and has nothing yet.
func (c *chapter) start(line *ledgerTimeline, check int) {
	at := line.Place(check)
	c.kind, c.begin, c.end, c.ops, c.shift = keyChapter, at, at, 0, nil
	c.digest.Begin(&line.Checks[check].State, at.Time)
}

// compile makes the stretches of a line behind its first checks into chapters,
// the first of which go into c: up to the place end, behind so many ops. What
// is left for the last chapter, which stays in c and comes into no volume, is no
// less than rest.
func (e *Engine) compile(b *binder, c *chapter, line *ledgerTimeline, checks, ops int, end event.Place, rest int) {
	state := &e.late.state
	state.CopyFrom(&line.Checks[0].State)
	for i := range checks {
		from := int(line.Checks[i].Index)
		if c.ops >= e.cfg.sizes.chapter && ops-from >= rest {
			e.writeChapter(b.number, c)
			b.put(c)
			c.start(line, i)
		}
		next, to := end, ops
		if i+1 < checks {
			next, to = line.Place(i+1), int(line.Checks[i+1].Index)
		}
		c.digest.Extend(state, line.Ops[from:to], &e.late.scratch)
		c.ops += to - from
		c.end = next
	}
	e.writeChapter(b.number, c)
}

// pushDown makes a chapter's shift to the states that are stored of it.
func (e *Engine) pushDown(number uint64, c *chapter) {
	if len(c.shift) == 0 {
		return
	}
	from, to := appendPlaced(nil, keyCheck, number, c.begin), appendPlaced(nil, keyCheck, number, c.end)
	// Its own state: compile is in the middle of another one here.
	state := &e.late.pushed
	for rows := (&rowList{rows: e.rows, from: from, to: to, piece: firstPiece}); rows.next(); {
		if err := state.Decode(rows.value); err != nil {
			e.fail(err)
			return
		}
		state.Shift(c.shift)
		e.key = append(e.key[:0], rows.key...)
		e.val = state.AppendTo(e.val[:0])
		e.rows.Set(e.key, e.val)
	}
	c.shift = nil
	e.writeChapter(number, c)
}
