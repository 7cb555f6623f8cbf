package e2e

import (
	"fmt"
	"math"
	"time"

	"github.com/anishathalye/porcupine"

	"highwater/pkg/event"
)

// Whether what clients saw of an account can be explained.
//
// # What holds
//
// A shard decides one operation after the other, in the order in which it
// processes them. That order agrees with real time: an operation is processed
// between the beginning of its call and the end. So does the order of event
// time, where no client gives occurred_at: ingest sets it within the call.
// The two orders differ only between calls that overlap, and of an operation
// that was sent several times it is the first record in Kafka that counts,
// which is within the call, too.
//
// Let E be what is available once everything processed before a debit s is
// counted. Credits of this account don't expire, and no fact takes any away.
// The contract accepts s if there is enough at its place, and at every known
// place after it.
//
//   - If s is accepted, the amount is at most E: the last place is one of those.
//   - If s is rejected (insufficient_funds), at some place p, not before that
//     of s, there is less than the amount. E is what is there at p, less the
//     debits known after p, and more by the credits after p. Such a credit has
//     an event time after that of s: its call had not ended when that of s
//     began.
//   - What is left of a hold or a spend is counted over everything processed,
//     wherever its place; only a refund of a hold leaves out captures that are
//     placed after it, which overlap it.
//
// # What is checked
//
// So there must be one order of all operations that agrees with real time (the
// calls are linearizable), in which
//
//   - what is accepted is covered by what is there then, to the unit;
//   - what is rejected for lack of funds isn't covered by what is there then
//     without the credits whose calls overlap it: a rejection may not have seen
//     those, but everything that was over when it began;
//   - every capture, release and refund takes exactly what is left, and is
//     rejected with the code that what is left calls for;
//   - a read after all of them finds what is left over.
//
// The stricter model, in which a rejection has seen everything that stands
// before it, isn't what the contract promises. A refund of a hold that was
// processed after a capture but has the earlier event time is rejected
// (already_refunded) though the capture made more to refund, and with a refund
// in between that saw the capture there is no order for the three. For lack of
// funds no such history is known, but it has not been proved that there is none.
//
// A credit without an answer of its own (what a transfer brings, an add) is an
// operation from the beginning of the call that causes it until its entry is
// seen in Kafka. A hold's time-out happens at its time, which all clocks of
// this machine agree on.

// called is one operation on one account, as its client saw it.
type called struct {
	kind event.Kind
	id   string
	// ref is the spend or hold that it names, to the receiver of a transfer.
	ref, to string
	// given is the amount that was asked for; 0 where none was.
	given int64
	// begun and ended are in real time, in microseconds: the first attempt, and
	// the answer, or whatever else shows that it was processed.
	begun, ended int64
	// placed is when its event time had passed for sure.
	placed int64
	// expires is a hold's, or a grant's; 0 is never.
	expires int64
}

// answered is what became of it.
type answered struct {
	outcome event.Outcome
	code    event.Code
	amount  int64
}

// read is what a query finds at the end.
type read struct{ balance, held int64 }

// account is what a sequence of operations leaves. It isn't changed once made.
type account struct {
	// available and held are sums.
	available, held int64
	// debits are the accepted spends and holds, credits what came; the newest
	// ones, and newest versions, first.
	debits  *debit
	credits *credit
}

// debit is an accepted spend or hold: what is left of a hold, what was spent
// of it (all, for a spend), and what of that was refunded.
type debit struct {
	kind                  event.Kind
	id                    string
	left, spent, refunded int64
	timedOut              bool
	captures              *credit
	next                  *debit
}

// credit is one of a list, with the time at which its event time had passed.
type credit struct {
	amount, placed int64
	next           *credit
}

// since sums up those that may have an event time after a time.
func (c *credit) since(t int64) (sum int64) {
	for ; c != nil; c = c.next {
		if c.placed >= t {
			sum += c.amount
		}
	}
	return sum
}

