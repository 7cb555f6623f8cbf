package ledger_test

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
)

// step is one thing done to an account.
type step struct {
	before, after *ledger.Account
	// op is nil for a due item, which stood at due.
	op     *event.Placed
	due    event.Place
	result *event.Result
	// scale is the unit of the history's amounts.
	scale event.Amount
}

func (s *step) String() string {
	if s.op == nil {
		return fmt.Sprintf("%s/%s at %d", s.due.Due.Kind(), s.due.ID, s.due.Time)
	}
	return fmt.Sprintf("%s %q at %d", s.op.Kind, s.op.ID, s.op.Time)
}

func (s *step) kind() event.Kind {
	if s.op == nil {
		return s.due.Due.Kind()
	}
	return s.op.Kind
}

func (s *step) at() event.Time {
	if s.op == nil {
		return s.due.Time
	}
	return s.op.Time
}

// history makes up a history of one account and steps through it, due items
// where they belong, those behind the last event too.
func history(t *rapid.T, visit func(s *step)) {
	ops, scale := planned(t)
	run(&ledger.Account{}, ops, func(s *step) {
		s.scale = scale
		visit(s)
	})
}

func run(a *ledger.Account, ops []event.Placed, visit func(s *step)) {
	do := func(s step, perform func(*event.Result)) {
		s.before = clone(a)
		s.result = &event.Result{Amount: event.NoAmount}
		perform(s.result)
		s.after = a
		visit(&s)
	}
	dueBefore := func(p event.Place) {
		for at, ok := a.NextDue(); ok && at.Before(p); at, ok = a.NextDue() {
			at.ID = strings.Clone(at.ID)
			do(step{due: at}, a.Due)
		}
	}
	for i := range ops {
		op := ops[i]
		dueBefore(op.Place())
		do(step{op: &op}, func(r *event.Result) { a.Apply(&op, r) })
	}
	dueBefore(event.EndOf(event.MaxTime))
}

func clone(a *ledger.Account) *ledger.Account {
	c := &ledger.Account{}
	c.CopyFrom(a)
	return c
}

func remaining(grants []ledger.Grant) (total int64) {
	for _, g := range grants {
		total += int64(g.Remaining)
	}
	return total
}

func held(a *ledger.Account) (total int64) {
	for _, h := range a.Holds() {
		total += remaining(h.Pieces)
	}
	return total
}

func sum(slices []event.Slice) (total int64) {
	for _, s := range slices {
		total += int64(s.Amount)
	}
	return total
}

// I1: what is available is the sum of what remains of the usable grants; what
// is owed is the sum of the debts, and what is held that of the holds.
func TestI1AvailableIsTheSumOfUsableGrants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(s *step) {
			var owed int64
			for _, d := range s.after.Debts() {
				owed += int64(d.Amount)
			}
			usable := remaining(s.after.Usable())
			want := event.Balances{Balance: usable - owed, Held: held(s.after), Debt: owed}
			if s.after.Balances() != want || s.after.Available() != usable || s.after.Owed() != owed {
				t.Fatalf("I1: after %v the parts add up to %+v, but %+v is said", s, want, s.after.Balances())
			}
			if s.result.After != want {
				t.Fatalf("I1: %v says %+v after it, but %+v is there", s, s.result.After, want)
			}
			for _, h := range s.after.Holds() {
				if h.Left <= 0 || remaining(h.Pieces) > int64(h.Left) {
					t.Fatalf("I1: after %v %+v has more set aside than may be captured", s, h)
				}
			}
		})
	})
}

// I2: no usable grant is empty; they stand in the order they are drawn.
func TestI2UsableGrantsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(s *step) {
			usable := s.after.Usable()
			for i, g := range usable {
				if g.Remaining <= 0 {
					t.Fatalf("I2: after %v nothing remains of %+v", s, g)
				}
				if i > 0 && !drawnBefore(*usable[i-1].Terms, *g.Terms) {
					t.Fatalf("I2: after %v %+v is drawn before %+v", s, usable[i-1], g)
				}
			}
			for i, g := range s.after.Future() {
				if i > 0 && s.after.Future()[i-1].EffectiveAt > g.EffectiveAt {
					t.Fatalf("I2: after %v %+v activates behind %+v", s, g, s.after.Future()[i-1])
				}
			}
		})
	})
}

// drawnBefore is the contract's order, written out.
func drawnBefore(g, h ledger.Terms) bool {
	if g.Priority != h.Priority {
		return g.Priority < h.Priority
	}
	if g.ExpiresAt != h.ExpiresAt {
		return h.ExpiresAt == event.NoTime || g.ExpiresAt != event.NoTime && g.ExpiresAt < h.ExpiresAt
	}
	if g.EffectiveAt != h.EffectiveAt {
		return g.EffectiveAt < h.EffectiveAt
	}
	return g.ID < h.ID
}

