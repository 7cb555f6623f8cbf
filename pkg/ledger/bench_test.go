package ledger_test

import (
	"fmt"
	"testing"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
)

// routine is a few operations, again and again, on an account of three grants
// that never run out.
type routine struct {
	name string
	ops  []event.Placed
	// allocations are those of one round at most.
	allocations float64
}

func routines() []routine {
	op := func(kind event.Kind, id, ref string) event.Placed {
		o := event.Placed{Kind: kind, ID: id, Amount: 3}
		refer(&o, ref)
		if kind.IsConditional() {
			o.Outcome = event.Accepted
		}
		return o
	}
	return []routine{
		{"subtract", []event.Placed{op(event.Subtract, "s", "")}, 0},
		{"spend", []event.Placed{op(event.Spend, "s", "")}, 0},
		{"transfer", []event.Placed{op(event.Transfer, "t", "")}, 0},
		// What is set aside is kept apart from the grants, the hold's id from
		// its event; what is captured is a list of its own.
		{"hold+capture", []event.Placed{op(event.Hold, "h", ""), op(event.Capture, "c", "h")}, 3},
	}
}

func threeGrants() *ledger.Account {
	a := &ledger.Account{}
	for i := range 3 {
		op := event.Placed{Kind: event.Grant, ID: fmt.Sprint("e", i), Amount: event.MaxAmount}.With(event.Details{
			Ref: fmt.Sprint("g", i), EffectiveAt: event.NoTime, ExpiresAt: event.MaxTime - event.Time(i),
		})
		a.Apply(&op, &event.Result{})
	}
	return a
}

// round performs the operations once, into one result.
func (o *routine) round(a *ledger.Account, r *event.Result) {
	for i := range o.ops {
		*r = event.Result{Slices: r.Slices[:0], Repaid: r.Repaid[:0]}
		a.Apply(&o.ops[i], r)
	}
}

// An on-time debit costs no memory.
func TestAllocations(t *testing.T) {
	for _, o := range routines() {
		a, r := threeGrants(), event.Result{}
		before := a.Available()
		o.round(a, &r) // takes up memory to keep
		if got := testing.AllocsPerRun(100, func() { o.round(a, &r) }); got > o.allocations {
			t.Errorf("%s allocates %v times, not at most %v", o.name, got, o.allocations)
		}
		// AllocsPerRun does one round more.
		if got := before - a.Available(); got != 3*102 || r.Shortfall != 0 {
			t.Errorf("%s took %d in 102 rounds, the last %+v", o.name, got, r)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	for _, o := range routines() {
		b.Run(o.name, func(b *testing.B) {
			a, r := threeGrants(), event.Result{}
			b.ReportAllocs()
			for b.Loop() {
				o.round(a, &r)
			}
		})
	}
}

// crowd is an account of so many grants of two priorities that all expire, but
// not soon.
func crowd(n int) *ledger.Account {
	a := &ledger.Account{}
	for i := range n {
		op := event.Placed{Kind: event.Grant, ID: fmt.Sprint("e", i), Amount: 1 << 40}.With(event.Details{
			Ref: fmt.Sprint("g", i), EffectiveAt: event.NoTime, ExpiresAt: event.MaxTime - event.Time(i), Priority: int32(i % 2),
		})
		a.Apply(&op, &event.Result{})
	}
	return a
}

// BenchmarkCrowd is what happens all the time to an account with hundreds of
// grants, and to its copies.
func BenchmarkCrowd(b *testing.B) {
	const n = 300
	op := func(kind event.Kind, ref string, amount event.Amount, expires event.Time) *event.Placed {
		op := event.Placed{Kind: kind, ID: "e", Amount: amount, Marks: event.RefundedMark, Outcome: event.Accepted}.With(event.Details{
			Ref: ref, EffectiveAt: event.NoTime, ExpiresAt: expires, Priority: 1,
		})
		return &op
	}
	subtract := op(event.Subtract, "g", 3, event.NoTime)
	one := crowd(n)
	other, changed := clone(one), clone(one)
	changed.Apply(subtract, &event.Result{})
	var into ledger.Account
	for _, c := range []struct {
		name string
		do   func(a *ledger.Account, r *event.Result)
	}{
		{"subtract", func(a *ledger.Account, r *event.Result) { a.Apply(subtract, r) }},
		// It comes into the middle and leaves it.
		{"grant+expiry", func(a *ledger.Account, r *event.Result) {
			a.Apply(op(event.Grant, "g", 3, 1_000_000), r)
			a.Due(r)
		}},
		{"spend+refund", func(a *ledger.Account, r *event.Result) {
			a.Apply(op(event.Spend, "g", 3<<40, event.NoTime), r)
			a.Apply(op(event.Refund, "e", 3<<40, event.NoTime), r)
		}},
		{"NextDue", func(a *ledger.Account, _ *event.Result) { a.NextDue() }},
		{"CopyFrom", func(a *ledger.Account, _ *event.Result) { into.CopyFrom(a) }},
		{"Equal", func(*ledger.Account, *event.Result) {
			if !other.Equal(one) {
				panic("copies differ")
			}
		}},
		{"ShiftTo", func(*ledger.Account, *event.Result) {
			if s, ok := one.ShiftTo(changed); !ok || len(s) != 1 {
				panic("the shift is something else")
			}
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			a, r := crowd(n), event.Result{}
			b.ReportAllocs()
			for b.Loop() {
				r = event.Result{Slices: r.Slices[:0], Repaid: r.Repaid[:0]}
				c.do(a, &r)
			}
		})
	}
}

// BenchmarkFill is an account of 300 grants from nothing, and from its row.
func BenchmarkFill(b *testing.B) {
	row := string(crowd(300).AppendTo(nil))
	b.Run("grants", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			crowd(300)
		}
	})
	b.Run("Decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var a ledger.Account
			if err := a.Decode(row); err != nil {
				b.Fatal(err)
			}
		}
	})
}
