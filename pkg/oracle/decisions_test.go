package oracle_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"highwater/pkg/event"
	"highwater/pkg/oracle"
	"highwater/pkg/oracle/gen"
)

// decision is what an answer to a producer says.
type decision struct {
	outcome event.Outcome
	code    event.Code
	amount  event.Amount
}

func decisionOf(r *event.Result) decision { return decision{r.Outcome, r.Code, r.Amount} }

// isDecided reports whether an entry's outcome is a decision for good.
func isDecided(kind event.Kind, r *event.Result) bool {
	return kind.IsConditional() || kind == event.PlaceOrder && r.Code == event.RiskLimited
}

// decisions are all answers given so far, by user and event.
type decisions struct {
	made    map[[2]string]decision
	pending map[[2]string]event.Entry
	sent    map[[2]string]event.Amount
}

func newDecisions() *decisions {
	return &decisions{
		made: map[[2]string]decision{}, pending: map[[2]string]event.Entry{},
		sent: map[[2]string]event.Amount{},
	}
}

// see takes in what a transaction published. I6: a decision never changes.
func (d *decisions) see(m *oracle.Model, r *oracle.Records) error {
	for i := range r.Entries {
		if err := d.entry(&r.Entries[i]); err != nil {
			return err
		}
	}
	for _, c := range r.Corrections {
		for _, ch := range c.Entries {
			if ch.Before == nil || ch.After == nil || !isDecided(ch.Kind, ch.Before) && !isDecided(ch.Kind, ch.After) {
				continue
			}
			if was, is := decisionOf(ch.Before), decisionOf(ch.After); was != is {
				return fmt.Errorf("I6: %s decides %s %q anew: %+v after %+v", c.Cause.EventID, ch.Kind, ch.EventID, is, was)
			}
		}
	}
	for _, user := range gen.Users {
		for _, asset := range append([]string{""}, gen.Assets...) {
			line, _ := m.Said(user, asset)
			for _, it := range line.Items {
				if was, ok := d.made[[2]string{user, it.ID}]; ok && it.Kind != event.Received && was != decisionOf(&it.Result) {
					return fmt.Errorf("I6: the replay has %s %q as %+v, but %+v was decided", it.Kind, it.ID, decisionOf(&it.Result), was)
				}
			}
		}
	}
	return d.waiting(m.Watermark(), r)
}

func (d *decisions) entry(e *event.Entry) error {
	key := [2]string{e.UserID, e.EventID}
	_, waited := d.pending[key]
	if e.Outcome == event.Pending || waited != (e.Revision == 1) {
		if waited || e.Revision != 0 || e.Outcome != event.Pending {
			return fmt.Errorf("%s %q: revision %d is %s, waited before: %t", e.Kind, e.EventID, e.Revision, e.Outcome, waited)
		}
		if e.Late || e.AfterFinal || e.Shortfall != 0 || e.Slices != nil || e.HasBalances() {
			return fmt.Errorf("%s %q: more is said of a pending operation than that: %+v", e.Kind, e.EventID, e)
		}
		d.pending[key] = *e
	}
	if !isDecided(e.Kind, &e.Result) || e.Outcome == event.Pending {
		return nil
	}
	delete(d.pending, key)
	if _, again := d.made[key]; again {
		return fmt.Errorf("I6: %s %q is decided twice", e.Kind, e.EventID)
	}
	d.made[key] = decisionOf(&e.Result)
	if e.Kind == event.Transfer && e.Outcome == event.Accepted {
		d.sent[key] = e.Amount
	}
	return nil
}

// waiting: nothing waits that needn't, and every accepted transfer was sent,
// whole and once.
func (d *decisions) waiting(watermark event.Time, r *oracle.Records) error {
	for key, e := range d.pending {
		if e.EffectiveAt <= watermark {
			return fmt.Errorf("%s %v waits at %s, but the watermark is %s", e.Kind, key, e.EffectiveAt, watermark)
		}
	}
	for _, sent := range r.Remittances {
		key := [2]string{sent.From, sent.EventID}
		if amount, ok := d.sent[key]; !ok || amount != sent.Amount() {
			return fmt.Errorf("transfer %v of %d sent %+v", key, amount, sent)
		}
		delete(d.sent, key)
	}
	if len(d.sent) > 0 {
		return fmt.Errorf("transfers %v were accepted and not sent", slices.Collect(maps.Keys(d.sent)))
	}
	return nil
}

func TestADecisionNeverChanges(t *testing.T) {
	property(t, gen.Options{TakeOvers: true}, func(s gen.Scenario) error {
		d := newDecisions()
		var err error
		s.Run(func(tx *gen.Transaction, m *oracle.Model, r *oracle.Records) bool {
			if err = d.see(m, r); err != nil {
				err = fmt.Errorf("after tx %s: %w", oracle.TimeText(tx.Now), err)
			}
			return err == nil
		})
		return err
	})
}

// I1: two arrival orders that decide alike end alike. Those that don't are
// passed over, but most of what is small enough does.
func TestArrivalOrdersThatDecideAlikeEndAlike(t *testing.T) {
	compared := 0
	property(t, gen.Options{OrderFree: true, Decisions: true, Transactions: 6}, func(s gen.Scenario) error {
		want, end := decidedIn(s), endOf(s)
		for n := range uint64(4) {
			other := gen.Shuffle(s, n)
			if !maps.Equal(decidedIn(other), want) {
				continue
			}
			compared++
			if got := endOf(other); got != end {
				return fmt.Errorf("ends in\n%sbut shuffled to\n%sit ends in\n%s", end, other, got)
			}
		}
		return nil
	})
	t.Logf("%d shuffles decided alike", compared)
	if compared < int(*histories/10) {
		t.Errorf("only %d shuffles of %d histories decided alike", compared, *histories)
	}
}

// decidedIn is everything that arrival decided, and what transfers brought.
func decidedIn(s gen.Scenario) map[string]string {
	all := map[string]string{}
	last := lastOf(s)
	for _, user := range gen.Users {
		for _, t := range last.Taken(user) {
			key := fmt.Sprintf("%s %s %s", user, t.Event.Kind, t.Event.ID)
			if t.Remittance != nil {
				key += " from " + t.Remittance.From
				all[key] = fmt.Sprint(t.Remittance.Grants)
				continue
			}
			all[key] = fmt.Sprint(t.Rejected, t.Amount)
		}
	}
	return all
}

// I1: with its decisions given, what was taken may be replayed in any order.
func TestReplayTakesDecisionsInAnyOrder(t *testing.T) {
	property(t, gen.Options{}, func(s gen.Scenario) error {
		last := lastOf(s)
		r := rand.New(rand.NewPCG(uint64(len(s.Transactions)), 1))
		for _, user := range gen.Users {
			taken := last.Taken(user)
			r.Shuffle(len(taken), func(i, j int) { taken[i], taken[j] = taken[j], taken[i] })
			history, err := oracle.Replay(taken)
			if err != nil {
				return err
			}
			for asset, again := range history.Credits {
				line, _ := last.Said(user, asset)
				if got, want := itemsText(again), itemsText(line); got != want {
					return fmt.Errorf("%s/%s ends in\n%sbut in another order in\n%s", user, asset, want, got)
				}
			}
		}
		return nil
	})
}

func itemsText(line *oracle.Timeline) string {
	text := ""
	for _, it := range line.Items {
		text += fmt.Sprintf("@%s %s %s %+v %+v\n", oracle.TimeText(it.Place.Time), it.ID, oracle.ResultText(&it.Result), it.Result.Repaid, it.Result.After)
	}
	return text
}
