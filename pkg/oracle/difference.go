package oracle

import (
	"slices"

	"highwater/pkg/event"
)

// stretches are the times over which two replays of an account differ, by how
// much. The last one is open where a difference stands at the end.
func stretches(before, after []Item) []event.Stretch {
	old, now := levels(before), levels(after)
	var times []event.Time
	for t := range old {
		times = append(times, t)
	}
	for t := range now {
		times = append(times, t)
	}
	slices.Sort(times)
	times = slices.Compact(times)

	var out []event.Stretch
	var was, is, last event.Balances
	for _, t := range times {
		if b, ok := old[t]; ok {
			was = b
		}
		if b, ok := now[t]; ok {
			is = b
		}
		d := event.Balances{Balance: is.Balance - was.Balance, Held: is.Held - was.Held, Debt: is.Debt - was.Debt}
		if d == last {
			continue
		}
		if last != (event.Balances{}) {
			out[len(out)-1].To = t
		}
		if d != (event.Balances{}) {
			out = append(out, event.Stretch{From: t, To: event.NoTime, Balances: d})
		}
		last = d
	}
	return out
}

// levels is the account after everything that happens at each time.
func levels(items []Item) map[event.Time]event.Balances {
	m := make(map[event.Time]event.Balances, len(items))
	for _, it := range items {
		m[it.Place.Time] = it.Result.After
	}
	return m
}

// entryChanges are the items whose results differ between two replays, or
// that stand in only one of them, by place: a due item at another time is
// another one. The cause's own is left out.
func entryChanges(before, after []Item, cause event.Place) []event.EntryChange {
	type pair struct{ before, after *Item }
	pairs := map[event.Place]*pair{}
	for i := range before {
		pairs[before[i].Place] = &pair{before: &before[i]}
	}
	for i := range after {
		p := pairs[after[i].Place]
		if p == nil {
			p = &pair{}
			pairs[after[i].Place] = p
		}
		p.after = &after[i]
	}
	delete(pairs, cause)

	var changed []*Item
	for _, p := range pairs {
		switch {
		case p.before == nil:
			changed = append(changed, p.after)
		case p.after == nil || !p.before.Result.Same(&p.after.Result):
			changed = append(changed, p.before)
		}
	}
	slices.SortFunc(changed, func(a, b *Item) int { return a.Place.Compare(b.Place) })

	var out []event.EntryChange
	for _, it := range changed {
		c := event.EntryChange{EventID: it.ID, Kind: it.Kind, EffectiveAt: it.Place.Time}
		if p := pairs[it.Place]; p.before != nil {
			c.Before = &p.before.Result
		}
		if p := pairs[it.Place]; p.after != nil {
			c.After = &p.after.Result
		}
		out = append(out, c)
	}
	return out
}

// partItems is how many stretches and entries one part of a correction holds.
const partItems = 500

// parts cuts a correction, stretches first, each part full but the last.
func parts(whole event.Correction) []event.Correction {
	total := len(whole.Changes) + len(whole.Entries)
	count := (total + partItems - 1) / partItems
	var out []event.Correction
	changes, entries := whole.Changes, whole.Entries
	for n := range count {
		p := whole
		p.Part, p.Parts = int32(n+1), int32(count)
		take := min(partItems, len(changes))
		p.Changes, changes = changes[:take:take], changes[take:]
		take = min(partItems-take, len(entries))
		p.Entries, entries = entries[:take:take], entries[take:]
		out = append(out, p)
	}
	return out
}