// I3: while anything is owed nothing is available.
func TestI3NothingAvailableWhileOwing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(s *step) {
			if b := s.after.Balances(); b.Debt < 0 || b.Debt > 0 && len(s.after.Usable()) > 0 {
				t.Fatalf("I3: after %v %+v is owed with %v usable", s, b, s.after.Usable())
			}
		})
	})
}

// books are what results say about an account's credits, kept in wide sums.
type books struct {
	credited, consumed, expired, revoked, sent big.Int
	// gone are revoked grants, transfers the ids of those applied.
	gone, transfers map[string]bool
}

func add(to *big.Int, amount int64) { to.Add(to, big.NewInt(amount)) }

func (b *books) note(s *step) {
	r := s.result
	for _, p := range r.Repaid {
		if b.transfers[p.EventID] {
			add(&b.sent, int64(p.Amount))
		} else {
			add(&b.consumed, int64(p.Amount))
		}
	}
	if r.Outcome != event.Applied && r.Outcome != event.Accepted {
		return
	}
	amount := sum(r.Slices)
	switch s.kind() {
	case event.Grant, event.Add:
		if s.op.UsableFrom() <= s.op.Time {
			b.credit(s)
		}
	case event.Activated, event.Received:
		b.credit(s)
	case event.Subtract, event.Spend, event.Capture:
		add(&b.consumed, amount)
	case event.Transfer:
		b.transfers[s.op.ID] = true
		add(&b.sent, amount)
	case event.Refund:
		add(&b.consumed, -amount)
		b.goBack(s)
	case event.Release, event.HoldExpired:
		b.goBack(s)
	case event.Revoke:
		b.gone[s.op.Ref()] = true
		add(&b.revoked, amount)
	case event.Expired:
		add(&b.expired, amount)
	}
}

func (b *books) credit(s *step) {
	for _, slice := range s.result.Slices {
		add(&b.credited, int64(slice.Amount))
		if b.gone[slice.GrantID] {
			add(&b.revoked, int64(slice.Amount))
		}
	}
}

func (b *books) goBack(s *step) {
	for _, slice := range s.result.Slices {
		switch {
		case b.gone[slice.GrantID]:
			add(&b.revoked, int64(slice.Amount))
		case slice.ExpiresAt != event.NoTime && slice.ExpiresAt <= s.at():
			add(&b.expired, int64(slice.Amount))
		}
	}
}

// I4: credits are conserved by every step. What was credited, consumed, sent,
// expired and revoked is taken from results alone, what is available and held
// from the state alone.
func TestI4CreditsAreConserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := books{gone: map[string]bool{}, transfers: map[string]bool{}}
		history(t, func(s *step) {
			b.note(s)
			var all big.Int
			for _, part := range []*big.Int{
				big.NewInt(remaining(s.after.Usable())), big.NewInt(held(s.after)), &b.consumed, &b.expired, &b.revoked, &b.sent,
			} {
				if part.Sign() < 0 {
					t.Fatalf("I4: after %v a part of the credits is %v", s, part)
				}
				all.Add(&all, part)
			}
			if all.Cmp(&b.credited) != 0 {
				t.Fatalf("I4: after %v %v are credited, but available + held + consumed + expired + revoked + sent is %v", s, &b.credited, &all)
			}
		})
	})
}

// Every amount is accounted for by its slices, shortfall and what it undid.
func TestAmountsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(s *step) {
			r, want := s.result, sum(s.result.Slices)
			switch kind := s.kind(); {
			case r.Outcome != event.Applied && r.Outcome != event.Accepted:
				return
			case kind == event.Refund:
				want += r.Undone
			case kind == event.Release && want <= int64(r.Amount):
				return // what the replay left the hold short of isn't there
			default:
				want += r.Shortfall
			}
			if int64(r.Amount) != want {
				t.Fatalf("%v has amount %d, but %+v", s, r.Amount, r)
			}
		})
	})
}

// I5: every due item that NextDue names changes the account, and none is left
// out: nothing usable has expired, nothing future is usable, no hold that has
// anything is over.
func TestI5DueItemsChangeTheAccount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(s *step) {
			if s.op == nil && (s.before.Equal(s.after) || s.result.Outcome != event.Applied || s.result.Amount <= 0) {
				t.Fatalf("I5: %v changes nothing: %+v", s, s.result)
			}
			at, ok := s.after.NextDue()
			if ok != (s.after.DueTime() <= event.MaxTime) || ok && at.Time != s.after.DueTime() {
				t.Fatalf("I5: after %v %v is due next, at %d", s, at, s.after.DueTime())
			}
			if ok && at.Time < s.at() {
				t.Fatalf("I5: after %v %v is due, which is over", s, at)
			}
			next := event.Place{Time: 1<<63 - 1}
			consider := func(at event.Time, due event.Due, id string) {
				if p := (event.Place{Time: at, Due: due, ID: id}); at != event.NoTime && p.Before(next) {
					next = p
				}
			}
			for _, h := range s.after.Holds() {
				if len(h.Pieces) > 0 {
					consider(h.ExpiresAt, event.DueHold, h.ID)
				}
			}
			for _, g := range s.after.Usable() {
				consider(g.ExpiresAt, event.DueExpiry, g.ID)
			}
			for _, g := range s.after.Future() {
				consider(g.EffectiveAt, event.DueActivation, g.ID)
			}
			if ok && at != next || !ok && next.Time != 1<<63-1 {
				t.Fatalf("I5: after %v %v is due next, not %v", s, next, at)
			}
		})
	})
}

