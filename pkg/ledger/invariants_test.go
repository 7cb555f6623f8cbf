package ledger_test

import (
	"fmt"
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
}

func (s *step) String() string {
	if s.op == nil {
		return fmt.Sprintf("%s/%s at %d", s.due.Due.Kind(), s.due.ID, s.due.Time)
	}
	return fmt.Sprintf("%s %q at %d", s.op.Kind, s.op.ID, s.op.Time)
}

// history makes up a history of one account and steps through it, due items
// where they belong. It gives the account at its end.
func history(t *rapid.T, visit func(s *step)) *ledger.Account {
	a := &ledger.Account{}
	do := func(s step, perform func(*event.Result)) {
		s.before = clone(a)
		s.result = &event.Result{Amount: event.NoAmount}
		perform(s.result)
		s.after = a
		visit(&s)
	}
	now, grants := event.Time(10), []string{"unknown"}
	for n := range rapid.IntRange(1, 40).Draw(t, "events") {
		now += event.Time(rapid.SampledFrom([]int{0, 1, 1, 3}).Draw(t, "pause"))
		op := makeOp(t, now, n, grants)
		if (op.Kind == event.Grant || op.Kind == event.Add) && op.Outcome != event.Rejected {
			grants = append(grants, op.GrantID())
		}
		for at, ok := a.NextDue(); ok && at.Before(op.Place()); at, ok = a.NextDue() {
			at.ID = strings.Clone(at.ID)
			do(step{due: at}, a.Due)
		}
		do(step{op: op}, func(r *event.Result) { a.Apply(op, r) })
	}
	return a
}

// makeOp makes up the event that comes at now.
func makeOp(t *rapid.T, now event.Time, n int, grants []string) *event.Placed {
	op := &event.Placed{
		ID: fmt.Sprintf("e%02d", n), Time: now, OccurredAt: now, EffectiveAt: event.NoTime, ExpiresAt: event.NoTime,
		Kind:   rapid.SampledFrom([]event.Kind{event.Grant, event.Grant, event.Add, event.Subtract, event.Subtract, event.Revoke}).Draw(t, "kind"),
		Amount: event.Amount(rapid.IntRange(1, 9).Draw(t, "amount")),
	}
	if rapid.Bool().Draw(t, "debt") {
		op.Marks |= event.DebtMark
	}
	switch op.Kind {
	case event.Grant:
		op.Ref = fmt.Sprintf("g%02d", rapid.IntRange(0, 99).Draw(t, "first")*100+n)
		op.Priority = int32(rapid.IntRange(0, 2).Draw(t, "priority"))
		switch rapid.IntRange(0, 3).Draw(t, "effective") {
		case 1: // in the future
			op.EffectiveAt = now + event.Time(rapid.IntRange(1, 5).Draw(t, "later"))
		case 2: // backdated
			op.EffectiveAt, op.OccurredAt = now, now+7
		}
	case event.Revoke:
		op.Amount = event.NoAmount
		op.Ref = rapid.SampledFrom(grants).Draw(t, "grant")
		if op.Ref != "unknown" {
			op.Marks |= event.KnownMark
		} else if rapid.Bool().Draw(t, "still to come") {
			op.Ref, op.Marks = fmt.Sprintf("e%02d", n+1), op.Marks|event.KnownMark
		}
	}
	if op.Kind == event.Grant || op.Kind == event.Add {
		if rapid.Bool().Draw(t, "expires") {
			op.ExpiresAt = op.UsableFrom() + event.Time(rapid.IntRange(1, 6).Draw(t, "lifetime"))
		}
		if rapid.IntRange(0, 9).Draw(t, "rejected") == 0 {
			op.Outcome, op.Code = event.Rejected, event.GrantExists
		}
	}
	return op
}

func clone(a *ledger.Account) *ledger.Account {
	c := &ledger.Account{}
	c.CopyFrom(a)
	return c
}

func available(a *ledger.Account) int64 { return a.Balances().Balance + a.Balances().Debt }

func sum(slices []event.Slice) (total int64) {
	for _, s := range slices {
		total += int64(s.Amount)
	}
	return total
}

func repaid(r *event.Result) (total int64) {
	for _, p := range r.Repaid {
		total += int64(p.Amount)
	}
	return total
}

