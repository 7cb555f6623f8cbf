package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"highwater/pkg/event"
	"highwater/pkg/oracle"
	"highwater/pkg/oracle/gen"
)

// I1: what was published, entries and corrections folded, is the replay from
// zero after every transaction.
func TestFoldOfWhatIsPublishedIsTheReplay(t *testing.T) {
	t.Parallel()
	property(t, 20, gen.Options{TakeOvers: true}, func(s gen.Scenario) error {
		h := newHost(s.Config, noMemory)
		fold := oracle.NewFold()
		var err error
		s.Run(func(tx *gen.Transaction, m *oracle.Model, _ *oracle.Records) bool {
			var got *oracle.Records
			if got, err = h.run(tx); err != nil {
				return false
			}
			if err = fold.Publish(got.Entries, got.Corrections); err != nil {
				return false
			}
			for _, user := range gen.Users {
				for _, asset := range append([]string{""}, gen.Assets...) {
					line, head := m.Said(user, asset)
					if d := fold.Contradicts(user, asset, line, head); d != "" {
						err = fmt.Errorf("at tx %s: %s", oracle.TimeText(tx.Now), d)
						return false
					}
				}
			}
			return true
		})
		return err
	})
}

// Every order of arrival and every batching says the same of every event in
// the end.
func TestEveryArrivalOrderEndsAlike(t *testing.T) {
	t.Parallel()
	property(t, 20, gen.Options{OrderFree: true}, func(s gen.Scenario) error {
		want, err := endOf(s)
		if err != nil {
			return err
		}
		for n := range uint64(2) {
			other := gen.Shuffle(s, n)
			got, err := endOf(other)
			if err != nil {
				return err
			}
			if got != want {
				return fmt.Errorf("ends in\n%sbut shuffled to\n%sit ends in\n%s", want, other, got)
			}
		}
		return nil
	})
}

// endOf is what stands of every event in the end, as text.
func endOf(s gen.Scenario) (string, error) {
	h := newHost(s.Config, allMemory)
	fold := oracle.NewFold()
	for i := range s.Transactions {
		got, err := h.run(&s.Transactions[i])
		if err != nil {
			return "", err
		}
		if err := fold.Publish(got.Entries, got.Corrections); err != nil {
			return "", err
		}
	}
	var lines []string
	for _, a := range fold.Accounts() {
		for id, r := range fold.Results(a.User, a.Asset) {
			// How far due items have been said depends on the clock, and a
			// correction doesn't announce what is repaid.
			if !strings.Contains(id, "/") {
				r.After, r.Repaid = event.Balances{}, nil
				lines = append(lines, fmt.Sprintf("%s/%s %s %s\n", a.User, a.Asset, id, oracle.ResultText(&r)))
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, ""), nil
}
