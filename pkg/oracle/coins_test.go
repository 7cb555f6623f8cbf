package oracle_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/oracle"
	"highwater/pkg/oracle/gen"
)

// coin is one minor unit of a grant.
type coin struct {
	grant       string
	priority    int32
	from, until event.Time
	place       event.Place // of the grant or its activation
	spentBy     string
}

// coinsAgree holds a timeline against coins: every grant is a heap of them,
// every debit picks them one by one, and the balance at a time is counted
// over all coins there are.
func coinsAgree(line *oracle.Timeline, taken []oracle.Taken, asset string) error {
	var events []oracle.Taken
	for _, t := range taken {
		if t.Asset() == asset && t.Rejected == event.NoCode {
			events = append(events, t)
		}
	}
	slices.SortFunc(events, func(a, b oracle.Taken) int { return a.Event.Place().Compare(b.Event.Place()) })
	var coins []*coin
	revoked := map[string]event.Place{}
	for _, t := range events {
		e := t.Event
		if at, again := revoked[e.Ref]; e.Kind == event.Revoke && (!again || e.Place().Before(at)) {
			revoked[e.Ref] = e.Place()
		}
	}
	for _, t := range events {
		if e := t.Event; e.Kind == event.Grant || e.Kind == event.Add {
			place := e.Place()
			if e.UsableFrom() > e.OccurredAt {
				place = event.Place{Time: e.UsableFrom(), Due: event.DueActivation, ID: e.GrantID()}
			}
			if at, ok := revoked[e.GrantID()]; ok && at.Before(place) {
				continue // born revoked
			}
			for range e.Amount {
				coins = append(coins, &coin{e.GrantID(), e.Priority, e.UsableFrom(), e.ExpiresAt, place, ""})
			}
		}
	}
	usable := func(c *coin, p event.Place) bool {
		at, isRevoked := revoked[c.grant]
		return c.spentBy == "" && !p.Before(c.place) && (c.until == event.NoTime || p.Time < c.until) && (!isRevoked || p.Before(at))
	}
	// Walk all places at which coins appear or are wanted.
	type owing struct {
		id     string
		amount int64
	}
	var owed []owing
	want := map[string]int64{} // shortfalls
	after := map[string]event.Balances{}
	var places []event.Place
	at := map[event.Place]oracle.Taken{}
	for _, t := range events {
		places = append(places, t.Event.Place())
		at[t.Event.Place()] = t
	}
	for _, c := range coins {
		places = append(places, c.place)
	}
	slices.SortFunc(places, event.Place.Compare)
	for _, p := range slices.Compact(places) {
		if t, ok := at[p]; ok && t.Event.Kind == event.Subtract {
			missing := int64(t.Event.Amount)
			for ; missing > 0; missing-- {
				c := cheapest(coins, func(c *coin) bool { return usable(c, p) })
				if c == nil {
					break
				}
				c.spentBy = t.Event.ID
			}
			want[t.Event.ID] = missing
			if missing > 0 && t.Policy.Debt {
				owed = append(owed, owing{t.Event.ID, missing})
			}
		}
		for len(owed) > 0 {
			c := cheapest(coins, func(c *coin) bool { return usable(c, p) })
			if c == nil {
				break
			}
			c.spentBy = owed[0].id
			if owed[0].amount--; owed[0].amount == 0 {
				owed = owed[1:]
			}
		}
		var b event.Balances
		for _, o := range owed {
			b.Debt += o.amount
		}
		for _, c := range coins {
			if usable(c, p) {
				b.Balance++
			}
		}
		b.Balance -= b.Debt
		if t, ok := at[p]; ok {
			after[t.Event.ID] = b
		}
	}
	for _, it := range line.Items {
		if b, ok := after[it.ID]; ok && it.Result.After != b {
			return fmt.Errorf("after %q the replay has %+v, the coins %+v", it.ID, it.Result.After, b)
		}
		if it.Result.Shortfall != want[it.ID] {
			return fmt.Errorf("%q is %d short in the replay, %d in coins", it.ID, it.Result.Shortfall, want[it.ID])
		}
		if it.Kind == event.Subtract && it.Result.Outcome == event.Applied {
			if err := sameDraws(&it, coins); err != nil {
				return err
			}
		}
	}
	return nil
}

// sameDraws: what an event drew and had repaid is the coins it spent. Draws
// at the event's own place are in its slices; repayments aren't.
func sameDraws(it *oracle.Item, coins []*coin) error {
	drawn := map[string]int64{}
	for _, c := range coins {
		if c.spentBy == it.ID && !it.Place.Before(c.place) {
			drawn[c.grant]++
		}
	}
	said := map[string]int64{}
	for _, s := range it.Result.Slices {
		said[s.GrantID] += int64(s.Amount)
	}
	if !maps.Equal(drawn, said) {
		return fmt.Errorf("%q drew %v in the replay, %v in coins", it.ID, said, drawn)
	}
	return nil
}

// cheapest is the coin to draw next.
func cheapest(coins []*coin, ok func(*coin) bool) *coin {
	var best *coin
	for _, c := range coins {
		if ok(c) && (best == nil || before(c, best)) {
			best = c
		}
	}
	return best
}

func before(a, b *coin) bool {
	until := func(c *coin) event.Time {
		if c.until == event.NoTime {
			return event.MaxTime + 1
		}
		return c.until
	}
	if a.priority != b.priority {
		return a.priority < b.priority
	}
	if until(a) != until(b) {
		return until(a) < until(b)
	}
	if a.from != b.from {
		return a.from < b.from
	}
	return strings.Compare(a.grant, b.grant) < 0
}

// tooManyCoins reports whether amounts are too large to count out.
func tooManyCoins(s gen.Scenario) bool {
	for _, tx := range s.Transactions {
		for _, a := range tx.Arrivals {
			if a.Event.Amount > 1000 {
				return true
			}
		}
	}
	return false
}
