package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"highwater/pkg/event"
)

// decider decides operations as the contract wants it, on one account: one
// after the other, on everything decided before, by places in event time. It
// shares nothing with the model that it is to be explained by.
type decider struct {
	done []decided
}

type decided struct {
	*called
	answered
	at int64 // its event time
}

// change is what it adds to what is available, by event time.
func (d *decided) change() int64 {
	switch {
	case d.outcome != event.Accepted || d.kind == event.Capture:
		return 0
	case d.kind == event.Spend, d.kind == event.Hold, d.kind == event.Transfer:
		return -d.amount
	}
	return d.amount
}

// least is what is available at a time or after it, where least is.
func (d *decider) least(at int64) int64 {
	slices.SortStableFunc(d.done, func(a, b decided) int { return int(a.at - b.at) })
	sum, least, reached := int64(0), int64(0), false
	for i := range d.done {
		if d.done[i].at > at && !reached {
			least, reached = sum, true
		}
		sum += d.done[i].change()
		if reached {
			least = min(least, sum)
		}
	}
	if !reached {
		return sum
	}
	return least
}

// taken is what accepted operations of a kind on one took, up to a time.
func (d *decider) taken(kind event.Kind, ref string, upTo int64) (sum int64) {
	for i := range d.done {
		o := &d.done[i]
		if o.kind == kind && o.ref == ref && o.outcome == event.Accepted && o.at <= upTo {
			sum += o.amount
		}
	}
	return sum
}

const never = int64(1) << 62

func (d *decider) decide(c *called, at int64) answered {
	o := d.answer(c, at)
	o.outcome = event.Accepted
	if o.code != event.NoCode {
		o.outcome = event.Rejected
	}
	d.done = append(d.done, decided{c, o, at})
	return o
}

func (d *decider) answer(c *called, at int64) answered {
	named := d.named(c.ref)
	switch c.kind {
	case event.Spend, event.Hold, event.Transfer:
		if d.least(at) < c.given {
			return answered{code: event.InsufficientFunds, amount: c.given}
		}
		return answered{amount: c.given}
	case event.Capture, event.Release:
		if named == nil || named.kind != event.Hold {
			return answered{code: event.NotASpend}
		}
		left := named.amount - d.taken(event.Capture, c.ref, never)
		if d.taken(event.Release, c.ref, never) > 0 {
			left = 0
		}
		return part(c.given, left, left == 0, event.HoldResolved, event.ExceedsHeld)
	case event.Refund:
		if named == nil {
			return answered{code: event.NotASpend}
		}
		refunded := d.taken(event.Refund, c.ref, never)
		left := named.amount - refunded
		if named.kind == event.Hold {
			left = max(d.taken(event.Capture, c.ref, at)-refunded, 0)
		}
		return part(c.given, left, left == 0 && refunded > 0, event.AlreadyRefunded, event.ExceedsRefundable)
	}
	return answered{amount: c.given}
}

// part takes what was asked for of what is left, or all of it.
func part(given, left int64, none bool, noneLeft, exceeds event.Code) answered {
	switch {
	case none:
		return answered{code: noneLeft}
	case left == 0 || given > left:
		return answered{code: exceeds}
	case given == 0:
		return answered{amount: left}
	}
	return answered{amount: given}
}

// named is an accepted spend or hold.
func (d *decider) named(id string) *decided {
	for i := range d.done {
		if o := &d.done[i]; o.id == id && o.outcome == event.Accepted && (o.kind == event.Spend || o.kind == event.Hold) {
			return o
		}
	}
	return nil
}

// history is of an account on which several clients work at once. Each call
// has a time in which it is placed, one in which it is decided, and a real one
// around both.
func history(rng *rand.Rand, calls int) []porcupine.Operation {
	const overlap = 60
	type planned struct {
		*called
		at, processed int64
	}
	kinds := []event.Kind{
		event.Add, event.Received, event.Spend, event.Spend, event.Hold, event.Hold, event.Transfer,
		event.Capture, event.Capture, event.Release, event.Refund, event.Refund,
	}
	var plan []planned
	for n := range calls {
		begun := int64(n*10 + rng.IntN(10))
		at := begun + 1 + rng.Int64N(overlap)
		c := &called{kind: kinds[rng.IntN(len(kinds))], id: fmt.Sprint("e", n), given: 1 + rng.Int64N(30), begun: begun, placed: at + rng.Int64N(5)}
		p := planned{c, at, at + 1 + rng.Int64N(overlap)}
		if c.kind == event.Add || c.kind == event.Received {
			c.given *= 2
		}
		if c.kind == event.Received && rng.IntN(3) == 0 {
			p.processed += rng.Int64N(10 * overlap)
		}
		c.ended = max(p.processed+1+rng.Int64N(5), c.placed)
		if c.kind != event.Add && c.kind != event.Received {
			c.placed = c.ended
		}
		if rng.IntN(2) == 0 && (c.kind == event.Capture || c.kind == event.Refund) || c.kind == event.Release {
			c.given = 0
		}
		plan = append(plan, p)
	}
	slices.SortFunc(plan, func(a, b planned) int { return int(a.processed - b.processed) })
	var d decider
	var ops []porcupine.Operation
	for n, p := range plan {
		// A client names what it has an answer of.
		var names []string
		for i := range d.done {
			if o := &d.done[i]; (o.kind == event.Hold || o.kind == event.Spend) && o.ended < p.begun {
				names = append(names, o.id)
			}
		}
		switch p.kind {
		case event.Capture, event.Release, event.Refund:
			if len(names) == 0 {
				p.kind = event.Spend
				p.given = max(p.given, 1)
			} else {
				p.ref = names[max(len(names)-1-rng.IntN(3), 0)]
			}
		}
		ops = append(ops, operation(n, p.called, d.decide(p.called, p.at)))
	}
	return append(ops, readAfter(ops, left(ops)))
}

