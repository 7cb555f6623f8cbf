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