// accountModel is what porcupine is asked about.
var accountModel = porcupine.Model{
	Init: func() any { return &account{} },
	Step: func(state, input, output any) (bool, any) {
		a := state.(*account)
		if r, ok := output.(read); ok {
			return r == a.read(), a
		}
		after, why := a.step(input.(*called), output.(answered))
		return why == "", after
	},
	// What a set of operations leaves doesn't depend on their order, and only
	// states after the same set are compared.
	Equal: func(x, y any) bool { return x.(*account).read() == y.(*account).read() },
	DescribeOperation: func(input, output any) string {
		if r, ok := output.(read); ok {
			return fmt.Sprintf("read %+v", r)
		}
		c, o := input.(*called), output.(answered)
		text := fmt.Sprintf("%s %s", c.kind, c.id)
		if c.ref != "" {
			text += " of " + c.ref
		}
		if c.given > 0 {
			text += fmt.Sprintf(" asks for %d", c.given)
		}
		return fmt.Sprintf("%s: %s %s %d", text, o.outcome, o.code, o.amount)
	},
	DescribeState: func(state any) string {
		r := state.(*account).read()
		return fmt.Sprintf("available %d, held %d", r.balance, r.held)
	},
}

func (a *account) read() read { return read{a.available, a.held} }

// step is what the account is after an operation, or why this can't have been
// its answer.
func (a *account) step(c *called, o answered) (after *account, why string) {
	switch c.kind {
	case event.Add, event.Received, event.HoldExpired:
		return a.credited(c, o)
	case event.Spend, event.Hold, event.Transfer:
		return a.debited(c, o)
	case event.Capture, event.Release:
		return a.unheld(c, o)
	case event.Refund:
		return a.refunded(c, o)
	}
	panic(fmt.Sprintf("no operation of an account: %s", c.kind))
}

// brought is the account with a credit more.
func (a *account) brought(amount int64, c *called) *account {
	b := *a
	b.available += amount
	b.credits = &credit{amount, c.placed, a.credits}
	return &b
}

// noted is the account with a debit, or a newer version of one; held is by how
// much more is held.
func (a *account) noted(d debit, held int64) *account {
	b := *a
	b.held += held
	d.next = a.debits
	b.debits = &d
	return &b
}

// named is the accepted debit of an id.
func (a *account) named(id string) (debit, bool) {
	for d := a.debits; d != nil; d = d.next {
		if d.id == id {
			return *d, true
		}
	}
	return debit{}, false
}

func (a *account) credited(c *called, o answered) (after *account, why string) {
	if c.kind != event.HoldExpired {
		return a.brought(o.amount, c), unless(o.code == event.NoCode, "a credit isn't refused")
	}
	h, ok := a.named(c.ref)
	if !ok || h.timedOut || h.left != o.amount {
		return a, "no such hold times out"
	}
	h.timedOut = true
	return a.brought(o.amount, c).noted(h, -o.amount), ""
}

func (a *account) debited(c *called, o answered) (after *account, why string) {
	if o.code == event.InsufficientFunds {
		return a, unless(a.available-a.credits.since(c.begun) < c.given, "it was covered")
	}
	if o.code != event.NoCode || o.amount != c.given || a.available < c.given {
		return a, "it wasn't covered"
	}
	b := *a
	b.available -= c.given
	switch c.kind {
	case event.Spend:
		return b.noted(debit{kind: c.kind, id: c.id, spent: c.given}, 0), ""
	case event.Hold:
		return b.noted(debit{kind: c.kind, id: c.id, left: c.given}, c.given), ""
	}
	return &b, ""
}

// unheld captures or releases.
func (a *account) unheld(c *called, o answered) (after *account, why string) {
	h, ok := a.named(c.ref)
	want := event.NoCode
	switch {
	case !ok || h.kind != event.Hold:
		want = event.NotASpend
	case h.left == 0:
		want = event.HoldResolved
	case h.timedOut:
		want = event.HoldIsExpired
	case c.given > h.left:
		want = event.ExceedsHeld
	}
	switch {
	case o.code != want:
		return a, "it should be " + want.String()
	case want != event.NoCode:
		return a, ""
	case c.given > 0 && o.amount != c.given, c.given == 0 && o.amount != h.left:
		return a, "another amount is left"
	}
	h.left -= o.amount
	if c.kind == event.Release {
		return a.brought(o.amount, c).noted(h, -o.amount), ""
	}
	h.spent += o.amount
	h.captures = &credit{o.amount, c.placed, h.captures}
	return a.noted(h, -o.amount), ""
}

