package engine_test

import (
	"fmt"
	"maps"
	"slices"

	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/oracle"
)

// everything asks for all of an explanation at once.
var everything = engine.Wanted{Limit: 1 << 20, MaxUses: 1 << 20}

// explains holds an explanation against the replay's items: sums, the balance
// they make, and that every slice and repayment of every item is told once.
func (y *eyes) explains(v *engine.View, a *engine.Account, line *oracle.Timeline, at event.Time) error {
	want, entered := line.BalanceAt(at)
	x := v.Explain(a, at, everything)
	if err := v.Err(); err != nil {
		return err
	}
	if got := x.State.Balances(); x.Entered != entered || got != want || !x.Sums.Conserved(got) {
		return fmt.Errorf("%v, sums %v, want %v", got, x.Sums, want)
	}
	c := v.Conservation(a, at)
	for i, n := range []int64{c.Credited, c.Available, c.Held, c.Consumed, c.Expired, c.Revoked, c.Sent} {
		is := x.Sums.Credited
		if i > 0 {
			is = x.Sums.In[i]
		}
		if is.Int64() != n {
			return fmt.Errorf("the sums are %v, want %+v", x.Sums, c)
		}
	}
	items := line.UpTo(event.EndOf(at))
	short, missed := 0, int64(0)
	for _, it := range items {
		if n := it.Result.Shortfall; n > 0 && it.Kind != event.Hold {
			short++
			missed += n
		}
	}
	if x.Short != short || x.Missed != missed {
		return fmt.Errorf("%d events missed %d, want %d and %d", x.Short, x.Missed, short, missed)
	}
	if err := tellsEverySlice(x.Grants, items); err != nil {
		return err
	}
	made := map[string]*engine.ExplainedGrant{}
	for _, g := range x.Grants {
		made[g.ID] = g
		if err := addsUp(g); err != nil {
			return fmt.Errorf("grant %s: %w", g.ID, err)
		}
	}
	if err := y.pagesOf(v, a, at, x); err != nil {
		return err
	}
	return y.leftAt(v, a, at, made, items)
}

// addsUp follows a grant's uses.
func addsUp(g *engine.ExplainedGrant) error {
	var in engine.Buckets
	if g.Credited {
		in[engine.InAvailable] = g.Amount
	}
	for _, u := range g.Uses {
		from := u.From
		if from == engine.Nowhere {
			from = engine.InAvailable
		}
		if in[from] < u.Amount || u.Amount <= 0 {
			return fmt.Errorf("%+v isn't there: %v", u, in)
		}
		in[from] -= u.Amount
		in[u.To] += u.Amount
	}
	if in != g.In {
		return fmt.Errorf("its uses make %v, not %v", in, g.In)
	}
	return nil
}

// tellsEverySlice compares what entries say with what uses say.
func tellsEverySlice(grants []*engine.ExplainedGrant, items []oracle.Item) error {
	want, got := map[string]event.Amount{}, map[string]event.Amount{}
	at := func(p event.Place) string { return fmt.Sprintf("%+v", p) }
	for _, it := range items {
		for _, s := range it.Result.Slices {
			if it.Kind != event.Activated { // moves nothing by itself
				want[at(it.Place)+" "+s.GrantID] += s.Amount
			}
		}
		for _, r := range it.Result.Repaid {
			want[at(it.Place)+" "+r.GrantID+" repays "+r.EventID] += r.Amount
		}
	}
	for _, g := range grants {
		if g.Origin == "" {
			got[at(g.Place)+" "+g.ID] += g.Amount
		}
		for _, u := range g.Uses {
			switch {
			case u.From == engine.Nowhere:
			case u.Repays != "":
				got[at(u.At.Place)+" "+g.ID+" repays "+u.Repays] += u.Amount
			case u.Restored != "":
				got[at(u.At.Place)+" "+u.Restored] += u.Amount
			default:
				got[at(u.At.Place)+" "+g.ID] += u.Amount
			}
		}
	}
	if maps.Equal(want, got) {
		return nil
	}
	for key, n := range want {
		if got[key] != n {
			return fmt.Errorf("of %s the entries say %d, the uses %d", key, n, got[key])
		}
	}
	return fmt.Errorf("the uses tell %v, the entries %v", got, want)
}

