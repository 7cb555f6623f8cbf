package ledger_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
	"highwater/pkg/oracle"
	"highwater/pkg/oracle/gen"
)

// The scripts under testdata/scripts drive one account. Their commands:
//
//	new                      begins with an empty account
//	apply [debt] [forfeit]   applies the events below (see package gen for
//	                         their lines), each after the due items before it,
//	                         and prints what each did; revokes know the grants
//	                         of the script so far, and any that the system makes
//	due <seconds>            performs the due items up to and including a time
//	state                    prints grants, holds and debts
//
// Conditional operations are accepted, with the amount decided. A spend or
// hold that a later line refunds says "refunded"; what a transfer brings is
//
//	received t1 from=bob at=5 brings=<amount>[@<expires>][/<priority>],...
//
//nolint:thelper // the functions are the tests themselves, not helpers of one
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		s := script{grants: map[string]bool{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.out.Reset()
			switch d.Cmd {
			case "new":
				s = script{grants: map[string]bool{}}
			case "apply":
				for line := range strings.Lines(d.Input) {
					op, err := s.parse(strings.Fields(line))
					if err != nil {
						d.Fatalf(t, "%s: %v", line, err)
					}
					mark(op, event.DebtMark, d.HasArg("debt"))
					mark(op, event.ForfeitMark, d.HasArg("forfeit"))
					s.apply(op)
				}
			case "due":
				var seconds int64
				if _, err := fmt.Sscan(d.CmdArgs[0].Key, &seconds); err != nil {
					d.Fatalf(t, "%v", err)
				}
				s.due(event.EndOf(event.Time(seconds * 1_000_000)))
			case "state":
				s.state()
			default:
				d.Fatalf(t, "%q is not a command", d.Cmd)
			}
			return s.out.String()
		})
	})
}

type script struct {
	account ledger.Account
	grants  map[string]bool
	out     strings.Builder
}

func mark(op *event.Placed, m event.Marks, on bool) {
	if on {
		op.Marks |= m
	}
}

func (s *script) parse(words []string) (*event.Placed, error) {
	if words[0] == event.Received.String() {
		return parseReceived(words)
	}
	refunded := slices.Index(words, "refunded")
	if refunded >= 0 {
		words = slices.Delete(words, refunded, refunded+1)
	}
	arrival, err := gen.ParseArrival(words)
	if err != nil {
		return nil, err
	}
	e := &arrival.Event
	op := event.Placed{
		ID: e.ID, Time: e.EffectiveTime(), Sequence: e.Sequence, Amount: e.Amount, Kind: e.Kind,
	}.With(event.Details{
		Ref: e.Ref, To: e.To, OccurredAt: e.OccurredAt, EffectiveAt: e.EffectiveAt, ExpiresAt: e.ExpiresAt, Priority: e.Priority,
	})
	mark(&op, event.RefundedMark, refunded >= 0)
	if op.Kind.IsConditional() {
		op.Outcome = event.Accepted
	}
	if op.Kind == event.Grant || op.Kind == event.Add {
		s.grants[op.GrantID()] = true
	}
	mark(&op, event.KnownMark, op.Kind == event.Revoke && (s.grants[op.Ref()] || strings.Contains(op.Ref(), "/")))
	return &op, nil
}

// parseReceived reads what a transfer brings: the line of an add that names
// its sender and its grants instead of an amount.
func parseReceived(words []string) (*event.Placed, error) {
	op := event.Placed{Kind: event.Received, ID: words[1]}
	d := event.Details{EffectiveAt: event.NoTime, ExpiresAt: event.NoTime, Incoming: &event.Incoming{}}
	for _, w := range words[2:] {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "from":
			d.From = value
		case "at":
			seconds, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return nil, err
			}
			op.Time = event.Time(seconds * 1_000_000)
			d.OccurredAt = op.Time
		case "brings":
			for text := range strings.SplitSeq(value, ",") {
				in, err := parseRemitted(text)
				if err != nil {
					return nil, err
				}
				op.Amount += in.Amount
				d.Incoming.Grants = append(d.Incoming.Grants, in)
			}
		default:
			return nil, fmt.Errorf("%q is nothing that a transfer brings", w)
		}
	}
	op = op.With(d)
	return &op, nil
}

func parseRemitted(text string) (in event.RemittedGrant, err error) {
	text, priority, ranked := strings.Cut(text, "/")
	amount, expires, ends := strings.Cut(text, "@")
	in.ExpiresAt = event.NoTime
	if _, err = fmt.Sscan(amount, &in.Amount); err == nil && ranked {
		_, err = fmt.Sscan(priority, &in.Priority)
	}
	if err == nil && ends {
		_, err = fmt.Sscan(expires, &in.ExpiresAt)
		in.ExpiresAt *= 1_000_000
	}
	return in, err
}

func (s *script) apply(op *event.Placed) {
	s.due(op.Place())
	r := event.Result{Amount: event.NoAmount}
	s.account.Apply(op, &r)
	s.print(op.Time, op.Kind.String()+" "+op.ID, &r)
}

func (s *script) due(before event.Place) {
	for at, ok := s.account.NextDue(); ok && at.Before(before); at, ok = s.account.NextDue() {
		r := event.Result{Amount: event.NoAmount}
		name := at.Due.Kind().String() + "/" + at.ID
		s.account.Due(&r)
		s.print(at.Time, name, &r)
	}
}

func (s *script) print(at event.Time, name string, r *event.Result) {
	fmt.Fprintf(&s.out, "@%s %s %s -> %d", oracle.TimeText(at), name, oracle.ResultText(r), r.After.Balance)
	if r.After.Held != 0 {
		fmt.Fprintf(&s.out, " held %d", r.After.Held)
	}
	if r.After.Debt != 0 {
		fmt.Fprintf(&s.out, " debt %d", r.After.Debt)
	}
	s.out.WriteString("\n")
}

func (s *script) state() {
	for _, g := range s.account.Usable() {
		fmt.Fprintf(&s.out, "usable %s=%d until %s", g.ID, g.Remaining, oracle.TimeText(g.ExpiresAt))
		if g.Origin != "" {
			fmt.Fprintf(&s.out, " origin %s", g.Origin)
		}
		s.out.WriteString("\n")
	}
	for _, g := range s.account.Future() {
		fmt.Fprintf(&s.out, "future %s=%d from %s\n", g.ID, g.Remaining, oracle.TimeText(g.EffectiveAt))
	}
	for _, h := range s.account.Holds() {
		fmt.Fprintf(&s.out, "held %s left %d until %s", h.ID, h.Left, oracle.TimeText(h.ExpiresAt))
		for _, g := range h.Pieces {
			fmt.Fprintf(&s.out, " [%s=%d]", g.ID, g.Remaining)
		}
		s.out.WriteString("\n")
	}
	for _, debt := range s.account.Debts() {
		fmt.Fprintf(&s.out, "%s owes %d\n", debt.EventID, debt.Amount)
	}
	if at, ok := s.account.NextDue(); ok {
		fmt.Fprintf(&s.out, "next %s/%s at %s\n", at.Due.Kind(), at.ID, oracle.TimeText(at.Time))
	}
}