// I1: what is available is the sum of what remains of the usable grants; and
// what is owed is the sum of the debts.
func TestI1AvailableIsTheSumOfUsableGrants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(s *step) {
			var remaining, owed int64
			for _, g := range s.after.Usable() {
				remaining += int64(g.Remaining)
			}
			for _, d := range s.after.Debts() {
				owed += int64(d.Amount)
			}
			if remaining != available(s.after) || owed != s.after.Balances().Debt {
				t.Fatalf("I1: after %v grants have %d and debts %d, but %+v is said", s, remaining, owed, s.after.Balances())
			}
			if s.result.After != s.after.Balances() {
				t.Fatalf("I1: %v says %+v after it, but %+v is there", s, s.result.After, s.after.Balances())
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
				if i > 0 && !drawnBefore(usable[i-1], g) {
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
func drawnBefore(g, h ledger.Grant) bool {
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

// I4: credits are conserved by every step: what it credited is what became
// available, was consumed, expired or was revoked.
func TestI4CreditsAreConserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(s *step) {
			var credited, consumed, expired, revoked, owed int64
			switch kind := kindOf(s); {
			case s.result.Outcome != event.Applied:
			case kind == event.Activated, (kind == event.Grant || kind == event.Add) && s.op.UsableFrom() <= s.op.Time:
				credited, consumed, owed = sum(s.result.Slices), repaid(s.result), -repaid(s.result)
				if available(s.before) == available(s.after) && consumed == 0 {
					revoked = credited // born revoked
				}
			case kind == event.Subtract:
				consumed = sum(s.result.Slices)
				if int64(s.op.Amount) != consumed+s.result.Shortfall {
					t.Fatalf("I4: %v draws %d and misses %d", s, consumed, s.result.Shortfall)
				}
				if s.op.Marks.Has(event.DebtMark) {
					owed = s.result.Shortfall
				}
			case kind == event.Revoke:
				revoked = int64(s.result.Amount)
			case kind == event.Expired:
				expired = int64(s.result.Amount)
			}
			if more := available(s.after) - available(s.before); credited != more+consumed+expired+revoked {
				t.Fatalf("I4: %v credits %d, of which %d are available, %d consumed, %d expired and %d revoked", s, credited, more, consumed, expired, revoked)
			}
			if more := s.after.Balances().Debt - s.before.Balances().Debt; more != owed {
				t.Fatalf("I4: %v adds %d to what is owed, not %d", s, more, owed)
			}
		})
	})
}

func kindOf(s *step) event.Kind {
	if s.op == nil {
		return s.due.Due.Kind()
	}
	return s.op.Kind
}

// I5: every due item that NextDue names changes the account, and none is left
// out: nothing usable has expired, nothing future is usable.
func TestI5DueItemsChangeTheAccount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(s *step) {
			if s.op == nil && (s.before.Equal(s.after) || s.result.Outcome != event.Applied) {
				t.Fatalf("I5: %v changes nothing", s)
			}
			at, ok := s.after.NextDue()
			if ok != (s.after.DueTime() <= event.MaxTime) || ok && at.Time != s.after.DueTime() {
				t.Fatalf("I5: after %v %v is due next, at %d", s, at, s.after.DueTime())
			}
			next := event.Place{Time: 1<<63 - 1}
			for _, g := range s.after.Usable() {
				if p := (event.Place{Time: g.ExpiresAt, Due: event.DueExpiry, ID: g.ID}); g.ExpiresAt != event.NoTime && p.Before(next) {
					next = p
				}
			}
			for _, g := range s.after.Future() {
				if p := (event.Place{Time: g.EffectiveAt, Due: event.DueActivation, ID: g.ID}); p.Before(next) {
					next = p
				}
			}
			if ok && at != next || !ok && next.Time != 1<<63-1 {
				t.Fatalf("I5: after %v %v is due next, not %v", s, next, at)
			}
		})
	})
}

// I6: a copy and its original share nothing that either changes.
func TestI6CopiesAreIndependent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var copies []*ledger.Account
		var texts []string
		history(t, func(s *step) {
			copies = append(copies, clone(s.after))
			texts = append(texts, string(s.after.AppendTo(nil)))
		})
		for i, c := range copies {
			if got := string(c.AppendTo(nil)); got != texts[i] {
				t.Fatalf("I6: the copy after step %d changed with its original: it was %q, it is %q", i, texts[i], got)
			}
		}
		// Nor do changes of a copy reach the original, also into memory that
		// the copy had before.
		i := rapid.IntRange(0, len(copies)-1).Draw(t, "original")
		original := copies[i]
		c := copies[rapid.IntRange(0, len(copies)-1).Draw(t, "memory")]
		if c == original {
			c = &ledger.Account{}
		}
		c.CopyFrom(original)
		if !c.Equal(original) || c.DueTime() != original.DueTime() {
			t.Fatalf("I6: a copy isn't equal to its original")
		}
		for n := range rapid.IntRange(1, 10).Draw(t, "changes") {
			var r event.Result
			if _, ok := c.NextDue(); ok && rapid.Bool().Draw(t, "due") {
				c.Due(&r)
				continue
			}
			// Later than everything that may be due.
			op := makeOp(t, 1000+event.Time(100*n), 50+n, []string{"e01", "e02"})
			for c.DueTime() <= op.Time {
				c.Due(&r)
			}
			c.Apply(op, &event.Result{})
		}
		if got := string(original.AppendTo(nil)); got != texts[i] {
			t.Fatalf("I6: changes of a copy reached its original: it was %q, it is %q", texts[i], got)
		}
	})
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
				if s.result.Outcome != event.Applied || s.result.Code != event.NoCode {
					t.Fatalf("%v is %s (%s)", s, s.result.Outcome, s.result.Code)
				}
				return
			}
			if !s.result.Same(&want) || !s.before.Equal(s.after) {
				t.Fatalf("%v is %+v, not %+v; the account changed: %v", s, s.result, want, !s.before.Equal(s.after))
			}
		})
	})
}
