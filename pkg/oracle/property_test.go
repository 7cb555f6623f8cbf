package oracle_test

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"highwater/pkg/event"
	"highwater/pkg/oracle"
	"highwater/pkg/oracle/gen"
)

var (
	histories = flag.Uint64("oracle.histories", 5_000, "how many random histories to run")
	seed      = flag.Uint64("oracle.seed", 1, "the seed of the first random history")
)

// property runs check on random scenarios. One that fails is shown in its
// smallest form; the text goes into a script under testdata as it is.
func property(t *testing.T, o gen.Options, check func(gen.Scenario) error) {
	t.Helper()
	t.Logf("%d histories from seed %d", *histories, *seed)
	for n := range *histories {
		s := gen.Random(*seed+n, o)
		if check(s) == nil {
			continue
		}
		small := gen.Shrink(s, func(s gen.Scenario) bool { return check(s) != nil })
		t.Fatalf("%v\n\nin the scenario\n%s\nreplay: go test ./pkg/oracle -run %s -oracle.seed=%d -oracle.histories=1",
			check(small), small, t.Name(), *seed+n)
	}
}

// I3, I4, I5: what the model publishes adds up after every transaction.
func TestPublishedAddsUp(t *testing.T) {
	property(t, gen.Options{TakeOvers: true}, func(s gen.Scenario) error {
		w := newWitness(s.Config)
		var err error
		s.Run(func(tx *gen.Transaction, m *oracle.Model, r *oracle.Records) bool {
			err = w.see(m, r)
			if err != nil {
				err = fmt.Errorf("after tx %s: %w", oracle.TimeText(tx.Now), err)
			}
			return err == nil
		})
		return err
	})
}

// I1: every arrival order and batching ends in the same replay.
func TestEveryArrivalOrderEndsAlike(t *testing.T) {
	property(t, gen.Options{OrderFree: true}, func(s gen.Scenario) error {
		want := endOf(s)
		for n := range uint64(3) {
			other := gen.Shuffle(s, n)
			if got := endOf(other); got != want {
				return fmt.Errorf("ends in\n%sbut shuffled to\n%sit ends in\n%s", want, other, got)
			}
		}
		return nil
	})
}

// lastOf is the model at the end of a scenario.
func lastOf(s gen.Scenario) *oracle.Model {
	last := oracle.NewModel(s.Config)
	s.Run(func(_ *gen.Transaction, m *oracle.Model, _ *oracle.Records) bool {
		last = m
		return true
	})
	return last
}

// endOf is what all accounts come to, as text.
func endOf(s gen.Scenario) string {
	last := lastOf(s)
	text := ""
	for _, user := range gen.Users {
		for _, asset := range append([]string{""}, gen.Assets...) {
			line, _ := last.Said(user, asset)
			for _, it := range line.Items {
				text += fmt.Sprintf("%s/%s %s %s %+v\n", user, asset, it.ID, oracle.ResultText(&it.Result), it.Result.After)
			}
			text += fmt.Sprintf("%+v %v\n", line.Live, line.Tallies)
		}
	}
	return text
}

// witness holds everything published against the model's replay.
type witness struct {
	config      oracle.Config
	fold        *oracle.Fold
	seqs        map[string]int64
	committed   event.Time
	settled     map[oracle.AccountName]map[string]bool
	settledUpTo map[string]event.Place // per user
	balances    map[oracle.AccountName]event.Balance
	orders      map[oracle.AccountName]event.OrderState
	windows     map[oracle.Window]event.OrderStats
}

func newWitness(c oracle.Config) *witness {
	return &witness{
		config: c, fold: oracle.NewFold(), seqs: map[string]int64{},
		settled: map[oracle.AccountName]map[string]bool{}, settledUpTo: map[string]event.Place{},
		balances: map[oracle.AccountName]event.Balance{}, orders: map[oracle.AccountName]event.OrderState{},
		windows: map[oracle.Window]event.OrderStats{},
	}
}

func (w *witness) see(m *oracle.Model, r *oracle.Records) error {
	return cmp.Or(w.seeStamps(m, r), w.fold.Publish(r.Entries, r.Corrections), w.seeSettled(m, r),
		w.seeBalances(r), w.seeOrders(r), w.seeEachAccount(m), w.seeWindows(m))
}

