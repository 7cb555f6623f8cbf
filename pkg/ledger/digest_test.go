package ledger_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
	"highwater/pkg/pack"
)

// stretch is a part of a history: the account at its beginning, and its
// events.
type stretch struct {
	base  *ledger.Account
	since event.Time
	ops   []event.Placed
	// gone are grants that were drawn empty before it, and could still be drawn
	// from.
	gone []ledger.Grant
}

func (s *stretch) until() event.Time { return s.ops[len(s.ops)-1].Time }

// makeStretch cuts a piece out of a history; some accounts are rich.
func makeStretch(t *rapid.T) *stretch {
	ops, _ := planned(t)
	rich := event.Amount(rapid.SampledFrom([]int{1, 30}).Draw(t, "rich"))
	for i := range ops {
		switch op := &ops[i]; op.Kind {
		case event.Grant, event.Add:
			op.Amount *= rich
			if rich > 1 && rapid.Bool().Draw(t, "lasts") {
				d := op.Details()
				d.ExpiresAt = event.NoTime
				*op = op.With(d)
			}
		}
	}
	ops = append(ops, event.Placed{Kind: event.Subtract, ID: "last", Amount: 1, Time: 300})
	from := rapid.IntRange(0, len(ops)-1).Draw(t, "from")
	to := rapid.IntRange(from+1, min(from+12, len(ops))).Draw(t, "to")
	s := &stretch{base: &ledger.Account{}, ops: ops[from:to]}
	var seen []ledger.Grant
	ended := false
	run(&ledger.Account{}, ops[:from], func(step *step) {
		if ended {
			return // what falls due afterwards
		}
		for _, g := range step.after.Usable() {
			if !slices.ContainsFunc(seen, func(h ledger.Grant) bool { return h.ID == g.ID }) {
				seen = append(seen, g)
			}
		}
		if step.op != nil && step.op.ID == ops[from-1].ID {
			s.base, s.since, ended = clone(step.after), step.op.Time, true
		}
	})
	for _, g := range seen {
		usable := slices.ContainsFunc(s.base.Usable(), func(h ledger.Grant) bool { return h.ID == g.ID })
		if !usable && !s.base.IsRevoked(g.ID) && (g.ExpiresAt == event.NoTime || g.ExpiresAt > s.since) {
			s.gone = append(s.gone, g)
		}
	}
	return s
}

// digest is that of the stretch of an account that begins like base.
func (s *stretch) digest(base *ledger.Account) *ledger.Digest {
	d := &ledger.Digest{}
	d.Begin(base, s.since)
	a := clone(base)
	cut := len(s.ops) / 2
	var scratch event.Result
	d.Extend(a, s.ops[:cut], &scratch)
	d.Extend(a, s.ops[cut:], &scratch)
	return d
}

// cut is the stretch in two parts, the first with so many events.
func (s *stretch) cut(at int) (first, rest *stretch) {
	first, rest = &stretch{base: s.base, since: s.since, ops: s.ops[:at]}, &stretch{base: clone(s.base), since: s.since, ops: s.ops[at:], gone: s.gone}
	if at > 0 {
		var d ledger.Digest
		d.Extend(rest.base, first.ops, &event.Result{})
		rest.since = first.until()
	}
	return first, rest
}

// other is an account that differs from another in some remainders.
func (s *stretch) other(t *rapid.T) *ledger.Account {
	var by ledger.Shift
	usable := s.base.Usable()
	for range rapid.IntRange(1, 3).Draw(t, "differences") {
		d := ledger.Shifted{By: int64(rapid.IntRange(-9, 9).Draw(t, "by"))}
		if len(usable) > 0 && rapid.IntRange(0, 3).Draw(t, "known") > 0 {
			g := rapid.SampledFrom(usable).Draw(t, "grant")
			d.Grant = g
			if d.By = max(d.By, -int64(g.Remaining)); rapid.IntRange(0, 4).Draw(t, "empty") == 0 {
				d.By = -int64(g.Remaining)
			}
		} else {
			d.Terms = &ledger.Terms{
				ID: fmt.Sprintf("another since %d", s.since), Priority: int32(rapid.IntRange(0, 2).Draw(t, "priority")), EffectiveAt: s.since, ExpiresAt: event.NoTime,
			}
			if rapid.Bool().Draw(t, "expires") {
				d.ExpiresAt = s.since + event.Time(rapid.IntRange(1, 200).Draw(t, "lifetime"))
			}
			if len(s.gone) > 0 && rapid.Bool().Draw(t, "gone") {
				d.Grant = rapid.SampledFrom(s.gone).Draw(t, "grant")
			}
			d.By = max(d.By, 1)
		}
		d.Remaining = 0
		same := func(x ledger.Shifted) bool { return x.ID == d.ID }
		if d.By != 0 && !slices.ContainsFunc(by, same) {
			by = append(by, d)
		}
	}
	slices.SortFunc(by, func(x, y ledger.Shifted) int {
		if drawnBefore(*x.Terms, *y.Terms) {
			return -1
		}
		return 1
	})
	b := clone(s.base)
	b.Shift(by)
	return b
}

