package timeline_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"highwater/pkg/event"
	"highwater/pkg/timeline"
)

// driver does to a timeline what an engine does to it, and knows the whole
// history besides.
type driver struct {
	line timeline.Timeline[toy, *toy]
	walk timeline.Walker[toy, *toy]
	// all are the ops ever, end is the newest place the head has passed.
	all []event.Placed
	end event.Place
	// stored are the checkpoints that were written.
	stored []check
	n      int
}

// check is a checkpoint with its place.
type check struct {
	timeline.Check[toy]
	place event.Place
}

func newDriver() *driver {
	d := &driver{}
	d.line.Start(event.Place{}, &toy{})
	return d
}

func (d *driver) nextID() string {
	d.n++
	return fmt.Sprintf("e%04d", d.n)
}

// appendOp adds an op behind everything, due items first.
func (d *driver) appendOp(t *rapid.T) {
	op := makeOp(t, d.nextID(), d.end.Time+event.Time(rapid.IntRange(0, 3).Draw(t, "pause")))
	if !d.end.Before(op.Place()) {
		op.Time++
		if op.Kind == event.Grant {
			d := op.Details()
			d.ExpiresAt++
			op = op.With(d)
		}
	}
	for d.line.Head.DueTime() <= op.Time {
		d.due()
	}
	d.line.Head.Apply(&op, &event.Result{})
	d.line.Append(op)
	d.all = append(d.all, op)
	d.end = op.Place()
}

// due performs the next due item at the head, if there is one.
func (d *driver) due() {
	if at, ok := d.line.Head.NextDue(); ok {
		d.line.Head.Due(&event.Result{})
		d.end = at
	}
}

// edit changes the history at a few places.
func (d *driver) edit(t *rapid.T) {
	var edits []timeline.Edit
	insertions := rapid.IntRange(0, 2).Draw(t, "insertions")
	for range insertions {
		op := makeOp(t, d.nextID(), event.Time(rapid.IntRange(0, int(d.end.Time)).Draw(t, "time")))
		if op.Place().Before(d.end) {
			edits = append(edits, timeline.Edit{Place: op.Place(), New: &op})
		}
	}
	if len(d.all) > 0 {
		others := rapid.SliceOfNDistinct(rapid.IntRange(0, len(d.all)-1), 0, 2, rapid.ID[int]).Draw(t, "others")
		// The op at the oldest checkpoint is the first that isn't covered.
		at := slices.IndexFunc(d.all, func(op event.Placed) bool { return op.IsAt(d.line.Begin) })
		if at >= 0 && !slices.Contains(others, at) && rapid.Bool().Draw(t, "at the oldest checkpoint") {
			others = append(others, at)
		}
		for _, i := range others {
			old := d.all[i]
			other := old
			other.Amount = event.Amount(rapid.IntRange(0, 20).Draw(t, "new amount"))
			edits = append(edits, timeline.Edit{Place: old.Place(), Old: &old, New: &other})
		}
	}
	if len(edits) == 0 {
		return
	}
	old := slices.Clone(d.all)
	before := naive(old, d.end)
	d.place(edits)
	want := pairs(before, naive(d.all, d.end), edits[0].Place)
	d.change(t, old, edits, func(s *timeline.Step) {
		if len(want) == 0 {
			t.Fatalf("I3: visits %v behind all that happens", s.Place)
		}
		sameStep(t, &want[0], s, edits)
		want = want[1:]
	})
}

// place puts edits in order and into the history.
func (d *driver) place(edits []timeline.Edit) {
	slices.SortFunc(edits, func(a, b timeline.Edit) int { return a.Place.Compare(b.Place) })
	for _, e := range edits {
		d.all = slices.DeleteFunc(d.all, func(op event.Placed) bool { return e.Old != nil && op.IsAt(e.Place) })
		d.all = append(d.all, *e.New)
	}
	slices.SortFunc(d.all, byPlace)
}

