package timeline_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"highwater/pkg/event"
	"highwater/pkg/timeline"
)

// twoHistories are a history, edits of it, and the history with them.
type twoHistories struct {
	before, after []event.Placed
	edits         []timeline.Edit
}

func makeHistories(t *rapid.T) twoHistories {
	var h twoHistories
	for n := range rapid.IntRange(1, 25).Draw(t, "ops") {
		op := makeOp(t, fmt.Sprintf("e%02d", n), event.Time(rapid.IntRange(1, 20).Draw(t, "time")))
		switch rapid.IntRange(0, 7).Draw(t, "edit") {
		case 0: // inserted
			h.after = append(h.after, op)
			h.edits = append(h.edits, timeline.Edit{Place: op.Place(), New: &op})
		case 1: // taken out
			h.before = append(h.before, op)
			h.edits = append(h.edits, timeline.Edit{Place: op.Place(), Old: &op})
		case 2: // replaced, perhaps by the same
			other := op
			other.Amount = event.Amount(rapid.IntRange(0, 20).Draw(t, "new amount"))
			h.before, h.after = append(h.before, op), append(h.after, other)
			h.edits = append(h.edits, timeline.Edit{Place: op.Place(), Old: &op, New: &other})
		default:
			h.before, h.after = append(h.before, op), append(h.after, op)
		}
	}
	if len(h.edits) == 0 {
		op := makeOp(t, "late", event.Time(rapid.IntRange(1, 20).Draw(t, "time")))
		h.after = append(h.after, op)
		h.edits = append(h.edits, timeline.Edit{Place: op.Place(), New: &op})
	}
	slices.SortFunc(h.before, byPlace)
	slices.SortFunc(h.after, byPlace)
	slices.SortFunc(h.edits, func(a, b timeline.Edit) int { return a.Place.Compare(b.Place) })
	return h
}

// pair is one place at which at least one of two replays did something.
type pair struct {
	place                 event.Place
	before, after         *done
	stateBefore, stateNow toy
}

// pairs steps two naive replays from a place on.
func pairs(before, after []done, from event.Place) []pair {
	var all []pair
	var was, is toy
	for len(before)+len(after) > 0 {
		var p pair
		switch {
		case len(after) == 0 || len(before) > 0 && before[0].place.Before(after[0].place):
			p.place = before[0].place
		default:
			p.place = after[0].place
		}
		if len(before) > 0 && before[0].place == p.place {
			p.before, was, before = &before[0], before[0].state, before[1:]
		}
		if len(after) > 0 && after[0].place == p.place {
			p.after, is, after = &after[0], after[0].state, after[1:]
		}
		p.stateBefore, p.stateNow = was, is
		if !p.place.Before(from) {
			all = append(all, p)
		}
	}
	return all
}

// I3: a Walker visits every place at which either replay does something, once,
// in order, up to where the replays agree for good or the end.
func TestI3WalkerAgainstNaiveReplays(t *testing.T) {
	var w timeline.Walker[toy, *toy] // keeps its memory between walks
	rapid.Check(t, func(t *rapid.T) {
		h := makeHistories(t)
		first, last := h.edits[0].Place, h.edits[len(h.edits)-1].Place
		end := event.EndOf(last.Time + event.Time(rapid.IntRange(0, 12).Draw(t, "beyond the edits")))
		if rapid.Bool().Draw(t, "end at the last edit") {
			end = last
		}
		want := pairs(naive(h.before, end), naive(h.after, end), first)
		agree := slices.IndexFunc(want, func(p pair) bool {
			return !p.place.Before(last) && p.stateBefore.Equal(&p.stateNow)
		})
		if agree >= 0 {
			want = want[:agree+1]
		}

		// Begin at the zero state or behind some op before the first edit.
		var base toy
		ops := h.before
		if i, _ := slices.BinarySearchFunc(ops, first, func(op event.Placed, p event.Place) int { return op.Place().Compare(p) }); i > 0 {
			if skip := rapid.IntRange(0, i).Draw(t, "base"); skip > 0 {
				base = stateAt(ops, ops[skip-1].Place())
				ops = ops[skip:]
			}
		}
		text := base.String()

		n := 0
		passed, agreed := w.Walk(&base, ops, h.edits, end, func(s *timeline.Step) {
			if n == len(want) {
				t.Fatalf("I3: visits %v behind all that happens", s.Place)
			}
			sameStep(t, &want[n], s, h.edits)
			if !w.Old.Equal(&want[n].stateBefore) || !w.New.Equal(&want[n].stateNow) {
				t.Fatalf("I3: at %v the states are %v and %v, not %v and %v", s.Place, &w.Old, &w.New, &want[n].stateBefore, &want[n].stateNow)
			}
			n++
		})
		if n < len(want) {
			t.Fatalf("I3: %v isn't visited", want[n].place)
		}
		if agreed != (agree >= 0) {
			t.Fatalf("I3: agreed is %v", agreed)
		}
		stop := end
		if agreed {
			stop = want[n-1].place
		}
		through := slices.IndexFunc(ops, func(op event.Placed) bool { return stop.Before(op.Place()) })
		if through < 0 {
			through = len(ops)
		}
		if passed != through {
			t.Fatalf("I3: went through %d ops, not %d", passed, through)
		}
		if base.String() != text {
			t.Fatalf("the base changed from %s to %s", text, &base)
		}
	})
}

// sameStep compares a step with what the naive replays did there.
func sameStep(t *rapid.T, want *pair, s *timeline.Step, edits []timeline.Edit) {
	if s.Place != want.place {
		t.Fatalf("I3: visits %v, but %v is next", s.Place, want.place)
	}
	edited := slices.ContainsFunc(edits, func(e timeline.Edit) bool { return e.Place == s.Place })
	if s.Edited != edited {
		t.Fatalf("I3: at %v Edited is %v", s.Place, s.Edited)
	}
	var op *event.Placed
	for _, side := range []struct {
		name string
		did  *done
		says *event.Result
	}{{"without", want.before, s.Before}, {"with", want.after, s.After}} {
		if (side.did == nil) != (side.says == nil) {
			t.Fatalf("I3: at %v the replay %s the edits says %v", s.Place, side.name, side.says)
		}
		if side.did == nil {
			continue
		}
		op = side.did.op
		if !side.did.result.Same(side.says) || side.did.result.After != side.says.After {
			t.Fatalf("I3: at %v the replay %s the edits says %+v, not %+v", s.Place, side.name, side.says, side.did.result)
		}
	}
	if (op == nil) != (s.Op == nil) || op != nil && *op != *s.Op {
		t.Fatalf("I3: at %v stands %v, not %v", s.Place, s.Op, op)
	}
}