// pagesOf holds pages of an explanation against the whole.
func (y *eyes) pagesOf(v *engine.View, a *engine.Account, at event.Time, whole *engine.Explanation) error {
	var ids []string
	w := engine.Wanted{Limit: 1 + y.IntN(3), MaxUses: 1}
	for {
		x := v.Explain(a, at, w)
		for _, g := range x.Grants {
			ids = append(ids, g.ID)
			w.Behind = engine.GrantPlace{Place: g.Place, Number: g.Number}
			if full := whole.Grants[len(ids)-1]; full.ID != g.ID || len(g.Uses)+g.More != len(full.Uses) || g.In != full.In {
				return fmt.Errorf("the %dth grant by pages is %+v, want %+v", len(ids), g, full)
			}
		}
		if x.Sums.Credited.Cmp(whole.Sums.Credited) != 0 || x.GrantCount != len(whole.Grants) {
			return fmt.Errorf("a page has other sums")
		}
		if !x.More {
			break
		}
	}
	if len(ids) != len(whole.Grants) {
		return fmt.Errorf("by pages %q, want %d", ids, len(whole.Grants))
	}
	if len(ids) == 0 {
		return nil
	}
	one := whole.Grants[y.IntN(len(ids))]
	w = engine.Wanted{GrantID: one.ID, Limit: 1 + y.IntN(2)}
	var uses []engine.Use
	for {
		x := v.Explain(a, at, w)
		if len(x.Grants) != 1 {
			return fmt.Errorf("%q isn't found", one.ID)
		}
		uses = append(uses, x.Grants[0].Uses...)
		if x.Grants[0].More == 0 {
			break
		}
		w.Behind = uses[len(uses)-1].At
	}
	if !slices.Equal(uses, one.Uses) {
		return fmt.Errorf("uses of %s by pages %+v, want %+v", one.ID, uses, one.Uses)
	}
	return nil
}

// leftAt holds what a standing shows of grants and holds against what was
// explained of them.
func (y *eyes) leftAt(v *engine.View, a *engine.Account, at event.Time, made map[string]*engine.ExplainedGrant, items []oracle.Item) error {
	for _, s := range []engine.Standing{v.Standing(a, at), v.StandingKnown(a, at, event.MaxTime)} {
		for left := range s.Grants() {
			g, ok := v.Granted(a.User, left.ID)
			x := made[left.ID]
			if !ok || x == nil {
				return fmt.Errorf("grant %s of %+v isn't found", left.ID, left)
			}
			id, kind := g.MadeBy()
			if s.Amount(&g) != x.Amount || id != x.EventID || kind != x.Kind || g.By.From() != x.From || left.Origin != x.Origin || g.Restored != (x.Origin != "") ||
				left.Remaining != x.Remaining && left.State != engine.FutureGrant || left.Held != x.In[engine.InHeld] || left.Priority != x.Priority || left.EffectiveAt != x.EffectiveAt {
				return fmt.Errorf("grant %s is %+v made by %s %s, but explained as %+v", left.ID, left, kind, id, x)
			}
		}
		behind := ""
		for h := range v.HoldsLeft(a, &s, behind) {
			captured := event.Amount(0)
			for _, it := range items {
				if it.Kind == event.Capture && it.Result.Outcome == event.Accepted && it.Taken.Event.Ref == h.ID {
					captured += it.Result.Amount
				}
			}
			if h.Captured != captured || h.Amount < h.Captured+h.Left || h.Held > h.Left || h.ID <= behind {
				return fmt.Errorf("hold %+v, captured %d", h, captured)
			}
			behind = h.ID
			for rest := range v.HoldsLeft(a, &s, behind) {
				if rest.ID <= behind {
					return fmt.Errorf("hold %s stands behind %s", rest.ID, behind)
				}
			}
		}
	}
	return nil
}
