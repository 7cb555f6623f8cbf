package oracle_test

import (
	"strings"
	"testing"

	"highwater/pkg/event"
	"highwater/pkg/oracle"
)

func said(id string, at event.Time, balance int64, late bool) event.Entry {
	return event.Entry{
		EventID: id, UserID: "ann", Asset: "credits", Kind: event.Subtract, OccurredAt: at, EffectiveAt: at,
		Result: event.Result{Outcome: event.Applied, Amount: 1, After: event.Balances{Balance: balance}}, Late: late,
	}
}

func corrected(cause string, entries []event.EntryChange, changes ...event.Stretch) event.Correction {
	return event.Correction{
		Cause: event.Cause{EventID: cause, Kind: event.Subtract}, UserID: "ann", Asset: "credits",
		Changes: changes, Entries: entries, Part: 1, Parts: 1,
	}
}

func TestFoldIsAFunctionOfTime(t *testing.T) {
	f := oracle.NewFold()
	err := f.Publish(
		[]event.Entry{
			said("a", 10, 5, false), said("b", 10, 6, false), said("c", 30, 7, false), said("d", 5, 99, true), said("e", 40, 7, false),
		},
		[]event.Correction{corrected("d", nil,
			event.Stretch{From: 5, To: 20, Balances: event.Balances{Balance: 1}},
			event.Stretch{From: 20, To: event.NoTime, Balances: event.Balances{Balance: -2, Debt: 1}},
		)},
	)
	if err != nil {
		t.Fatal(err)
	}
	const want = "(@0.000005 1, @0.00001 7, @0.00002 4 debt 1, @0.00003 5 debt 1, @0.00004 7)"
	if got := oracle.StepsText(f.Steps("ann", "credits")); got != want {
		t.Errorf("the fold goes %s, want %s", got, want)
	}
	if newest, ok := f.Newest("ann", "credits"); !ok || newest != 40 {
		t.Errorf("the newest thing said is at %d, %t", newest, ok)
	}
	if _, ok := f.Newest("ann", "gems"); ok || f.Steps("ann", "gems") != nil || f.Results("ann", "gems") != nil {
		t.Error("an account that was never named has something")
	}
}

func TestFoldFindsContradictions(t *testing.T) {
	applied := &event.Result{Outcome: event.Applied, Amount: 1}
	short := &event.Result{Outcome: event.Applied, Amount: 1, Shortfall: 1}
	for name, c := range map[string]struct {
		entries     []event.Entry
		corrections []event.Correction
		want        string
	}{
		"an entry twice":         {[]event.Entry{said("a", 1, 0, false), said("a", 2, 0, false)}, nil, "said twice"},
		"late after nothing":     {[]event.Entry{said("a", 1, 0, true)}, nil, "nothing later was said"},
		"late, but newest":       {[]event.Entry{said("a", 1, 0, false), said("b", 2, 0, true)}, nil, "nothing later was said"},
		"not late, but behind":   {[]event.Entry{said("a", 2, 0, false), said("b", 1, 0, false)}, nil, "doesn't say it is late"},
		"a cause without entry":  {nil, []event.Correction{corrected("a", nil)}, "has no entry here"},
		"appears, but was there": {[]event.Entry{said("a", 1, 0, false)}, []event.Correction{corrected("a", []event.EntryChange{{EventID: "a", After: applied}})}, "appears, but was said before"},
		"changes, but wasn't":    {[]event.Entry{said("a", 1, 0, false)}, []event.Correction{corrected("a", []event.EntryChange{{EventID: "b", Before: applied}})}, "never said"},
		"was something else":     {[]event.Entry{said("a", 1, 0, false)}, []event.Correction{corrected("a", []event.EntryChange{{EventID: "a", Before: short}})}, "but it was applied amount=1"},
	} {
		err := oracle.NewFold().Publish(c.entries, c.corrections)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want one with %q", name, err, c.want)
		}
	}
}

func TestFoldContradictsAReplay(t *testing.T) {
	item := func(id string, at event.Time, balance int64) oracle.Item {
		return oracle.Item{
			Place: event.Place{Time: at, Due: event.AnEvent, ID: id}, ID: id,
			Result: event.Result{Outcome: event.Applied, Amount: 1, After: event.Balances{Balance: balance}},
		}
	}
	f := oracle.NewFold()
	if err := f.Publish([]event.Entry{said("a", 1, 5, false), said("b", 2, 4, false)}, nil); err != nil {
		t.Fatal(err)
	}
	other := item("b", 2, 4)
	other.Result.Amount = 9
	for _, c := range []struct {
		items []oracle.Item
		want  string
	}{
		{[]oracle.Item{item("a", 1, 5), item("b", 2, 4), item("later", 10, 9)}, ""},
		{[]oracle.Item{item("a", 1, 5), item("b", 2, 3)}, "the replay goes"},
		{[]oracle.Item{item("a", 1, 5), item("c", 2, 4)}, `"c" is in the replay, but was never said`},
		{[]oracle.Item{item("a", 1, 5), other}, "amount=9 in the replay, but applied amount=1 in the fold"},
		{[]oracle.Item{item("a", 1, 5), item("b", 2, 4), item("c", 2, 4)}, `"c" is in the replay`},
	} {
		got := f.Contradicts("ann", "credits", &oracle.Timeline{Items: c.items}, event.EndOf(9))
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("contradiction is %q, want one with %q", got, c.want)
		}
	}
	if err := f.Publish([]event.Entry{said("more", 2, 4, false)}, nil); err != nil {
		t.Fatal(err)
	}
	line := &oracle.Timeline{Items: []oracle.Item{item("a", 1, 5), item("b", 2, 4)}}
	if got := f.Contradicts("ann", "credits", line, event.EndOf(9)); !strings.Contains(got, "2 items are in the replay, 3 in the fold") {
		t.Errorf("contradiction is %q", got)
	}
	// A pending operation says nothing about credits until it is decided.
	g := oracle.NewFold()
	waits, decided := said("p", 3, 7, false), said("p", 3, 7, false)
	waits.Outcome, decided.Revision = event.Pending, 1
	if err := g.Publish([]event.Entry{waits}, nil); err != nil {
		t.Fatal(err)
	}
	if _, ok := g.Newest("ann", "credits"); ok {
		t.Error("a pending operation counts as something said")
	}
	if err := g.Publish([]event.Entry{decided}, nil); err != nil {
		t.Fatal(err)
	}
	if got := oracle.StepsText(g.Steps("ann", "credits")); got != "(@0.000003 7)" {
		t.Errorf("the decided operation gives %s", got)
	}
}
