package verify

import (
	"container/heap"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/oracle"
)

// settling is what waits to be settled in one account, and what was.
type settling struct {
	waiting waitingItems
	done    map[string]bool
	// wanted are the settled entries that must be there, by onceAs.
	wanted map[string]*wantedEntry
}

// wantedEntry is a settled entry that must be there.
type wantedEntry struct {
	event.Entry
	// hasBalances is whether the account at its place is known.
	hasBalances bool
}

func newSettling() settling {
	return settling{done: map[string]bool{}, wanted: map[string]*wantedEntry{}}
}

// onceAs is what an entry is settled by: a due item that moves to another time
// isn't settled there again.
func onceAs(e *event.Entry) string {
	if e.Kind == event.Received {
		return e.Kind.String() + "/" + e.Counterparty + "/" + e.EventID
	}
	return e.EventID
}

// waitingItem is an item that was said, with its entry.
type waitingItem struct {
	place event.Place
	entry *event.Entry
	// behind is whether it came into being behind the watermark.
	behind bool
}

// waitingItems is a heap by place.
type waitingItems []waitingItem

// Len, Less, Swap, Push and Pop are container/heap's.
func (q waitingItems) Len() int           { return len(q) }
func (q waitingItems) Less(i, j int) bool { return q[i].place.Before(q[j].place) }
func (q waitingItems) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push adds an item.
func (q *waitingItems) Push(x any) { *q = append(*q, x.(waitingItem)) }

// Pop takes the last item off.
func (q *waitingItems) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

func (s *settling) wait(place event.Place, e *event.Entry, behind bool) {
	heap.Push(&s.waiting, waitingItem{place, e, behind})
}

// settle notes what the watermark passes: by its own move, or what an event
// brought behind it. Each item is settled as it stands now.
func (w *walk) settle(watermark event.Time, behind bool) {
	s := &w.ledger
	results := w.fold.Results(w.name.User, w.name.Asset)
	for len(s.waiting) > 0 && s.waiting[0].place.Time <= watermark {
		item := heap.Pop(&s.waiting).(waitingItem)
		id := onceAs(item.entry)
		result, stands := results[oracle.EntryKey(item.entry)]
		if !stands || s.done[id] {
			continue // it vanished, or appeared again
		}
		s.done[id] = true
		want := &wantedEntry{Entry: *item.entry}
		want.Result = result
		if item.entry.Kind.IsDue() {
			want.AfterFinal = item.behind || behind
		}
		if w.line != nil {
			if at := w.item(item.entry.EventID, item.place); at != nil {
				want.Result, want.hasBalances = at.Result, !item.entry.Kind.IsOrder()
			}
		}
		s.wanted[id] = want
	}
}

// checkSettled compares the settled entries with those that must be there.
func (w *walk) checkSettled() {
	if !w.h.v.Settled {
		if len(w.settled) > 0 {
			w.fail(checkSettled, "%s was settled, but the setting says that nothing is", where(w.settled[0].record))
		}
		return
	}
	wanted := w.ledger.wanted
	for _, p := range w.settled {
		e := &p.value
		w.h.report.count(checkSettled, "items", 1)
		id := onceAs(e)
		want := wanted[id]
		if want == nil {
			why := "the watermark hasn't passed it, or it isn't in the replay"
			if w.ledger.done[id] {
				why = "it was settled before"
			}
			w.fail(checkSettled, "%s: %s %s at %s is settled, but %s", where(p.record), e.Kind, e.EventID, e.EffectiveAt, why)
			continue
		}
		delete(wanted, id)
		is := e.Result
		if !want.hasBalances {
			// No correction tells what else a grant repays.
			is.Repaid, want.Repaid = nil, nil
			is.Omitted.Repaid, want.Omitted.Repaid = 0, 0
		}
		if d := sameResult(&want.Result, &is, want.hasBalances); d != "" {
			w.fail(checkSettled, "%s: %s %s at %s: %s", where(p.record), e.Kind, e.EventID, e.EffectiveAt, d)
		}
		if e.Kind != want.Kind || e.OccurredAt != want.OccurredAt || e.EffectiveAt != want.EffectiveAt || e.ArrivedAt != want.ArrivedAt ||
			e.Input != want.Input || e.Counterparty != want.Counterparty || e.Revision != want.Revision ||
			e.Late != want.Late || e.AfterFinal != want.AfterFinal {
			w.fail(checkSettled, "%s: %s %s at %s (late %t, after_final %t) is not the entry it settles: %s at %s (late %t, after_final %t)", where(p.record),
				e.Kind, e.EventID, e.EffectiveAt, e.Late, e.AfterFinal, want.Kind, want.EffectiveAt, want.Late, want.AfterFinal)
		}
		if e.EffectiveAt > e.Watermark {
			w.fail(checkSettled, "%s: %s %s at %s is settled at the watermark %s, which hasn't passed it", where(p.record), e.Kind, e.EventID, e.EffectiveAt, e.Watermark)
		}
	}
	for id, want := range wanted {
		w.fail(checkSettled, "%s %s at %s was never settled; the watermark is %s", want.Kind, id, want.EffectiveAt, w.h.chain.last().watermark)
	}
}

// checkSettledOrder checks that each user's items are settled in the order of
// their places, but for those that came into being behind the watermark.
func (h *history) checkSettledOrder() {
	type spot struct {
		place event.Place
		asset string
		where string
	}
	last := map[string]spot{}
	for _, p := range h.settled {
		e := &p.value
		if e.AfterFinal {
			h.report.count(checkSettled, "of them after_final", 1)
			continue
		}
		place := placeOf(e.Kind, e.EventID, e.EffectiveAt)
		if !e.Kind.IsDue() {
			in := h.of(e)
			if in == nil || in.refusal != nil {
				h.report.fail(checkSettled, "%s: %s of %s settles no event that was taken", where(p.record), e.EventID, e.UserID)
				continue
			}
			place = in.place()
		}
		before, known := last[e.UserID]
		if known && (place.Before(before.place) || place == before.place && strings.Compare(e.Asset, before.asset) < 0) {
			h.report.fail(checkSettled, "%s: %s of %s at %s stands before %s, which was settled before it", where(p.record), e.EventID, e.UserID, e.EffectiveAt, before.where)
		}
		last[e.UserID] = spot{place, e.Asset, where(p.record)}
	}
}