func (a *account) refunded(c *called, o answered) (after *account, why string) {
	d, ok := a.named(c.ref)
	if !ok {
		return a, unless(o.code == event.NotASpend, "it names no spend")
	}
	// What is left is between least and most.
	most := d.spent - d.refunded
	least := max(most-d.captures.since(c.begun), 0)
	switch {
	case o.code == event.AlreadyRefunded:
		return a, unless(least == 0 && d.refunded > 0, "something is left to refund")
	case o.code == event.ExceedsRefundable:
		return a, unless(least == 0 && d.refunded == 0 || c.given > least, "as much is left to refund")
	case o.code != event.NoCode:
		return a, "no refund is rejected so"
	case o.amount <= 0 || o.amount > most,
		c.given == 0 && o.amount < least, c.given > 0 && o.amount != c.given:
		return a, "another amount is left to refund"
	}
	d.refunded += o.amount
	return a.brought(o.amount, c).noted(d, 0), ""
}

func unless(holds bool, why string) string {
	if holds {
		return ""
	}
	return why
}

// unexplained says why an order of a history's operations doesn't explain it;
// "" is that it does.
func unexplained(history []porcupine.Operation, order []int) (why string) {
	placed, begun := make([]bool, len(history)), int64(0)
	state := accountModel.Init()
	for _, id := range order {
		op := history[id]
		text := accountModel.DescribeOperation(op.Input, op.Output)
		switch {
		case placed[id]:
			return text + " comes twice"
		case op.Return < begun:
			return text + " had ended when one before it began"
		}
		ok, after := accountModel.Step(state, op.Input, op.Output)
		if !ok {
			return fmt.Sprintf("%s, where there is %s", text, accountModel.DescribeState(state))
		}
		placed[id], begun, state = true, max(begun, op.Call), after
	}
	return unless(len(order) == len(history), fmt.Sprintf("%d of %d operations aren't in it", len(history)-len(order), len(history)))
}

// explain looks for an order that explains a history within a time. What
// overlaps very many others makes this exponential though there is an order:
// such as what a transfer brings, while a killed processor's open transaction
// keeps it from being read.
func explain(history []porcupine.Operation, within time.Duration) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(accountModel, history, within)
}

// stuck tells how far an order goes that explains as much of a history as any,
// and why each operation that could come next can't.
func stuck(history []porcupine.Operation, within time.Duration) string {
	_, info := porcupine.CheckOperationsVerbose(accountModel, history, within)
	var longest []int
	for _, ids := range info.PartialLinearizations()[0] {
		if len(ids) > len(longest) {
			longest = ids
		}
	}
	a, placed, text := &account{}, map[int]bool{}, ""
	for _, id := range longest {
		op := history[id]
		placed[id] = true
		if o, ok := op.Output.(answered); ok {
			a, _ = a.step(op.Input.(*called), o)
		}
		text += fmt.Sprintf("%d..%d %s; then %+v\n", op.Call, op.Return, accountModel.DescribeOperation(op.Input, op.Output), a.read())
	}
	next := int64(math.MaxInt64)
	for id, op := range history {
		if !placed[id] {
			next = min(next, op.Return)
		}
	}
	text += "No operation can come next:\n"
	for id, op := range history {
		if o, ok := op.Output.(answered); ok && !placed[id] && op.Call <= next {
			_, why := a.step(op.Input.(*called), o)
			text += fmt.Sprintf("%d..%d %s: %s\n", op.Call, op.Return, accountModel.DescribeOperation(op.Input, op.Output), why)
		}
	}
	return text
}

// operation is one of a history. A client of porcupine's is one call here.
func operation(n int, c *called, o answered) porcupine.Operation {
	return porcupine.Operation{ClientId: n, Input: c, Output: o, Call: c.begun, Return: c.ended}
}

// readAfter is a read of what is left after a history.
func readAfter(history []porcupine.Operation, r read) porcupine.Operation {
	last := int64(0)
	for _, o := range history {
		last = max(last, o.Return)
	}
	return porcupine.Operation{ClientId: len(history), Input: &called{}, Output: r, Call: last + 1, Return: last + 2}
}