// I6: a copy and its original share nothing that either changes: neither what
// happens to the original later nor what happens to a copy shows in another,
// also where a copy takes the memory of one before.
func TestI6CopiesAreIndependent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ops, scale := planned(t)
		var copies []*ledger.Account
		var texts []string
		var rest []int // the first operation behind each copy
		var a ledger.Account
		run(&a, ops, func(s *step) {
			copies = append(copies, clone(s.after))
			texts = append(texts, string(s.after.AppendTo(nil)))
			n := 0
			if len(rest) > 0 {
				n = rest[len(rest)-1]
			}
			if s.op != nil {
				n++
			}
			rest = append(rest, n)
		})
		unchanged := func(but int, cause string) {
			for i, c := range copies {
				if got := string(c.AppendTo(nil)); i != but && got != texts[i] {
					t.Fatalf("I6: %s, and the copy after step %d changed: it was %q, it is %q", cause, i, texts[i], got)
				}
			}
		}
		unchanged(-1, "the original went on")
		if len(copies) == 0 {
			return
		}
		i := rapid.IntRange(0, len(copies)-1).Draw(t, "original")
		memory := rapid.IntRange(0, len(copies)-1).Draw(t, "memory")
		c := copies[memory]
		c.CopyFrom(copies[i])
		if !c.Equal(copies[i]) || c.DueTime() != copies[i].DueTime() {
			t.Fatalf("I6: a copy isn't equal to its original")
		}
		again := clone(c)
		if i != memory {
			run(c, ops[rest[i]:], func(*step) {})
			unchanged(memory, "a copy went on")
			if got, want := string(c.AppendTo(nil)), string(a.AppendTo(nil)); got != want {
				t.Fatalf("I6: a copy ends in %q, not %q", got, want)
			}
		}
		// Something else happens to the next: a late debit and a late grant.
		run(again, otherwise(t, again, ops[rest[i]:], scale), func(*step) {})
		unchanged(memory, "a copy went another way")
	})
}

// I6: what is drawn, missed and repaid after a copy was taken doesn't show in
// the copy's lists, however many they hold: captures of another size, by other
// events, and repaid by other grants.
func TestI6ListsOfDrawsAreIndependent(t *testing.T) {
	var a ledger.Account
	apply := func(to *ledger.Account, kind event.Kind, id string, amount event.Amount) {
		op := event.Placed{Kind: kind, ID: id, Amount: amount, Marks: event.DebtMark}
		if kind.IsConditional() {
			op.Outcome = event.Accepted
		}
		if kind == event.Hold {
			op.Marks |= event.RefundedMark
		} else {
			refer(&op, "h")
		}
		to.Apply(&op, &event.Result{})
	}
	row := func(of *ledger.Account) string { return string(of.AppendTo(nil)) }
	apply(&a, event.Add, "g", 40)
	apply(&a, event.Hold, "h", 1000)
	for _, kind := range []event.Kind{event.Capture, event.Add} {
		for n := range 60 {
			c := clone(&a)
			apply(c, kind, fmt.Sprintf("other%d", n), 2)
			want := row(c)
			apply(&a, kind, fmt.Sprintf("e%d", n), 1)
			if got := row(c); got != want {
				t.Fatalf("I6: %s number %d shows in a copy: it was %q, it is %q", kind, n, want, got)
			}
		}
	}
}

// otherwise puts two facts in front of operations.
func otherwise(t *rapid.T, a *ledger.Account, ops []event.Placed, scale event.Amount) []event.Placed {
	at := event.Time(100)
	if len(ops) > 0 {
		at = ops[0].Time
	}
	at = min(at, a.DueTime())
	facts := []event.Placed{
		{ID: "x1", Kind: event.Subtract, Amount: scale * event.Amount(rapid.IntRange(1, 20).Draw(t, "less")), Marks: event.DebtMark},
		{ID: "x2", Kind: event.Add, Amount: scale * event.Amount(rapid.IntRange(1, 20).Draw(t, "more"))},
	}
	for i := range facts {
		op := &facts[i]
		op.Time, op.Sequence = at, -100
	}
	return append(facts, ops...)
}

