package gen

import (
	"strings"
	"testing"

	"highwater/pkg/event"
	"highwater/pkg/oracle"
)

// Every kind of record, every outcome and every hard case comes up, or the
// property tests prove less than they say.
func TestRandomCovers(t *testing.T) {
	const scenarios = 10_000
	seen := map[string]int{}
	for seed := range uint64(scenarios) {
		s := Random(seed, Options{})
		revoked := map[string]bool{}
		s.Run(func(tx *Transaction, _ *oracle.Model, r *oracle.Records) bool {
			countRevokes(seen, revoked, tx, r)
			countEntries(seen, r)
			countCorrections(seen, r)
			countOthers(seen, r)
			return true
		})
	}
	for what := range strings.SplitSeq(strings.TrimSpace(comesUp), "\n") {
		t.Logf("%6d %s", seen[what], what)
		if seen[what] < 10 {
			t.Errorf("%s: came up %d times in %d scenarios", what, seen[what], scenarios)
		}
	}
}

const comesUp = `
grant applied
grant rejected grant_exists
add applied
revoke applied
revoke ignored unknown_reference
subtract applied
expired applied
activated applied
hold_expired applied
received applied
spend accepted
spend rejected risk_limited
spend rejected insufficient_funds
hold accepted
hold rejected risk_limited
hold rejected insufficient_funds
transfer accepted
transfer rejected risk_limited
transfer rejected insufficient_funds
refund accepted
refund rejected unknown_reference
refund rejected not_a_spend
refund rejected before_reference
refund rejected already_refunded
refund rejected exceeds_refundable
refund pending
capture accepted
capture rejected unknown_reference
capture rejected not_a_spend
capture rejected before_reference
capture rejected hold_resolved
capture rejected hold_expired
capture rejected exceeds_held
capture pending
release accepted
release rejected unknown_reference
release rejected not_a_spend
release rejected before_reference
release rejected hold_resolved
release rejected hold_expired
release pending
refund decided: accepted
refund decided: rejected unknown_reference
refund decided: rejected not_a_spend
refund decided: rejected before_reference
capture decided: accepted
capture decided: rejected unknown_reference
release decided: accepted
decided late
capture short
subtract short
refund undoes
refund undoes and gives back
refund restores
refund restores several
refund forfeits
refund gives back to a revoked grant
refund repays
release restores
release forfeits
release gives back to a revoked grant
release leaves something
release repays
hold_expired restores
hold_expired forfeits
hold_expired gives back to a revoked grant
hold_expired repays
received repays
received several grants
received late
received after_final
revoke takes from a made grant
revoke of a made grant takes nothing
revoke correction applied
correction by received
correction by a decided operation
due item moves
refund changed
release changed
capture short by correction
spend short by correction
hold short by correction
transfer short by correction
hold_expired appears
hold_expired vanishes
place applied
place ignored duplicate_order
place ignored risk_limited
pause applied
pause ignored not_active
pause ignored unknown_order
resume applied
resume ignored not_paused
cancel applied
cancel ignored unknown_order
cancel_all applied
cancel_all of several
dead letter malformed
dead letter invalid
dead letter wrong_partition
dead letter from_the_future
dead letter too_old
dead letter event_conflict
late
after_final
late due correction
repaid
repaid by activation
shortfall
debt
shortfall raised
due item appears
due item vanishes
correction without lateness
balance stretch
held stretch
debt stretch
closed stretch
order correction
due item after_final
settled due item after_final
tombstone
order state
final window revised
watermark
remittance
remittance of several grants
alert shortfall
alert spend_amount_limit
alert spend_count_limit
alert live_orders_limit
alert order_notional_limit
`

func countEntries(seen map[string]int, r *oracle.Records) {
	for _, e := range r.Entries {
		kind := e.Kind.String()
		name := " " + e.Outcome.String()
		if e.Code != 0 {
			name += " " + e.Code.String()
		}
		if e.Revision == 1 {
			seen[kind+" decided:"+name]++
		} else {
			seen[kind+name]++
		}
		tick := func(on bool, what string) {
			if on {
				seen[what]++
			}
		}
		tick(e.Late, "late")
		tick(e.AfterFinal, "after_final")
		tick(e.Late && e.Revision == 1, "decided late")
		tick(e.AfterFinal && e.Kind.IsDue(), "due item after_final")
		tick(e.Shortfall > 0, "shortfall")
		tick(e.Shortfall > 0, kind+" short")
		tick(e.After.Debt > 0, "debt")
		tick(len(e.Repaid) > 0, "repaid")
		tick(len(e.Repaid) > 0, kind+" repays")
		tick(len(e.Repaid) > 0 && e.Kind.IsDue(), "repaid by activation")
		tick(e.Order.Cancelled > 1, "cancel_all of several")
		tick(e.Late, kind+" late")
		tick(e.AfterFinal, kind+" after_final")
		countGivingBack(&e, tick)
		if e.Kind == event.Received {
			tick(len(e.Slices) > 1, "received several grants")
		}
		if e.Kind == event.Revoke && e.Outcome == event.Applied {
			for _, s := range e.Slices {
				tick(strings.Contains(s.GrantID, "/"), "revoke takes from a made grant")
			}
		}
	}
}

