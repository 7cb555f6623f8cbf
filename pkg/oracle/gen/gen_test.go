package gen

import (
	"reflect"
	"strings"
	"testing"

	"highwater/pkg/oracle"
)

func TestI1TextIsTheScenario(t *testing.T) {
	for seed := range uint64(2000) {
		s := Random(seed, Options{TakeOvers: true})
		again, err := Parse(s.String())
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, s)
		}
		if !reflect.DeepEqual(s, again) {
			t.Fatalf("seed %d: the text reads as another scenario:\n%s\n%s", seed, s, again)
		}
	}
}

func TestI2SeedIsTheScenario(t *testing.T) {
	if a, b := Random(7, Options{}), Random(7, Options{}); !reflect.DeepEqual(a, b) {
		t.Fatalf("two scenarios of seed 7:\n%s\n%s", a, b)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"grant e1 user=ann":              "needs a transaction",
		"tx":                             "needs the clock",
		"tx now":                         "not a number of seconds",
		"tx 1 loudly":                    "nothing that a transaction has",
		"tx 1\ngive e1":                  "an operation and an event id",
		"tx 1\ngrant e1 colour=red":      "nothing that an event has",
		"tx 1\ngrant e1 at=0.0000001":    "more than six digits",
		"tx 1\ngrant e1 topic=nowhere":   "not a topic",
		"tx 1\nunreadable":               "needs a code",
		"tx 1\nunreadable loudly":        "not a code",
		"tx 1\nunreadable malformed x=1": "nothing that an unreadable record has",
		"partition loud":                 "not a setting",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v, want one with %q", text, err, want)
		}
	}
}

// A failure that needs three records of a long scenario shrinks to them.
func TestShrink(t *testing.T) {
	s := Random(0, Options{Transactions: 40})
	for seed := uint64(1); s.arrivals() < 30; seed++ {
		s = Random(seed, Options{Transactions: 40})
	}
	has := func(s Scenario, ids ...string) bool {
		found := 0
		for _, tx := range s.Transactions {
			for _, a := range tx.Arrivals {
				if found < len(ids) && a.Event.ID == ids[found] {
					found++
				}
			}
		}
		return found == len(ids)
	}
	var all []oracle.Arrival
	for _, tx := range s.Transactions {
		all = append(all, tx.Arrivals...)
	}
	ids := []string{all[3].Event.ID, all[15].Event.ID, all[28].Event.ID}
	small := Shrink(s, func(s Scenario) bool { return has(s, ids...) })
	if !has(small, ids...) || small.arrivals() != 3 || len(small.Transactions) != 1 {
		t.Fatalf("shrank to\n%s", small)
	}
}

// Every kind of record and every outcome comes up, or the property tests
// prove less than they say.
func TestRandomCovers(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(3000) {
		s := Random(seed, Options{})
		s.Run(func(_ *Transaction, _ *oracle.Model, r *oracle.Records) bool {
			count(seen, r)
			return true
		})
	}
	for _, what := range []string{
		"grant applied", "grant rejected grant_exists", "add applied", "revoke applied", "revoke ignored unknown_reference",
		"subtract applied", "expired applied", "activated applied",
		"place applied", "place ignored duplicate_order", "pause applied", "pause ignored not_active",
		"pause ignored unknown_order", "resume applied", "resume ignored not_paused", "cancel applied",
		"cancel ignored unknown_order", "cancel_all applied", "cancel_all of several",
		"dead letter malformed", "dead letter invalid", "dead letter wrong_partition", "dead letter from_the_future",
		"dead letter too_old", "dead letter event_conflict",
		"late", "after_final", "late due correction", "repaid", "repaid by activation", "shortfall", "debt", "shortfall raised",
		"due item appears", "due item vanishes", "correction without lateness", "balance stretch", "closed stretch", "order correction",
		"due item after_final", "settled due item after_final", "tombstone", "order state", "final window revised", "watermark",
	} {
		if seen[what] < 10 {
			t.Errorf("%s: came up %d times in 3000 scenarios", what, seen[what])
		}
	}
}

func count(seen map[string]int, r *oracle.Records) {
	for _, e := range r.Entries {
		name := e.Kind.String() + " " + e.Outcome.String()
		if e.Code != 0 {
			name += " " + e.Code.String()
		}
		seen[name]++
		tick := func(on bool, what string) {
			if on {
				seen[what]++
			}
		}
		tick(e.Late, "late")
		tick(e.AfterFinal, "after_final")
		tick(e.AfterFinal && e.Kind.IsDue(), "due item after_final")
		tick(e.Shortfall > 0, "shortfall")
		tick(e.After.Debt > 0, "debt")
		tick(len(e.Repaid) > 0, "repaid")
		tick(len(e.Repaid) > 0 && e.Kind.IsDue(), "repaid by activation")
		tick(e.Order.Cancelled > 1, "cancel_all of several")
	}
	for _, c := range r.Corrections {
		if c.Cause.LateBy == 0 {
			seen["correction without lateness"]++
		}
		if c.Asset == "" {
			seen["order correction"]++
		}
		for _, s := range c.Changes {
			seen["balance stretch"]++
			if s.To >= 0 {
				seen["closed stretch"]++
			}
		}
		for _, ch := range c.Entries {
			switch {
			case ch.Before == nil:
				seen["due item appears"]++
			case ch.After == nil:
				seen["due item vanishes"]++
			case ch.Kind.IsDue():
				seen["late due correction"]++
			case ch.After.Shortfall > ch.Before.Shortfall:
				seen["shortfall raised"]++
			}
		}
	}
	for _, e := range r.Settled {
		if e.AfterFinal && e.Kind.IsDue() {
			seen["settled due item after_final"]++
		}
	}
	for _, o := range r.OrderStates {
		if o.Gone {
			seen["tombstone"]++
		} else {
			seen["order state"]++
		}
	}
	for _, o := range r.OrderStats {
		if o.Final && o.Revision > 1 {
			seen["final window revised"]++
		}
	}
	for _, d := range r.DeadLetters {
		seen["dead letter "+d.Code.String()]++
	}
	seen["watermark"] += len(r.Watermarks)
}