// change edits the timeline: what isn't in memory stretch by stretch, cut at
// some of the checkpoints written.
func (d *driver) change(t *rapid.T, old []event.Placed, edits []timeline.Edit, visit func(*timeline.Step)) {
	if d.line.Covers(edits[0].Place) {
		d.line.Edit(&d.walk, edits, d.end, visit)
		return
	}
	first := d.line.Begin
	begin, begun := d.checkBefore(edits[0].Place), false
	for begin.Before(first) {
		end := first
		for _, c := range d.stored {
			if begin.Before(c.place) && !c.place.Before(edits[0].Place) && c.place.Before(first) && rapid.Bool().Draw(t, "cut") {
				end = c.place
				break
			}
		}
		line := d.stretch(old, begin, end)
		var agreed bool
		if begun {
			agreed = line.EditOn(&d.walk, end, visit)
		} else {
			agreed = line.Edit(&d.walk, edits, end, visit)
		}
		d.write(line)
		if agreed {
			return
		}
		begin, begun = end, true
	}
	d.line.EditOn(&d.walk, d.end, visit)
}

// load makes the timeline anew from what was written, beginning with the last
// checkpoint before a place.
func (d *driver) load(place event.Place) {
	d.line = *d.stretch(d.all, d.checkBefore(place), event.EndOf(event.MaxTime))
	d.line.StateAt(d.end, &d.line.Head, &event.Result{})
}

// goOn makes the timeline anew from its newest state alone, if that is at an op.
func (d *driver) goOn(t *rapid.T) {
	if d.line.Last() != d.end {
		return
	}
	most := len(d.all)
	if n := len(d.stored); n > 0 {
		most = len(behind(d.all, d.stored[n-1].place))
	}
	since := d.line.Since()
	if since > most || since < len(d.line.Ops) && since != most {
		t.Fatalf("%d ops lie behind the last checkpoint, not %d", since, most)
	}
	var head toy
	head.CopyFrom(&d.line.Head)
	d.line = timeline.Timeline[toy, *toy]{}
	d.line.StartSince(since, d.end, &head)
}

// checkBefore is the place of the last checkpoint written before a place.
func (d *driver) checkBefore(place event.Place) (at event.Place) {
	for _, c := range d.stored {
		if c.place.Before(place) {
			at = c.place
		}
	}
	return at
}

// stretch is a timeline that was written: the ops behind a checkpoint up to
// and including an end, the checkpoints before that.
func (d *driver) stretch(all []event.Placed, begin, end event.Place) *timeline.Timeline[toy, *toy] {
	line := &timeline.Timeline[toy, *toy]{}
	line.Start(begin, &toy{})
	var checks []timeline.Check[toy]
	ops := behind(all, begin)
	ops = slices.Clone(ops[:len(ops)-len(behind(ops, end))])
	for _, c := range d.stored {
		if c.place == begin {
			line.Start(begin, &c.State)
		}
		if begin.Before(c.place) && c.place.Before(end) {
			k := copyOf(&c.Check)
			k.Index = int32(len(ops) - len(behind(ops, c.place)))
			checks = append(checks, k)
		}
	}
	line.Resume(ops, checks)
	return line
}

// behind are the ops behind a place.
func behind(ops []event.Placed, place event.Place) []event.Placed {
	i, found := slices.BinarySearchFunc(ops, place, func(op event.Placed, p event.Place) int { return op.Place().Compare(p) })
	if found {
		i++
	}
	return ops[i:]
}

func copyOf(c *timeline.Check[toy]) timeline.Check[toy] {
	k := timeline.Check[toy]{Index: c.Index}
	k.State.CopyFrom(&c.State)
	return k
}

// apart is how many ops belong behind a checkpoint with a state.
func apart(state *toy) int { return max(timeline.Stride, state.Weight()/256) }

// write writes the checkpoints of a stretch that changed.
func (d *driver) write(line *timeline.Timeline[toy, *toy]) {
	for _, place := range line.Dropped() {
		d.stored = slices.DeleteFunc(d.stored, func(c check) bool { return c.place == place })
	}
	for i := range line.Checks {
		c := &line.Checks[i]
		if !c.Changed {
			continue
		}
		place := line.Place(i)
		at, found := slices.BinarySearchFunc(d.stored, place, func(s check, p event.Place) int { return s.place.Compare(p) })
		if !found {
			d.stored = slices.Insert(d.stored, at, check{})
		}
		d.stored[at] = check{copyOf(c), place}
	}
}

