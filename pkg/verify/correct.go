package verify

import (
	"strconv"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// maxPartItems is how many stretches and entries one part of a correction has
// at most.
const maxPartItems = 500

// correct takes the corrections that an event caused, given the newest thing
// said before it.
func (w *walk) correct(p *published[event.Entry], place, head event.Place) {
	e := &p.value
	part := int32(0)
	for len(w.corrections) > 0 && blames(&w.corrections[0].value, e) {
		c := w.corrections[0]
		w.corrections = w.corrections[1:]
		w.h.report.count(checkCorrections, "corrections", 1)
		part++
		w.checkCause(c, p, place, head)
		k := &c.value
		last := len(w.corrections) == 0 || !blames(&w.corrections[0].value, e)
		items := len(k.Changes) + len(k.Entries)
		if k.Part != part || last != (k.Part == k.Parts) || items > maxPartItems || items < maxPartItems && !last && !w.isLong(c) {
			w.fail(checkCorrections, "%s: part %d of %d with %d items, after %d parts", where(c.record), k.Part, k.Parts, items, part-1)
		}
		w.checkStretches(c, place)
		if err := w.fold.Correct(k); err != nil {
			w.fail(checkCorrections, "%s: %v", where(c.record), err)
		}
		w.change(k)
	}
}

// isLong reports whether a part and the next one are long enough together to
// have been cut by bytes: by an estimate of 1 MiB.
func (w *walk) isLong(c *published[event.Correction]) bool {
	const atLeast = 256 << 10
	return len(c.record.Value)+len(w.corrections[0].record.Value) >= atLeast
}

// blames reports whether a correction names an entry's event. An id may be that
// of an event of the user and of what somebody sent.
func blames(c *event.Correction, e *event.Entry) bool {
	return c.Cause.EventID == e.EventID && (c.Cause.Kind == event.Received) == (e.Kind == event.Received)
}

// checkCause checks what a correction blames, and when it was said.
func (w *walk) checkCause(c *published[event.Correction], p *published[event.Entry], place, head event.Place) {
	k, e := &c.value, &p.value
	lateBy := int64(0)
	if place.Before(head) {
		lateBy = int64(head.Time - place.Time)
	}
	want := event.Cause{EventID: e.EventID, Kind: e.Kind, OccurredAt: e.OccurredAt, Input: e.Input, LateBy: lateBy}
	if k.Cause != want {
		w.fail(checkCorrections, "%s blames %s %s of %s (%s), late by %d us; expected %s %s of %s (%s), late by %d us", where(c.record),
			k.Cause.Kind, k.Cause.EventID, k.Cause.OccurredAt, kafka.FormatPosition(k.Cause.Input), k.Cause.LateBy,
			want.Kind, want.EventID, want.OccurredAt, kafka.FormatPosition(want.Input), want.LateBy)
	}
	if k.AfterFinal != e.AfterFinal || k.CommittedAt != e.CommittedAt || k.Watermark != e.Watermark {
		w.fail(checkCorrections, "%s: after_final %t, committed_at %s and watermark %s are not those of its cause, %s", where(c.record), k.AfterFinal, k.CommittedAt, k.Watermark, where(p.record))
	}
}

// checkStretches checks that a correction says no more than it must.
func (w *walk) checkStretches(c *published[event.Correction], place event.Place) {
	k := &c.value
	from, last := place.Time, event.Balances{}
	for i, s := range k.Changes {
		w.h.report.count(checkCorrections, "stretches", 1)
		switch {
		case s.From < from || s.To != event.NoTime && s.To <= s.From || s.Balances == event.Balances{},
			i > 0 && k.Changes[i-1].To == event.NoTime,
			i > 0 && s.From == k.Changes[i-1].To && s.Balances == last:
			w.fail(checkCorrections, "%s: the stretch from %s to %s, balance %+d, is empty, changes nothing, or isn't behind the one before",
				where(c.record), s.From, s.To, s.Balance)
		}
		last = s.Balances
		if from = s.To; from == event.NoTime {
			from = s.From
		}
	}
	for i := range k.Entries {
		w.h.report.count(checkCorrections, "changed entries", 1)
		x := &k.Entries[i]
		isSame := x.Before != nil && x.After != nil && x.Before.Same(x.After) && x.Before.Omitted.Slices == 0
		if x.Before == nil && x.After == nil || isSame {
			w.fail(checkCorrections, "%s: %s is said to change, but doesn't", where(c.record), x.EventID)
		}
		if (x.Before == nil || x.After == nil) && !x.Kind.IsDue() {
			w.fail(checkCorrections, "%s: %s is no due item, but is said to appear or vanish", where(c.record), x.EventID)
		}
	}
}

// change takes in what a correction brings, other than to the fold.
func (w *walk) change(k *event.Correction) {
	for _, s := range k.Changes {
		if s.To == event.NoTime {
			w.now.Balance += s.Balance
			w.now.Held += s.Held
			w.now.Debt += s.Debt
		}
	}
	for i := range k.Entries {
		x := &k.Entries[i]
		if x.Before == nil && x.After != nil {
			w.ledger.wait(placeOf(x.Kind, x.EventID, x.EffectiveAt), &event.Entry{
				EventID: x.EventID, UserID: k.UserID, Asset: k.Asset, Kind: x.Kind,
				OccurredAt: x.EffectiveAt, EffectiveAt: x.EffectiveAt, ArrivedAt: event.NoTime,
			}, false)
		}
		w.checkDecidedOnce(k, x)
		was := int64(0)
		if x.Before != nil {
			was = x.Before.Shortfall
		}
		if x.After != nil && x.After.Shortfall > was {
			w.want(x.EventID, x.After.Shortfall)
		}
	}
}

// want notes an alert that must be there.
func (w *walk) want(eventID string, shortfall int64) {
	w.wanted = append(w.wanted, event.Alert{
		Kind: event.ShortfallAlert, EventID: eventID, Value: strconv.FormatInt(shortfall, 10), Limit: "0",
	})
}

// checkAlerts compares the alerts with those that must be there, in order.
func (w *walk) checkAlerts() {
	for i := range max(len(w.wanted), len(w.alerts)) {
		if i >= len(w.alerts) {
			a := w.wanted[i]
			w.fail(checkAlerts, "no alert %s of %s, value %s", a.Kind, a.EventID, a.Value)
			return
		}
		p := w.alerts[i]
		a := p.value
		if i >= len(w.wanted) {
			w.fail(checkAlerts, "%s: an alert %s of %s, value %s, that nothing brought", where(p.record), a.Kind, a.EventID, a.Value)
			return
		}
		want := w.wanted[i]
		if a.Kind != want.Kind || a.EventID != want.EventID || a.Value != want.Value || a.Limit != want.Limit {
			w.fail(checkAlerts, "%s: alert %s of %s, value %s, limit %s; expected %s of %s, value %s, limit %s", where(p.record),
				a.Kind, a.EventID, a.Value, a.Limit, want.Kind, want.EventID, want.Value, want.Limit)
			return
		}
		if a.Message == "" {
			w.fail(checkAlerts, "%s has no message", where(p.record))
		}
		w.h.report.count(checkAlerts, "alerts", 1)
	}
}