// I7: as decisions say what is left, an accepted capture or release finds its
// hold with its amount, an accepted refund what it gives back.
func TestI7AcceptedOperationsFindWhatTheyName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(s *step) {
			if s.op == nil || s.result.Outcome != event.Accepted {
				return
			}
			switch s.op.Kind {
			case event.Capture, event.Release:
				i := slices.IndexFunc(s.before.Holds(), func(h ledger.Hold) bool { return h.ID == s.op.Ref() })
				if i < 0 || s.before.Holds()[i].Left < s.op.Amount {
					t.Fatalf("I7: %v of %d finds %+v", s, s.op.Amount, s.before.Holds())
				}
			case event.Refund:
				if s.result.Undone+sum(s.result.Slices) != int64(s.op.Amount) {
					t.Fatalf("I7: %v of %d gives back %+v", s, s.op.Amount, s.result)
				}
			}
		})
	})
}

// I7: what no decision allows is a bug, and said so at once.
func TestI7BreachPanics(t *testing.T) {
	hold := event.Placed{Kind: event.Hold, ID: "h", Amount: 5, Outcome: event.Accepted}
	spend := event.Placed{Kind: event.Spend, ID: "s", Amount: 5, Outcome: event.Accepted}
	refunded := spend
	refunded.Marks = event.RefundedMark
	child := func(kind event.Kind, ref string, amount event.Amount) event.Placed {
		op := event.Placed{Kind: kind, ID: "c", Amount: amount, Outcome: event.Accepted}
		refer(&op, ref)
		return op
	}
	for _, c := range []struct {
		name string
		ops  []event.Placed
	}{
		{"capture of nothing", []event.Placed{child(event.Capture, "h", 1)}},
		{"capture of more than is left", []event.Placed{hold, child(event.Capture, "h", 6)}},
		{"capture of a hold captured", []event.Placed{hold, child(event.Capture, "h", 5), child(event.Capture, "h", 1)}},
		{"release of nothing", []event.Placed{child(event.Release, "h", 1)}},
		{"release of more than is left", []event.Placed{hold, child(event.Capture, "h", 2), child(event.Release, "h", 4)}},
		{"refund of nothing", []event.Placed{child(event.Refund, "s", 1)}},
		{"refund of what wasn't remembered", []event.Placed{spend, child(event.Refund, "s", 1)}},
		{"refund of more than was taken", []event.Placed{refunded, child(event.Refund, "s", 6)}},
		{"refund of what was refunded", []event.Placed{refunded, child(event.Refund, "s", 5), child(event.Refund, "s", 1)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.Contains(said, "I7") {
					t.Errorf("it goes on: %s", said)
				}
			}()
			var a ledger.Account
			a.Apply(&event.Placed{Kind: event.Add, ID: "g", Amount: 3}, &event.Result{})
			for i := range c.ops {
				a.Apply(&c.ops[i], &event.Result{})
			}
		})
	}
}

// Equal states have equal rows, and unequal ones don't: nothing that a row
// keeps is left out of the comparison.
func TestEqualIsThatOfRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var states []*ledger.Account
		history(t, func(s *step) { states = append(states, s.before, clone(s.after)) })
		for i, a := range states {
			for _, b := range states[max(0, i-4):i] {
				if same := slices.Equal(a.AppendTo(nil), b.AppendTo(nil)); same != a.Equal(b) || same != b.Equal(a) {
					t.Fatalf("rows %q and %q, but Equal is %v", a.AppendTo(nil), b.AppendTo(nil), a.Equal(b))
				}
			}
		}
	})
}

// What was rejected, and a revoke that knows no grant, change nothing and say
// so.
func TestRefusedChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(s *step) {
			var want event.Result
			switch {
			case s.op == nil:
				return
			case s.op.Outcome == event.Rejected:
				want = event.Result{Outcome: event.Rejected, Code: s.op.Code, Amount: s.op.Amount}
			case s.op.Kind == event.Revoke && !s.op.Marks.Has(event.KnownMark):
				want = event.Result{Outcome: event.Ignored, Code: event.UnknownReference}
			default:
				outcome := event.Applied
				if s.op.Kind.IsConditional() {
					outcome = event.Accepted
				}
				if s.result.Outcome != outcome || s.result.Code != event.NoCode {
					t.Fatalf("%v is %s (%s)", s, s.result.Outcome, s.result.Code)
				}
				return
			}
			if !s.result.Same(&want) || s.before.Balances() != s.after.Balances() || !slices.EqualFunc(s.before.Usable(), s.after.Usable(), ledger.Grant.Equal) {
				t.Fatalf("%v is %+v, not %+v", s, s.result, want)
			}
		})
	})
}