// asTheyStand is the order in which a history is written down: here, that of
// processing.
func asTheyStand(ops []porcupine.Operation) (order []int) {
	for id := range ops {
		order = append(order, id)
	}
	return order
}

// left is what accepted operations leave.
func left(ops []porcupine.Operation) (r read) {
	for _, op := range ops {
		c, o := op.Input.(*called), op.Output.(answered)
		if o.code != event.NoCode {
			continue
		}
		switch c.kind {
		case event.Hold:
			r.held += o.amount
		case event.Capture, event.Release, event.HoldExpired:
			r.held -= o.amount
		}
		switch c.kind {
		case event.Spend, event.Hold, event.Transfer:
			r.balance -= o.amount
		case event.Add, event.Received, event.Release, event.Refund, event.HoldExpired:
			r.balance += o.amount
		}
	}
	return r
}

// What the contract allows is explained.
func TestAccountModelExplainsTheContract(t *testing.T) {
	const histories, calls = 1000, 60
	const seed = 7
	rejected := 0
	for n := range uint64(histories) {
		ops := history(rand.New(rand.NewPCG(seed, n)), calls)
		if why := unexplained(ops, asTheyStand(ops)); why != "" {
			t.Fatalf("history %d of seed %d isn't explained by the order of processing: %s:\n%s", n, seed, why, describeHistory(ops))
		}
		if got := explain(ops, time.Minute); got != porcupine.Ok {
			t.Fatalf("history %d of seed %d is %s:\n%s", n, seed, got, describeHistory(ops))
		}
		for _, op := range ops {
			if o, ok := op.Output.(answered); ok && o.code == event.InsufficientFunds {
				rejected++
			}
		}
	}
	t.Logf("%d histories of seed %d: %d rejections", histories, seed, rejected)
	if rejected < histories {
		t.Errorf("only %d rejections", rejected)
	}
}

// An order explains something only if it has everything once and agrees with
// real time.
func TestAccountModelRefusesOrders(t *testing.T) {
	var ops []porcupine.Operation
	for n := range 2 {
		c := &called{kind: event.Spend, id: fmt.Sprint("e", n), given: 1, begun: int64(2 * n), ended: int64(2*n + 1)}
		ops = append(ops, operation(n, c, answered{outcome: event.Rejected, code: event.InsufficientFunds, amount: 1}))
	}
	ops = append(ops, readAfter(ops, read{}))
	for _, o := range []struct {
		order []int
		why   string
	}{
		{[]int{0, 1, 2}, ""},
		{[]int{1, 0, 2}, "spend e0 asks for 1: rejected insufficient_funds 1 had ended when one before it began"},
		{[]int{0, 1, 1, 2}, "spend e1 asks for 1: rejected insufficient_funds 1 comes twice"},
		{[]int{0, 2}, "1 of 3 operations aren't in it"},
	} {
		if got := unexplained(ops, o.order); got != o.why {
			t.Errorf("%v: %q, expected %q", o.order, got, o.why)
		}
	}
}

// What it doesn't allow isn't.
func TestAccountModelRefusesMutants(t *testing.T) {
	const histories, calls, seed = 60, 60, 11
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			made := 0
			for n := range uint64(histories) {
				rng := rand.New(rand.NewPCG(seed, n))
				ops, ok := m.mutate(rng, history(rng, calls))
				if !ok {
					continue
				}
				made++
				if unexplained(ops, asTheyStand(ops)) == "" {
					t.Fatalf("history %d of seed %d is explained by the order of processing:\n%s", n, seed, describeHistory(ops))
				}
				if got := explain(ops, time.Minute); got != porcupine.Illegal {
					t.Fatalf("history %d of seed %d is %s:\n%s", n, seed, got, describeHistory(ops))
				}
			}
			if made < histories/4 {
				t.Errorf("only %d of %d histories could be mutated", made, histories)
			}
		})
	}
}