// commit writes the timeline.
func (d *driver) commit(t *rapid.T) {
	if slices.ContainsFunc(d.line.Checks, func(c timeline.Check[toy]) bool { return c.Changed }) && !d.line.Changed() {
		t.Fatal("a checkpoint is to be written, but none is said to be")
	}
	d.write(&d.line)
	d.line.Stored()
	if d.line.Changed() || slices.ContainsFunc(d.line.Checks, func(c timeline.Check[toy]) bool { return c.Changed }) {
		t.Fatal("something is to be written after everything was")
	}
	d.checkGaps(t)
	for i := range d.stored {
		if want := stateAt(d.all, d.stored[i].place); !d.stored[i].State.Equal(&want) {
			t.Fatalf("I2: the checkpoint written for %v says %v, not %v", d.stored[i].place, &d.stored[i].State, &want)
		}
	}
}

// checkGaps holds that what was forgotten isn't long to bring back (I4).
func (d *driver) checkGaps(t *rapid.T) {
	from, most := 0, timeline.Stride
	for i := range d.all {
		state := stateAt(d.all, d.all[i].Place())
		most = max(most, apart(&state))
		if slices.ContainsFunc(d.stored, func(c check) bool { return c.place == d.all[i].Place() }) {
			from, most = i+1, max(timeline.Stride, apart(&state))
		}
		if i+1-from > 3*most {
			t.Fatalf("I4: %d ops lie behind the checkpoint written before op %d", i+1-from, from)
		}
	}
}

func (d *driver) trim(t *rapid.T) {
	n := rapid.IntRange(0, len(d.line.Ops)).Draw(t, "trim")
	if rapid.Bool().Draw(t, "near a checkpoint") {
		n = int(rapid.SampledFrom(d.line.Checks).Draw(t, "checkpoint").Index) + rapid.IntRange(-1, 1).Draw(t, "or beside it")
		n = min(max(n, 0), len(d.line.Ops))
	}
	ops, checks := slices.Clone(d.line.Ops), d.checks()
	gone := d.line.Trim(n, &event.Result{})
	if !slices.Equal(ops[gone:], d.line.Ops) {
		t.Fatalf("trimming by %d leaves other ops", gone)
	}
	first := slices.IndexFunc(checks, func(c check) bool { return c.Changed })
	if first >= 0 && int(checks[first].Index) < n {
		n = int(checks[first].Index)
	}
	if gone != n {
		t.Fatalf("%d ops are forgotten, not %d", gone, n)
	}
	for _, c := range checks {
		if c.Changed && !slices.ContainsFunc(d.checks(), func(k check) bool { return k.Changed && k.place == c.place }) {
			t.Fatalf("the checkpoint at %v is forgotten before it was written", c.place)
		}
	}
}

// checks are the checkpoints in memory with their places.
func (d *driver) checks() (all []check) {
	for i := range d.line.Checks {
		all = append(all, check{d.line.Checks[i], d.line.Place(i)})
	}
	return all
}