// countRevokes tells what became of revoked grants. It takes the order of
// arrival for that of events.
func countRevokes(seen map[string]int, revoked map[string]bool, tx *Transaction, r *oracle.Records) {
	refs := map[string]string{}
	for _, a := range tx.Arrivals {
		if a.Event.Kind == event.Revoke {
			refs[a.Event.User+" "+a.Event.ID] = a.Event.Ref
		}
	}
	for _, e := range r.Entries {
		switch e.Kind {
		case event.Revoke:
			ref := refs[e.UserID+" "+e.EventID]
			if e.Outcome == event.Applied {
				revoked[e.UserID+" "+ref] = true
				if strings.Contains(ref, "/") && e.Amount == 0 {
					seen["revoke of a made grant takes nothing"]++
				}
			}
		case event.Refund, event.Release, event.HoldExpired:
			for _, s := range e.Slices {
				if revoked[e.UserID+" "+s.GrantID] {
					seen[e.Kind.String()+" gives back to a revoked grant"]++
				}
			}
		}
	}
}

// countGivingBack tells what became of what was given back by its slices: a
// restored grant has an id of the giver's, and what expires at or before the
// giving back was forfeited or revoked.
func countGivingBack(e *event.Entry, tick func(bool, string)) {
	kind := e.Kind.String()
	switch e.Kind {
	case event.Refund, event.Release, event.HoldExpired:
	default:
		return
	}
	restored, sum := 0, event.Amount(0)
	for _, s := range e.Slices {
		sum += s.Amount
		made := strings.HasPrefix(s.GrantID, e.EventID+"/")
		if made {
			restored++
		}
		gone := s.ExpiresAt != event.NoTime && s.ExpiresAt <= e.EffectiveAt
		tick(!made && gone, kind+" forfeits")
	}
	tick(restored > 0, kind+" restores")
	tick(restored > 1, kind+" restores several")
	tick(e.Undone > 0, kind+" undoes")
	tick(e.Undone > 0 && sum > 0, kind+" undoes and gives back")
	tick(e.Kind == event.Release && e.Outcome == event.Accepted && sum < e.Amount, "release leaves something")
}

func countCorrections(seen map[string]int, r *oracle.Records) {
	revisions := map[string]bool{}
	for _, e := range r.Entries {
		revisions[e.UserID+"/"+e.EventID] = e.Revision == 1
	}
	for _, c := range r.Corrections {
		if c.Cause.LateBy == 0 {
			seen["correction without lateness"]++
		}
		if c.Asset == "" {
			seen["order correction"]++
		}
		if c.Cause.Kind == event.Received {
			seen["correction by received"]++
		}
		if revisions[c.UserID+"/"+c.Cause.EventID] {
			seen["correction by a decided operation"]++
		}
		for _, s := range c.Changes {
			seen["balance stretch"]++
			if s.Held != 0 {
				seen["held stretch"]++
			}
			if s.Debt != 0 {
				seen["debt stretch"]++
			}
			if s.To >= 0 {
				seen["closed stretch"]++
			}
		}
		ids := map[string]bool{}
		for _, ch := range c.Entries {
			if ids[ch.EventID] {
				seen["due item moves"]++
			}
			ids[ch.EventID] = true
			countChange(seen, &ch)
		}
	}
}

func countChange(seen map[string]int, ch *event.EntryChange) {
	kind := ch.Kind.String()
	switch {
	case ch.Before == nil:
		seen["due item appears"]++
		seen[kind+" appears"]++
		return
	case ch.After == nil:
		seen["due item vanishes"]++
		seen[kind+" vanishes"]++
		return
	case ch.Kind.IsDue():
		seen["late due correction"]++
	}
	seen[kind+" changed"]++
	if ch.Kind == event.Revoke && ch.Before.Outcome != ch.After.Outcome {
		seen["revoke correction "+ch.After.Outcome.String()]++
	}
	if ch.After.Shortfall > ch.Before.Shortfall {
		seen["shortfall raised"]++
		seen[kind+" short by correction"]++
	}
}

func countOthers(seen map[string]int, r *oracle.Records) {
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
	for _, a := range r.Alerts {
		seen["alert "+a.Kind.String()]++
	}
	for _, m := range r.Remittances {
		seen["remittance"]++
		if len(m.Grants) > 1 {
			seen["remittance of several grants"]++
		}
	}
	seen["watermark"] += len(r.Watermarks)
}