// seeStamps: seq is dense, the clock never goes back, no record is stamped
// with a watermark that wasn't yet in force.
func (w *witness) seeStamps(m *oracle.Model, r *oracle.Records) error {
	var err error
	now := w.committed
	check := func(topic string, s event.Stamp) {
		if s.Seq != w.seqs[topic] || s.CommittedAt < w.committed || s.Watermark > m.Watermark() || s.Partition != w.config.Partition {
			err = cmp.Or(err, fmt.Errorf("%s has the stamp %+v where number %d is due", topic, s, w.seqs[topic]))
		}
		now = max(now, s.CommittedAt)
		w.seqs[topic]++
	}
	for _, x := range r.Entries {
		check("entries", x.Stamp)
	}
	for _, x := range r.Settled {
		check("settled", x.Stamp)
	}
	for _, x := range r.Corrections {
		check("corrections", x.Stamp)
	}
	for _, x := range r.Balances {
		check("balances", x.Stamp)
	}
	for _, x := range r.OrderStates {
		check("order-states", x.Stamp)
	}
	for _, x := range r.OrderStats {
		check("order-stats", x.Stamp)
	}
	for _, x := range r.Alerts {
		check("alerts", x.Stamp)
	}
	for _, x := range r.Watermarks {
		check("watermarks", x.Stamp)
	}
	for _, x := range r.DeadLetters {
		check("dead-letters", x.Stamp)
	}
	w.committed = now
	return err
}

// seeSettled: nothing is settled twice, and all but what came after_final in
// the order of each user's events.
func (w *witness) seeSettled(m *oracle.Model, r *oracle.Records) error {
	for _, e := range r.Settled {
		key := oracle.AccountName{User: e.UserID, Asset: e.Asset}
		if w.settled[key] == nil {
			w.settled[key] = map[string]bool{}
		}
		id := entryKey(e.Kind, e.EventID, e.Counterparty)
		if w.settled[key][id] {
			return fmt.Errorf("I5: %q of %v is settled twice", id, key)
		}
		w.settled[key][id] = true
		if e.AfterFinal {
			continue
		}
		line, _ := m.Said(e.UserID, e.Asset)
		at := slices.IndexFunc(line.Items, func(it oracle.Item) bool { return itemKey(&it) == id })
		if at < 0 {
			continue // an event of the same transaction made it vanish again
		}
		place := line.Items[at].Place
		if place.Before(w.settledUpTo[e.UserID]) {
			return fmt.Errorf("I5: %q of %v is settled out of order", id, key)
		}
		w.settledUpTo[e.UserID] = place
	}
	return nil
}

// entryKey tells all items of an account apart.
func entryKey(kind event.Kind, id, from string) string {
	if kind != event.Received {
		from = ""
	}
	return fmt.Sprintf("%s %s %s", kind, from, id)
}

func itemKey(it *oracle.Item) string { return entryKey(it.Kind, it.ID, it.Place.From) }

// seeEachAccount: I3, I4, I5 on every account.
func (w *witness) seeEachAccount(m *oracle.Model) error {
	for _, user := range gen.Users {
		history, err := oracle.Replay(m.Taken(user))
		if err != nil {
			return err
		}
		for _, asset := range append([]string{""}, gen.Assets...) {
			key := oracle.AccountName{User: user, Asset: asset}
			line, head := m.Said(user, asset)
			if d := w.fold.Contradicts(user, asset, line, head); d != "" {
				return fmt.Errorf("I4: %s", d)
			}
			if newest, ok := w.fold.Newest(user, asset); ok && newest != head.Time {
				return fmt.Errorf("I3: %v: the newest thing said is at %s, but the fold knows %s", key, head.Time, newest)
			}
			for _, it := range line.Items {
				said := !head.Before(it.Place)
				if !said && (it.Taken != nil || it.Place.Time <= m.Watermark()) {
					return fmt.Errorf("I3: %v: %q was never said", key, it.ID)
				}
				final := it.Place.Time <= m.Watermark()
				settled := w.settled[key][itemKey(&it)]
				// The expiry of a restored grant may have been settled at another time.
				if w.config.Settled && final != settled && !(settled && it.Kind == event.Expired && strings.Contains(it.Place.ID, "/")) {
					return fmt.Errorf("I5: %v: %q is settled: %t, though the watermark is %s", key, it.ID, settled, m.Watermark())
				}
			}
			if err := w.seeNewest(key, line, head); err != nil {
				return err
			}
			again := history.Credits[asset]
			if asset == "" {
				again = history.Orders
			}
			if again != nil && !slices.Equal(again.Steps(event.EndOf(event.MaxTime)), line.Steps(event.EndOf(event.MaxTime))) {
				return fmt.Errorf("I1: %v: the user's replay differs from the account's", key)
			}
		}
	}
	return nil
}

