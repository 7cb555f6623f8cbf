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
