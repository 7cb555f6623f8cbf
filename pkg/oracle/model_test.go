package oracle_test

import (
	"fmt"
	"strings"
	"testing"

	"highwater/pkg/event"
	"highwater/pkg/oracle"
)

// arrival is a record of ann's; a grant makes one of its own.
func arrival(kind event.Kind, id string, at event.Time, amount event.Amount) oracle.Arrival {
	var a oracle.Arrival
	a.Event.Clear()
	a.Event.ID, a.Event.User, a.Event.OccurredAt, a.Event.Kind, a.Event.Amount = id, "ann", at, kind, amount
	if kind == event.Grant {
		a.Event.Ref = "g-" + id
	}
	a.Input.Topic = kind.Topic()
	return a
}

// held is a partition whose watermark stays at 0.
func held() *oracle.Model {
	m := oracle.NewModel(oracle.Config{IdleHold: true, IdleTimeout: 1 << 40, FutureSkew: 1 << 40})
	m.Begin(0)
	return m
}

func TestTotalsMayReachTheBoundButNotPassIt(t *testing.T) {
	for _, kind := range []event.Kind{event.Add, event.Subtract} {
		m := held()
		n := event.MaxTotal / int64(event.MaxAmount)
		for i := range n {
			m.Receive(arrival(kind, fmt.Sprint("e", i), event.Time(i+1), event.MaxAmount))
		}
		full := m.Commit()
		for _, e := range full.Entries {
			if e.Outcome != event.Applied {
				t.Fatalf("%s %s is %s: a total of 2^62 is allowed", kind, e.EventID, e.Outcome)
			}
		}
		m.Begin(0)
		m.Receive(arrival(kind, "over", event.Time(n+1), 1))
		other := arrival(kind, "gems", event.Time(n+1), 1)
		other.Event.Asset = "gems"
		m.Receive(other)
		r := m.Commit()
		if e := r.Entries[0]; e.Outcome != event.Rejected || e.Code != event.AmountOverflow || e.Amount != 1 || e.Slices != nil {
			t.Errorf("%s past 2^62: %+v", kind, e)
		}
		if e := r.Entries[1]; e.Outcome != event.Applied {
			t.Errorf("%s of another asset: %+v", kind, e)
		}
		want := event.Alert{UserID: "ann", Asset: "credits", Kind: event.OverflowAlert, EventID: "over",
			Value: "4611686018427387905", Limit: "4611686018427387904", Stamp: r.Alerts[0].Stamp}
		if r.Alerts[0] != want {
			t.Errorf("alert is %+v, want %+v", r.Alerts[0], want)
		}
	}
}

// What operations that ask take counts with the subtracts, at face value; a
// hold once, its captures not; and what is rejected not at all.
func TestTotalsCountWhatWasAccepted(t *testing.T) {
	m := held()
	n := event.MaxTotal / int64(event.MaxAmount)
	kinds := []event.Kind{event.Spend, event.Hold, event.Transfer, event.Subtract}
	for i := range n {
		m.Receive(arrival(event.Add, fmt.Sprint("a", i), 1, event.MaxAmount))
		a := arrival(kinds[i%4], fmt.Sprint("e", i), event.Time(i+2), event.MaxAmount)
		if i == n-1 {
			a.Event.Amount -= 3
		}
		if a.Event.Kind == event.Transfer {
			a.Event.To = "bob"
		}
		m.Receive(a)
	}
	full := m.Commit()
	for _, e := range full.Entries {
		if e.Outcome != event.Applied && e.Outcome != event.Accepted {
			t.Fatalf("%s %s is %s(%s): a total of 2^62 is allowed", e.Kind, e.EventID, e.Outcome, e.Code)
		}
	}
	capture := arrival(event.Capture, "c", event.Time(n+5), event.NoAmount)
	capture.Event.Ref = "e1"
	refund := arrival(event.Refund, "r", event.Time(n+5), event.NoAmount)
	refund.Event.Ref = "e0"
	m.Begin(0)
	m.Receive(capture)
	m.Receive(refund)
	for i, amount := range []event.Amount{4, 3, 1} {
		m.Receive(arrival(event.Spend, fmt.Sprint("last", i), event.Time(n+9), amount))
	}
	r := m.Commit()
	var got []string
	for _, e := range r.Entries {
		got = append(got, fmt.Sprintf("%s %s%s", e.EventID, e.Outcome, e.Code))
	}
	if want := "[c accepted r accepted last0 rejectedamount_overflow last1 accepted last2 rejectedamount_overflow]"; fmt.Sprint(got) != want {
		t.Errorf("entries are %v, want %s", got, want)
	}
	if len(r.Alerts) != 2 || r.Alerts[0].Value != "4611686018427387905" || r.Alerts[1].Kind != event.OverflowAlert {
		t.Errorf("alerts are %+v", r.Alerts)
	}
}