// mutant is a history as a faulty system would make it; ok is false where this
// one doesn't lend itself to it.
type mutant struct {
	name string
	// byOverlap tells that calls whose end no client sees, such as what a
	// transfer brings, may explain it in what really happened: only histories
	// that are made up are spoiled so.
	byOverlap bool
	mutate    func(*rand.Rand, []porcupine.Operation) (ops []porcupine.Operation, ok bool)
}

var mutants = []mutant{
	{"a rejected debit was done", false, func(rng *rand.Rand, ops []porcupine.Operation) ([]porcupine.Operation, bool) {
		i, ok := pick(rng, ops, func(c *called, o answered) bool { return o.code == event.InsufficientFunds })
		if ok {
			ops[i].Output = answered{outcome: event.Accepted, amount: ops[i].Input.(*called).given}
		}
		return ops, ok
	}},
	{"a debit was done twice", false, func(rng *rand.Rand, ops []porcupine.Operation) ([]porcupine.Operation, bool) {
		i, ok := pick(rng, ops, func(c *called, o answered) bool {
			return o.outcome == event.Accepted && (c.kind == event.Spend || c.kind == event.Transfer)
		})
		if ok {
			twice := ops[i]
			twice.ClientId = len(ops)
			ops = slices.Insert(ops, i+1, twice)
		}
		return ops, ok
	}},
	{"more was spent than there ever was", false, func(_ *rand.Rand, ops []porcupine.Operation) ([]porcupine.Operation, bool) {
		end := ops[len(ops)-1]
		r := end.Output.(read)
		c := &called{kind: event.Spend, id: "more", given: r.balance + 1, begun: end.Return + 1, ended: end.Return + 2}
		r.balance = -1
		ops = append(ops, operation(len(ops), c, answered{outcome: event.Accepted, amount: c.given}))
		return append(ops, readAfter(ops, r)), true
	}},
	{"a capture was lost", false, func(rng *rand.Rand, ops []porcupine.Operation) ([]porcupine.Operation, bool) {
		i, ok := pick(rng, ops, func(c *called, o answered) bool { return c.kind == event.Capture && o.outcome == event.Accepted })
		if ok {
			ops = slices.Delete(ops, i, i+1)
		}
		return ops, ok
	}},
	{"a hold was captured twice", false, func(rng *rand.Rand, ops []porcupine.Operation) ([]porcupine.Operation, bool) {
		i, ok := pick(rng, ops, func(c *called, o answered) bool { return o.code == event.HoldResolved })
		if ok {
			ops[i].Output = answered{outcome: event.Accepted, amount: 1}
		}
		return ops, ok
	}},
	{"a spend was rejected by what was there long ago", true, func(_ *rand.Rand, ops []porcupine.Operation) ([]porcupine.Operation, bool) {
		end := ops[len(ops)-1]
		r := end.Output.(read)
		c := &called{kind: event.Spend, id: "stale", given: r.balance, begun: end.Return + 1, ended: end.Return + 2}
		return append(ops, operation(len(ops), c, answered{outcome: event.Rejected, code: event.InsufficientFunds, amount: c.given})), r.balance > 0
	}},
	{"a refund was rejected that had something left", false, func(rng *rand.Rand, ops []porcupine.Operation) ([]porcupine.Operation, bool) {
		end := ops[len(ops)-1]
		i, ok := pick(rng, ops, func(c *called, o answered) bool { return c.kind == event.Spend && o.outcome == event.Accepted })
		if !ok {
			return ops, false
		}
		c := &called{kind: event.Refund, id: "refused", ref: ops[i].Input.(*called).id, begun: end.Return + 1, ended: end.Return + 2}
		for _, op := range ops {
			if of := op.Input.(*called); of.kind == event.Refund && of.ref == c.ref {
				return ops, false
			}
		}
		return append(ops, operation(len(ops), c, answered{outcome: event.Rejected, code: event.AlreadyRefunded})), true
	}},
	{"what a transfer brought was lost", false, func(rng *rand.Rand, ops []porcupine.Operation) ([]porcupine.Operation, bool) {
		i, ok := pick(rng, ops, func(c *called, o answered) bool { return c.kind == event.Received })
		if ok {
			ops = slices.Delete(ops, i, i+1)
		}
		return ops, ok
	}},
}

// pick is any operation that is as it should be; the read at the end isn't.
func pick(rng *rand.Rand, ops []porcupine.Operation, is func(*called, answered) bool) (at int, ok bool) {
	for _, i := range rng.Perm(len(ops)) {
		if o, isAnswer := ops[i].Output.(answered); isAnswer && is(ops[i].Input.(*called), o) {
			return i, true
		}
	}
	return 0, false
}

func describeHistory(ops []porcupine.Operation) string {
	text := ""
	for _, op := range ops {
		text += fmt.Sprintf("%6d..%-6d %s\n", op.Call, op.Return, accountModel.DescribeOperation(op.Input, op.Output))
	}
	return text
}