// did is what a step said and left.
type did struct {
	what   string
	result *event.Result
	after  *ledger.Account
}

func (s *stretch) replay(base *ledger.Account) (all []did) {
	a := clone(base)
	run(a, s.ops, func(step *step) {
		if at := step.at(); step.op != nil || at <= s.until() {
			all = append(all, did{step.String(), step.result, clone(a)})
		}
	})
	return all
}

// I8: a shift that a digest allows is the difference at every place of the
// stretch, and everything in it says the same; afterwards the digest is that
// of the other account.
func TestI8AllowedShiftsChangeNothing(t *testing.T) {
	allowed := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := makeStretch(t)
		for range 20 {
			b := s.other(t)
			shift, ok := s.base.ShiftTo(b)
			d := s.digest(s.base)
			if !ok || !d.Allows(shift, s.until()) || len(shift) == 0 {
				continue
			}
			for i := range shift {
				allowed[fmt.Sprintf("both %v, less %v", shift[i].Both, shift[i].By < 0)]++
			}
			was, is := s.replay(s.base), s.replay(b)
			if len(was) != len(is) {
				t.Fatalf("I8: %d steps are %d after %+v", len(was), len(is), shift)
			}
			for i := range was {
				if was[i].what != is[i].what || !was[i].result.Same(is[i].result) || was[i].result.Undone != is[i].result.Undone ||
					!slices.Equal(was[i].result.Repaid, is[i].result.Repaid) {
					t.Fatalf("I8: %s says %+v, and %s %+v after %+v", was[i].what, was[i].result, is[i].what, is[i].result, shift)
				}
				if now, ok := was[i].after.ShiftTo(is[i].after); !ok || !slices.EqualFunc(now, shift, sameButBoth) {
					t.Fatalf("I8: after %s the difference is %+v, not %+v", was[i].what, now, shift)
				}
				moved := clone(was[i].after)
				moved.Shift(shift)
				if !moved.Equal(is[i].after) || moved.DueTime() != is[i].after.DueTime() {
					t.Fatalf("I8: after %s the shifted account is %+v, not %+v", was[i].what, moved, is[i].after)
				}
			}
			d.Shift(shift)
			if got, want := string(d.AppendTo(nil)), string(s.digest(b).AppendTo(nil)); got != want {
				t.Fatalf("I8: the digest is %q, not %q after %+v", got, want, shift)
			}
		}
	})
	t.Log(allowed)
	if len(allowed) < 4 {
		t.Errorf("only %v were allowed", allowed)
	}
}

// sameButBoth compares shifts of a grant. One that only one account had can be
// given back to in both.
func sameButBoth(d, e ledger.Shifted) bool {
	return d.By == e.By && d.Grant.Equal(e.Grant)
}

// I8: the digests of the parts of a stretch, joined, are that of the whole.
func TestI8DigestsOfPartsJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := makeStretch(t)
		first, rest := s.cut(rapid.IntRange(0, len(s.ops)-1).Draw(t, "cut"))
		d := first.digest(first.base)
		d.Join(rest.digest(rest.base))
		if got, want := string(d.AppendTo(nil)), string(s.digest(s.base).AppendTo(nil)); got != want {
			t.Fatalf("I8: joined the digest is %q, not %q", got, want)
		}
	})
}

// I8: the digest of a stretch joined with another one of its end allows no more
// than either.
func TestI8JoinedDigestsAllowNoMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := makeStretch(t)
		_, end := s.cut(rapid.IntRange(0, len(s.ops)-1).Draw(t, "cut"))
		shift, ok := s.base.ShiftTo(s.other(t))
		d, p := s.digest(s.base), end.digest(end.other(t))
		var both ledger.Digest
		both.CopyFrom(d)
		both.Join(p)
		if ok && both.Allows(shift, s.until()) && !(d.Allows(shift, s.until()) && p.Allows(shift, s.until())) {
			t.Fatalf("I8: only both allow %+v", shift)
		}
	})
}

