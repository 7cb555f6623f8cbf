package timeline

import (
	"slices"
	"sort"

	"highwater/pkg/event"
)

// Stride is how many ops lie between two checkpoints that appending makes,
// at least; large states stand further apart (I5).
const Stride = 32

// roomyOps is how much more room than twice what it needs a trimmed timeline
// may keep.
const roomyOps = 16

// opWeight is what an op costs to read and to replay, in the bytes of state
// that cost as much to copy and to store.
const opWeight = 256

// stride is how many ops lie behind a checkpoint with this state.
func (t *Timeline[S, M]) stride(state *S) int {
	return max(int(t.Stride), M(state).Weight()/opWeight)
}

// Check is a copy of the state at one place.
type Check[S any] struct {
	State S
	// Index is how many of the Ops stand at or before its place, which is that
	// of the last of them (see Place).
	Index int32
	// Changed tells that the state has not been stored since it changed.
	Changed bool
}

// Timeline is a stretch of one history, mostly the newest one: its ops,
// checkpoints among them, and the state at the end.
type Timeline[S any, M Machine[S]] struct {
	Ops    []event.Placed
	Checks []Check[S]
	Head   S
	// Begin is the place of Checks[0].
	Begin event.Place
	// Stride is how many ops lie between two checkpoints that appending makes,
	// at least. Where it is 0, Start sets it to the constant.
	Stride int16

	// changed tells that a checkpoint may be Changed.
	changed bool
	// base is how many ops before Checks[0] lie behind the last checkpoint that
	// others know: more than none where Trim made Checks[0] of it, or StartSince.
	base int32
	// dropped are the places of checkpoints that were stored and are no more;
	// nil mostly.
	dropped *[]event.Place
}

// Place is where a checkpoint stands.
func (t *Timeline[S, M]) Place(check int) event.Place {
	if check == 0 {
		return t.Begin
	}
	return t.Ops[t.Checks[check].Index-1].Place()
}

// Changed reports whether a checkpoint may be Changed.
func (t *Timeline[S, M]) Changed() bool { return t.changed }

// Stored takes note that every checkpoint has been stored.
func (t *Timeline[S, M]) Stored() {
	if t.Checks[0].Changed {
		t.base = 0
	}
	for i := range t.Checks {
		t.Checks[i].Changed = false
	}
	t.changed, t.dropped = false, nil
}

// Dropped are the places of checkpoints that are no more since the last
// Stored.
func (t *Timeline[S, M]) Dropped() []event.Place {
	if t.dropped == nil {
		return nil
	}
	return *t.dropped
}

// Start makes t a timeline that begins with state at place and has no ops.
func (t *Timeline[S, M]) Start(place event.Place, state *S) {
	t.Ops, t.Checks, t.base, t.changed = nil, make([]Check[S], 1), 0, false
	if t.Stride == 0 {
		t.Stride = Stride
	}
	t.Begin = place
	M(&t.Checks[0].State).CopyFrom(state)
	M(&t.Head).CopyFrom(state)
}

// Since is how many ops lie behind the last checkpoint that others know, or
// will once it is Stored.
func (t *Timeline[S, M]) Since() int { return len(t.Ops) - t.last() }

// StartSince is Start behind so many ops since the last checkpoint that others
// know.
func (t *Timeline[S, M]) StartSince(ops int, place event.Place, state *S) {
	t.Start(place, state)
	t.base = int32(ops)
}

// Append adds an op behind everything, after Head has applied it. It may make
// a checkpoint, which is then Changed.
func (t *Timeline[S, M]) Append(op event.Placed) {
	t.Ops = append(t.Ops, op)
	if n := len(t.Ops) - t.last(); n >= int(t.Stride) && n >= t.stride(&t.Head) {
		t.Checks = append(t.Checks, Check[S]{Index: int32(len(t.Ops)), Changed: true})
		t.changed = true
		M(&t.Checks[len(t.Checks)-1].State).CopyFrom(&t.Head)
	}
}

// last is how many ops stand before the last checkpoint that others know.
func (t *Timeline[S, M]) last() int {
	if n := len(t.Checks) - 1; n > 0 {
		return int(t.Checks[n].Index)
	}
	return -int(t.base)
}

// Covers reports whether a change at place can be made within the stretch in
// memory.
func (t *Timeline[S, M]) Covers(place event.Place) bool {
	return t.Begin.Before(place)
}

// Resume makes t go on behind its beginning with ops and checkpoints that are
// stored.
func (t *Timeline[S, M]) Resume(ops []event.Placed, checks []Check[S]) {
	t.Ops = ops
	t.Checks = append(t.Checks, checks...)
}