// seeNewest: the newest balance and order states are those of the replay.
func (w *witness) seeNewest(key oracle.AccountName, line *oracle.Timeline, head event.Place) error {
	if key.Asset == "" {
		live := 0
		for k, o := range w.orders {
			if k.User == key.User && !o.Gone {
				live++
			}
		}
		for _, o := range line.Live {
			said := w.orders[oracle.AccountName{User: key.User, Asset: o.ID}]
			if said.Gone || said.Status != o.Status || said.PlacedAt != o.Placed.Time || said.UpdatedAt != o.UpdatedAt {
				return fmt.Errorf("%v: order %+v is said to be %+v", key, o, said)
			}
		}
		if live != len(line.Live) {
			return fmt.Errorf("%v: %d orders are live, but %d are said to be", key, len(line.Live), live)
		}
		return nil
	}
	b, said := w.balances[key]
	if !said {
		if len(line.Items) > 0 {
			return fmt.Errorf("%v has no balance", key)
		}
		return nil
	}
	at, ok := line.BalanceAt(head.Time)
	if !ok || b.Balances != at || b.AsOf != head.Time {
		return fmt.Errorf("%v: the balance is said to be %+v as of %s, but it is %+v as of %s", key, b.Balances, b.AsOf, at, head.Time)
	}
	return nil
}

func (w *witness) seeBalances(r *oracle.Records) error {
	for _, b := range r.Balances {
		key := oracle.AccountName{User: b.UserID, Asset: b.Asset}
		if last, ok := w.balances[key]; ok && b.Revision != last.Revision+1 || !ok && b.Revision != 0 {
			return fmt.Errorf("balance of %v has revision %d after %d", key, b.Revision, last.Revision)
		}
		w.balances[key] = b
	}
	return nil
}

func (w *witness) seeOrders(r *oracle.Records) error {
	for _, o := range r.OrderStates {
		key := oracle.AccountName{User: o.UserID, Asset: o.OrderID}
		last, ok := w.orders[key]
		if ok && o.Revision != last.Revision+1 || !ok && o.Revision != 0 || o.Gone && (!ok || last.Gone) {
			return fmt.Errorf("order %v: %+v after %+v", key, o, last)
		}
		w.orders[key] = o
	}
	for _, o := range r.OrderStats {
		w.windows[oracle.Window{Currency: o.Currency, Start: o.WindowStart}] = o
	}
	return nil
}

// seeWindows: the newest statistics are the sums over the users, and final
// where the watermark has reached the window's end.
func (w *witness) seeWindows(m *oracle.Model) error {
	level := map[string]int64{}
	live := map[string]int64{}
	sums := map[oracle.Window]int64{}
	for _, user := range gen.Users {
		line, _ := m.Said(user, "")
		for win, tally := range line.Tallies {
			sums[win] += tally.Placed + tally.Cancelled + tally.Ignored + tally.Paused + tally.Resumed
		}
		for _, o := range line.Live {
			live[o.Currency]++
		}
	}
	for win, said := range w.windows {
		if sum := said.Placed + said.Cancelled + said.Ignored + said.Paused + said.Resumed; sum != sums[win] {
			return fmt.Errorf("window %v counts %d commands of %d", win, sum, sums[win])
		}
		if final := win.End() <= m.Watermark(); final != said.Final {
			return fmt.Errorf("window %v: final is said to be %t, but the watermark is %s", win, said.Final, m.Watermark())
		}
		level[win.Currency] += said.LiveOrdersDelta
		delete(sums, win)
	}
	for win, sum := range sums {
		if sum != 0 {
			return fmt.Errorf("window %v was never said", win)
		}
	}
	for currency, n := range level {
		if n != live[currency] {
			return fmt.Errorf("%d orders are live in %s, but the windows sum to %d", live[currency], currency, n)
		}
	}
	return nil
}

// The replay agrees with one that moves single coins.
func TestReplayAgreesWithCoins(t *testing.T) {
	property(t, gen.Options{OrderFree: true}, func(s gen.Scenario) error {
		if tooManyCoins(s) {
			return nil
		}
		var err error
		s.Run(func(_ *gen.Transaction, m *oracle.Model, _ *oracle.Records) bool {
			for _, user := range gen.Users {
				history, replayErr := oracle.Replay(m.Taken(user))
				if err = replayErr; err != nil {
					return false
				}
				for _, asset := range slices.Sorted(maps.Keys(history.Credits)) {
					if err = coinsAgree(history.Credits[asset], m.Taken(user), asset); err != nil {
						err = fmt.Errorf("%s/%s: %w", user, asset, err)
						return false
					}
				}
			}
			return true
		})
		return err
	})
}
