package ledger_test

import (
	"fmt"
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
//	new             begins with an empty account
//	apply [debt]    applies the events below (see package gen for their lines),
//	                each after the due items before it, and prints what each
//	                did; revokes know the grants of the script so far
//	due <seconds>   performs the due items up to and including a time
//	state           prints grants and debts
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
					op, err := s.parse(line, d.HasArg("debt"))
					if err != nil {
						d.Fatalf(t, "%s: %v", line, err)
					}
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

func (s *script) parse(line string, debt bool) (*event.Placed, error) {
	arrival, err := gen.ParseArrival(strings.Fields(line))
	if err != nil {
		return nil, err
	}
	e := &arrival.Event
	op := &event.Placed{
		ID: e.ID, Ref: e.Ref, Time: e.EffectiveTime(), OccurredAt: e.OccurredAt, EffectiveAt: e.EffectiveAt,
		ExpiresAt: e.ExpiresAt, Sequence: e.Sequence, Amount: e.Amount, Priority: e.Priority, Kind: e.Kind,
	}
	if debt {
		op.Marks |= event.DebtMark
	}
	if op.Kind == event.Grant || op.Kind == event.Add {
		s.grants[op.GrantID()] = true
	}
	if op.Kind == event.Revoke && s.grants[op.Ref] {
		op.Marks |= event.KnownMark
	}
	return op, nil
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
	if r.After.Debt != 0 {
		fmt.Fprintf(&s.out, " debt %d", r.After.Debt)
	}
	s.out.WriteString("\n")
}

func (s *script) state() {
	for _, g := range s.account.Usable() {
		fmt.Fprintf(&s.out, "usable %s=%d until %s\n", g.ID, g.Remaining, oracle.TimeText(g.ExpiresAt))
	}
	for _, g := range s.account.Future() {
		fmt.Fprintf(&s.out, "future %s=%d from %s\n", g.ID, g.Remaining, oracle.TimeText(g.EffectiveAt))
	}
	for _, debt := range s.account.Debts() {
		fmt.Fprintf(&s.out, "%s owes %d\n", debt.EventID, debt.Amount)
	}
	if at, ok := s.account.NextDue(); ok {
		fmt.Fprintf(&s.out, "next %s/%s at %s\n", at.Due.Kind(), at.ID, oracle.TimeText(at.Time))
	}
}