// Find is the index of the first op at or behind place.
func (t *Timeline[S, M]) Find(place event.Place) int {
	return sort.Search(len(t.Ops), func(i int) bool { return !t.Ops[i].Before(place) })
}

// StateAt replays to the state after everything up to and including place,
// which must not be before the first checkpoint.
func (t *Timeline[S, M]) StateAt(place event.Place, into *S, scratch *event.Result) {
	at := sort.Search(len(t.Checks), func(i int) bool { return place.Before(t.Place(i)) }) - 1
	c := &t.Checks[at]
	state := M(into)
	state.CopyFrom(&c.State)
	for i := int(c.Index); i < len(t.Ops) && !place.Before(t.Ops[i].Place()); i++ {
		pass[S, M](into, &t.Ops[i], scratch)
	}
	for due, ok := state.NextDue(); ok && !place.Before(due); due, ok = state.NextDue() {
		scratch.Reset()
		state.Due(scratch)
	}
}

// pass brings a state behind the next op: what falls due before it, then it.
func pass[S any, M Machine[S]](state *S, op *event.Placed, scratch *event.Result) {
	for M(state).DueTime() <= op.Time {
		scratch.Reset()
		M(state).Due(scratch)
	}
	scratch.Reset()
	M(state).Apply(op, scratch)
}

// Edit changes the history at places that are covered and not behind end: it
// walks the replays without and with the edits, lets visit see every step,
// and brings ops, checkpoints and Head to the history with them. Head must be
// the state at end. The edits stand in the order of their places; each puts an
// op in or another in its place, since what was received stays. It reports
// whether the replays agree for good. Where they don't, the walk may go on in
// the stretch that begins at end (EditOn); edits behind end are left to that.
func (t *Timeline[S, M]) Edit(w *Walker[S, M], edits []Edit, end event.Place, visit func(*Step)) (agreed bool) {
	from := t.checkBefore(edits[0].Place)
	base := &t.Checks[from]
	_, agreed = w.Walk(&base.State, t.Ops[base.Index:], edits, end, t.following(w, from, visit))
	t.edited(w, from, edits, agreed)
	return agreed
}

// EditOn is Edit where w has walked through older stretches, up to the
// beginning of t.
func (t *Timeline[S, M]) EditOn(w *Walker[S, M], end event.Place, visit func(*Step)) (agreed bool) {
	edits := w.edits
	t.change(0, &w.New)
	_, agreed = w.WalkOn(t.Ops, end, t.following(w, 0, visit))
	t.edited(w, 0, edits, agreed)
	return agreed
}

// following visits the steps of a walk and takes the new states for the
// checkpoints that it passes behind one of them.
func (t *Timeline[S, M]) following(w *Walker[S, M], from int, visit func(*Step)) func(*Step) {
	next := from + 1
	return func(s *Step) {
		if next < len(t.Checks) && s.Op != nil && t.Ops[t.Checks[next].Index-1].IsAt(s.Place) {
			t.change(next, &w.New)
			next++
		}
		visit(s)
	}
}

// change replaces the state of a checkpoint.
func (t *Timeline[S, M]) change(check int, state *S) {
	M(&t.Checks[check].State).CopyFrom(state)
	t.Checks[check].Changed, t.changed = true, true
}

// edited brings all but the states behind the walk to the new history.
func (t *Timeline[S, M]) edited(w *Walker[S, M], from int, edits []Edit, agreed bool) {
	if !agreed {
		M(&t.Head).CopyFrom(&w.New)
	}
	for i := range edits[:len(edits)-len(w.edits)] {
		t.put(&edits[i])
	}
	t.thin(from)
	t.split(from, &w.spare, &w.newResult)
}

// Try walks the replays without and with an edit whose place is covered, up to
// the end and through everything that falls due after it, and changes
// nothing. It ends where the replays agree or visit returns false.
func (t *Timeline[S, M]) Try(w *Walker[S, M], edit Edit, visit func(*Step) bool) {
	t.TryTo(w, edit, event.EndOf(event.MaxTime), visit)
}

// TryTo is Try up to a place. It reports whether the walk is over; where it
// isn't, it may go on in the stretch that begins there (TryOn).
func (t *Timeline[S, M]) TryTo(w *Walker[S, M], edit Edit, end event.Place, visit func(*Step) bool) (over bool) {
	base := &t.Checks[t.checkBefore(edit.Place)]
	w.edit[0] = edit
	_, agreed := w.Walk(&base.State, t.Ops[base.Index:], w.edit[:], end, func(s *Step) { w.stop = !visit(s) })
	return agreed || w.stop
}