// Shifts one after the other are their sum, and a difference is its opposite
// taken back.
func TestShiftsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := makeStretch(t)
		b := s.other(t)
		c := (&stretch{base: b, since: s.since, gone: s.gone}).other(t)
		first, ok1 := s.base.ShiftTo(b)
		second, ok2 := b.ShiftTo(c)
		if !ok1 || !ok2 {
			return
		}
		a := clone(s.base)
		a.Shift(first.Plus(second))
		if !a.Equal(c) || a.DueTime() != c.DueTime() {
			t.Fatalf("after %+v and %+v the account is %+v, not %+v", first, second, a, c)
		}
		back, _ := c.ShiftTo(s.base)
		if left := first.Plus(second).Plus(back); len(left) > 0 {
			t.Fatalf("there and back is %+v", left)
		}
	})
}

// A digest and a shift that were read are those that were written.
func TestDigestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := makeStretch(t)
		shift, _ := s.base.ShiftTo(s.other(t))
		d := s.digest(s.base)
		row := string(shift.AppendTo(d.AppendTo(nil)))
		r := pack.NewReader(row)
		var read ledger.Digest
		read.Read(&r)
		again := ledger.ReadShift(&r)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if got := string(again.AppendTo(read.AppendTo(nil))); got != row {
			t.Fatalf("%q is read as %q", row, got)
		}
		if d.Allows(shift, s.until()) != read.Allows(shift, s.until()) {
			t.Fatalf("a digest that was read allows another shift")
		}
	})
}

// The forms, byte for byte: they are never written differently.
func TestFormOfDigestAndShift(t *testing.T) {
	grant := func(id string, expires event.Time) event.Placed {
		return event.Placed{Kind: event.Grant, ID: "e-" + id, Amount: 50, Time: 2}.With(event.Details{
			Ref: id, OccurredAt: 2, EffectiveAt: event.NoTime, ExpiresAt: expires, Priority: 1,
		})
	}
	a := &ledger.Account{}
	for _, op := range []event.Placed{grant("g1", 300), grant("g2", event.NoTime)} {
		a.Apply(&op, &event.Result{})
	}
	var d ledger.Digest
	d.Begin(a, 2)
	b := clone(a)
	d.Extend(b, []event.Placed{{Kind: event.Subtract, ID: "s", Amount: 8, Time: 4}}, &event.Result{})
	last := "\x02g1" + "\x08" + "\x84\xa8" + "\x01"
	want := "\x08" + "\x02" + "\xc8\x01" + "\x01" + "\x02g1" + "\x2a" + "\x08" + last
	if got := string(d.AppendTo(nil)); got != want {
		t.Errorf("the digest is\n%q, not\n%q", got, want)
	}
	shift, ok := a.ShiftTo(b)
	if want := "\x01" + "\x02g1" + "\x0f" + "\x08" + "\x84\xa8" + "\x01" + "\x00"; !ok || string(shift.AppendTo(nil)) != want {
		t.Errorf("the shift is\n%q, not\n%q", shift.AppendTo(nil), want)
	}
	d.Extend(b, []event.Placed{{Kind: event.Subtract, ID: "t", Amount: 100, Time: 5}}, &event.Result{})
	if got := string(d.AppendTo(nil)); !strings.HasPrefix(got, "\x08\x03\xc8\x01\x02\x02g1\x00\x08\x02g2\x00\x08") {
		t.Errorf("the digest is %q behind one that ran short", got)
	}
}

// I8: a shift under which a balance would no longer fit 64 bits isn't allowed.
func TestI8NoShiftOverflows(t *testing.T) {
	a, b := &ledger.Account{}, &ledger.Account{}
	for _, to := range []*ledger.Account{a, b} {
		to.Apply(&event.Placed{Kind: event.Add, ID: "g", Amount: 1 << 61}, &event.Result{})
	}
	b.Apply(&event.Placed{Kind: event.Add, ID: "h", Amount: 1 << 60}, &event.Result{})
	shift, _ := a.ShiftTo(b)
	for more, want := range map[event.Amount]bool{3<<61 - 1<<60 - 1: true, 3<<61 - 1<<60: false} {
		var d ledger.Digest
		d.Begin(a, 1)
		ops := []event.Placed{{Kind: event.Add, ID: "more", Amount: more, Time: 2}}
		d.Extend(clone(a), ops, &event.Result{})
		if d.Allows(shift, 2) != want {
			t.Errorf("I8: with %d more it is %v that the shift is allowed", more, !want)
		}
	}
}