// check holds the timeline against the naive replay of everything.
func (d *driver) check(t *rapid.T) {
	l := &d.line
	oldest := l.Begin
	if want := behind(d.all, oldest); !slices.Equal(want, l.Ops) {
		t.Fatalf("I1: %d ops stand behind %v, but %d are in memory", len(want), oldest, len(l.Ops))
	}
	for i := range l.Checks {
		c, place := &l.Checks[i], l.Place(i)
		if i > 0 && !l.Place(i-1).Before(place) {
			t.Fatalf("I2: checkpoint %d doesn't stand behind the one before it", i)
		}
		if want := stateAt(d.all, place); !c.State.Equal(&want) {
			t.Fatalf("I2: checkpoint %d at %v says %v, not %v", i, place, &c.State, &want)
		}
		if want := len(l.Ops) - len(behind(l.Ops, place)); int(c.Index) != want {
			t.Fatalf("I2: checkpoint %d has %d ops before it, not %d", i, want, c.Index)
		}
		next := len(l.Ops)
		if i+1 < len(l.Checks) {
			next = int(l.Checks[i+1].Index)
		}
		if n := next - int(c.Index); n > 2*timeline.Stride {
			most := apart(&c.State)
			for _, op := range l.Ops[c.Index:next] {
				state := stateAt(d.all, op.Place())
				most = max(most, apart(&state))
			}
			if n > 2*most {
				t.Fatalf("I4: %d ops lie behind checkpoint %d, not %d", n, i, 2*most)
			}
		}
	}
	if want := stateAt(d.all, d.end); !l.Head.Equal(&want) {
		t.Fatalf("the head says %v, not %v", &l.Head, &want)
	}
}

// stateAt asks for the state at some place.
func (d *driver) stateAt(t *rapid.T) {
	place := event.EndOf(event.Time(rapid.IntRange(0, int(d.end.Time)+10).Draw(t, "time")))
	if len(d.all) > 0 && rapid.Bool().Draw(t, "at an op") {
		op := rapid.SampledFrom(d.all).Draw(t, "op")
		place = op.Place()
	}
	if place.Before(d.line.Begin) {
		return
	}
	var got toy
	d.line.StateAt(place, &got, &event.Result{})
	if want := stateAt(d.all, place); !got.Equal(&want) {
		t.Fatalf("the state at %v is %v, not %v", place, &got, &want)
	}
}

// I1, I2, I4: whatever is appended, edited, trimmed and brought back, ops and
// checkpoints are those of a replay from zero.
func TestI1I2I4AgainstNaiveReplays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDriver()
		for range rapid.IntRange(1, 25).Draw(t, "actions") {
			switch rapid.IntRange(0, 11).Draw(t, "action") {
			case 0, 1, 2:
				for range rapid.IntRange(1, 60).Draw(t, "appended") {
					d.appendOp(t)
				}
			case 3:
				d.due()
			case 4, 5, 6:
				d.edit(t)
			case 7:
				d.commit(t)
			case 8:
				if rapid.Bool().Draw(t, "commit first") {
					d.commit(t)
				}
				d.trim(t)
			case 9:
				d.stateAt(t)
			case 10:
				d.commit(t)
				d.load(event.EndOf(event.Time(rapid.IntRange(0, int(d.end.Time)).Draw(t, "load"))))
			case 11:
				d.commit(t)
				d.goOn(t)
			}
			d.check(t)
		}
	})
}

// I4: a stretch into which many come late is cut, wherever they come: one at a
// time or several, and also behind the last checkpoint.
func TestI4ManyInsertions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDriver()
		for range rapid.IntRange(1, 3*timeline.Stride).Draw(t, "appended") {
			d.appendOp(t)
		}
		from := rapid.IntRange(0, int(d.end.Time)).Draw(t, "from")
		each := rapid.IntRange(1, 3).Draw(t, "each")
		for range 3 * timeline.Stride {
			// An op near the beginning is replaced with each, so that the
			// walk begins there.
			old := d.all[0]
			var edits []timeline.Edit
			if each > 1 {
				other := old
				other.Amount++
				edits = append(edits, timeline.Edit{Place: old.Place(), Old: &old, New: &other})
			}
			for range each {
				op := makeOp(t, d.nextID(), event.Time(from))
				if op.Place().Before(d.end) && op.Place() != old.Place() {
					edits = append(edits, timeline.Edit{Place: op.Place(), New: &op})
				}
			}
			if len(edits) > 0 {
				all := slices.Clone(d.all)
				d.place(edits)
				checks := len(d.line.Checks)
				d.change(t, all, edits, func(*timeline.Step) {})
				if len(d.line.Checks) > checks {
					d.commit(t)
				}
			}
		}
		d.check(t)
	})
}