// TryOn is TryTo where w has walked through older stretches, up to the
// beginning of t.
func (t *Timeline[S, M]) TryOn(w *Walker[S, M], end event.Place, visit func(*Step) bool) (over bool) {
	_, agreed := w.WalkOn(t.Ops, end, func(s *Step) { w.stop = !visit(s) })
	return agreed || w.stop
}

// Last is the place of the last op, also of one that was forgotten; the zero
// Place where there is none.
func (t *Timeline[S, M]) Last() event.Place {
	if len(t.Ops) == 0 {
		return t.Begin
	}
	return t.Ops[len(t.Ops)-1].Place()
}

// put brings an edit into the ops.
func (t *Timeline[S, M]) put(e *Edit) {
	i := t.Find(e.Place)
	if e.Old != nil {
		t.Ops[i] = *e.New
		return
	}
	t.Ops = slices.Insert(t.Ops, i, *e.New)
	for c := len(t.Checks) - 1; c > 0 && int(t.Checks[c].Index) > i; c-- {
		t.Checks[c].Index++
	}
}

// thin keeps I5: it drops the checkpoints that changes have made too large to
// stand so close behind another.
func (t *Timeline[S, M]) thin(from int) {
	kept := from
	for i := from + 1; i < len(t.Checks); i++ {
		c := &t.Checks[i]
		apart := t.stride(&c.State)
		if apart > int(t.Stride) && int(c.Index-t.Checks[kept].Index) < apart/2 {
			if t.dropped == nil {
				t.dropped = new([]event.Place)
			}
			*t.dropped = append(*t.dropped, t.Place(i))
			t.changed = true
			continue
		}
		if kept++; kept != i {
			t.Checks[kept] = *c
		}
	}
	clear(t.Checks[kept+1:])
	t.Checks = t.Checks[:kept+1]
}

// split keeps I4: it puts checkpoints into the stretches behind a checkpoint
// that insertions made too long.
func (t *Timeline[S, M]) split(from int, state *S, scratch *event.Result) {
	for ; from < len(t.Checks); from++ {
		next := len(t.Ops)
		if from+1 < len(t.Checks) {
			next = int(t.Checks[from+1].Index)
		}
		index, apart := int(t.Checks[from].Index), t.stride(&t.Checks[from].State)
		if next-index <= 2*apart {
			continue
		}
		index += apart
		c := Check[S]{Index: int32(index), Changed: true}
		t.StateAt(t.Ops[index-1].Place(), state, scratch)
		M(&c.State).CopyFrom(state)
		t.Checks = slices.Insert(t.Checks, from+1, c)
		t.changed = true
	}
}

// Loose reports whether t begins at a checkpoint that nobody else knows.
func (t *Timeline[S, M]) Loose() bool { return t.base > 0 }

// Anchor takes note that others know the checkpoint at which t begins.
func (t *Timeline[S, M]) Anchor() { t.base = 0 }

// Whole is how many of the oldest stretches lie within the first n ops and may
// be trimmed.
func (t *Timeline[S, M]) Whole(n int) (stretches int) {
	for stretches+1 < len(t.Checks) && int(t.Checks[stretches+1].Index) <= n && !t.Checks[stretches].Changed {
		stretches++
	}
	return stretches
}

// Trim forgets the n oldest ops, or fewer: what isn't stored yet stays. The
// timeline begins behind them, whether or not there was a checkpoint. It
// returns how many ops went.
func (t *Timeline[S, M]) Trim(n int, scratch *event.Result) int {
	at := 0
	for !t.Checks[at].Changed && at+1 < len(t.Checks) && int(t.Checks[at+1].Index) <= n {
		at++
	}
	c := &t.Checks[at]
	if c.Changed {
		n = int(c.Index)
	}
	if n == 0 {
		return 0
	}
	if at > 0 {
		t.base = 0
	}
	t.base += int32(n) - c.Index
	for i := int(c.Index); i < n; i++ {
		pass[S, M](&c.State, &t.Ops[i], scratch)
	}
	c.Index, t.Begin = int32(n), t.Ops[n-1].Place()
	if left := len(t.Ops) - n; cap(t.Ops) > 2*left+roomyOps {
		t.Ops = append(make([]event.Placed, 0, left+left/4+1), t.Ops[n:]...)
	} else {
		t.Ops = slices.Delete(t.Ops, 0, n)
	}
	t.Checks = slices.Delete(t.Checks, 0, at)
	for i := range t.Checks {
		t.Checks[i].Index -= int32(n)
	}
	return n
}

// checkBefore is the index of the last checkpoint that stands before place.
func (t *Timeline[S, M]) checkBefore(place event.Place) int {
	return sort.Search(len(t.Checks), func(i int) bool { return !t.Place(i).Before(place) }) - 1
}