// What transfers bring counts in the total, but is never refused; beyond
// 2^63-1 there is no balance to say.
func TestReceivedPassesTheBound(t *testing.T) {
	m := held()
	bring := func(id string, parts int) {
		r := event.Remittance{From: "bob", To: "ann", EventID: id, Asset: event.DefaultAsset, OccurredAt: 1}
		for range parts {
			r.Grants = append(r.Grants, event.RemittedGrant{Amount: event.MaxAmount, ExpiresAt: event.NoTime})
		}
		m.Receive(oracle.Arrival{Remittance: &r})
	}
	half := int(event.MaxTotal / int64(event.MaxAmount))
	bring("t1", half)
	m.Receive(arrival(event.Add, "over", 2, 1))
	bring("t2", half-1)
	e := m.Commit().Entries
	if e[0].Outcome != event.Applied || e[1].Code != event.AmountOverflow || e[2].Outcome != event.Applied {
		t.Errorf("entries are %s, %s(%s), %s", e[0].Outcome, e[1].Outcome, e[1].Code, e[2].Outcome)
	}
	if want := int64(event.MaxTotal) + (event.MaxTotal - int64(event.MaxAmount)); e[2].After.Balance != want {
		t.Errorf("the balance is %d, want %d", e[2].After.Balance, want)
	}
	defer func() {
		if p := fmt.Sprint(recover()); !strings.Contains(p, "beyond 2^63-1") {
			t.Errorf("a balance of 2^63 goes on: %v", p)
		}
	}()
	m.Begin(0)
	bring("t3", 1)
}

// What is rejected takes no grant_id and counts in no total.
func TestARejectedGrantLeavesRoom(t *testing.T) {
	m := held()
	n := event.MaxTotal/int64(event.MaxAmount) - 1
	for i := range n {
		m.Receive(arrival(event.Add, fmt.Sprint("e", i), event.Time(i+1), event.MaxAmount))
	}
	m.Receive(arrival(event.Add, "nearly", event.Time(n+1), event.MaxAmount-5))
	m.Commit()
	m.Begin(0)
	tooMuch := arrival(event.Grant, "much", event.Time(n+2), 6)
	tooMuch.Event.Ref = "g"
	enough := arrival(event.Grant, "enough", event.Time(n+3), 5)
	enough.Event.Ref = "g"
	m.Receive(tooMuch)
	m.Receive(enough)
	e := m.Commit().Entries
	for i, want := range []event.Outcome{event.Rejected, event.Applied} {
		if e[i].Outcome != want {
			t.Errorf("%s is %s(%s), want %s", e[i].EventID, e[i].Outcome, e[i].Code, want)
		}
	}
}

// A late event that changes more than one part of a correction holds.
func TestALongCorrectionHasParts(t *testing.T) {
	m := held()
	const n = 700
	for i := range n {
		m.Receive(arrival(event.Subtract, fmt.Sprint("s", i), event.Time(10+i), 1))
	}
	m.Commit()
	m.Begin(0)
	m.Receive(arrival(event.Add, "late", 5, n))
	r := m.Commit()
	stretches, entries := 0, 0
	for i, c := range r.Corrections {
		if int(c.Part) != i+1 || int(c.Parts) != len(r.Corrections) || c.Seq != int64(i) {
			t.Errorf("part %d of %d has number %d", c.Part, c.Parts, c.Seq)
		}
		stretches += len(c.Changes)
		entries += len(c.Entries)
	}
	if len(r.Corrections) != 3 || stretches != n || entries != n {
		t.Errorf("%d parts with %d stretches and %d entries", len(r.Corrections), stretches, entries)
	}
}

// The alerts of a late debit name the events that it leaves short, in order.
func TestEachRaisedShortfallIsAnAlert(t *testing.T) {
	m := held()
	m.Receive(arrival(event.Add, "a", 1, 10))
	m.Receive(arrival(event.Subtract, "x", 10, 6))
	m.Receive(arrival(event.Subtract, "y", 20, 6))
	first := m.Commit()
	m.Begin(0)
	m.Receive(arrival(event.Subtract, "late", 5, 12))
	second := m.Commit()
	var got []string
	for _, al := range append(first.Alerts, second.Alerts...) {
		got = append(got, al.EventID+"="+al.Value)
	}
	if fmt.Sprint(got) != "[y=2 late=2 x=6 y=6]" {
		t.Errorf("alerts are %v", got)
	}
}

func TestReplayRefusesWhatItCannotReplay(t *testing.T) {
	spend := oracle.Taken{Event: arrival(event.Spend, "s", 5, 3).Event}
	for name, c := range map[string]struct {
		kind event.Kind
		ref  string
		at   event.Time
	}{
		"a refund of nothing":        {event.Refund, "x", 6},
		"a refund of what is later":  {event.Refund, "s", 4},
		"a refund of more":           {event.Refund, "s", 6},
		"a capture of a spend":       {event.Capture, "s", 6},
		"a release of a spend":       {event.Release, "s", 6},
		"an order among the credits": {event.Pause, "s", 6},
	} {
		a := arrival(c.kind, "e", c.at, event.NoAmount)
		a.Event.Ref = c.ref
		if _, err := oracle.ReplayCredits([]oracle.Taken{spend, {Event: a.Event, Amount: 4}}); err == nil {
			t.Errorf("%s was replayed", name)
		}
	}
}

// The plain replay must take a million events in its stride.
func BenchmarkReplayCredits(b *testing.B) {
	const n = 200_000
	var taken []oracle.Taken
	for i := range n {
		kind, amount := event.Subtract, event.Amount(3)
		if i%10 == 0 {
			kind, amount = event.Grant, 30
		}
		a := arrival(kind, fmt.Sprint("e", i), event.Time(i*7919%n), amount)
		a.Event.Asset = event.DefaultAsset
		if kind == event.Grant {
			a.Event.ExpiresAt = a.Event.OccurredAt + 1000
		}
		taken = append(taken, oracle.Taken{Event: a.Event})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := oracle.ReplayCredits(taken); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
}
