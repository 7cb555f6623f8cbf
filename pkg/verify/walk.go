package verify

import (
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/oracle"
)

// maxSteps bounds the items that are replayed to check one account: one with
// up to some 450 events is replayed after each of them, a longer one now and
// then.
const maxSteps = 200_000

// walk goes through what was said about one account, in the order in which it
// was said, and replays the events as far as they were processed.
type walk struct {
	h *history
	*said
	fold *oracle.Fold
	// taken are the events processed so far; line is their replay, nil where
	// it wasn't made.
	taken  []oracle.Taken
	line   *oracle.Timeline
	stride int
	events int
	// head is the newest thing said, now the account there; behind is the
	// watermark that the last event found.
	head   event.Place
	now    event.Balances
	behind event.Time
	// moved is the last entry of the transaction so far that isn't pending.
	moved *event.Entry

	ledger  settling
	wanted  []event.Alert
	history []event.Balance
}

func newWalk(h *history, s *said) *walk {
	w := &walk{h: h, said: s, fold: oracle.NewFold(), behind: -1, ledger: newSettling()}
	for _, e := range s.entries {
		if !e.value.Kind.IsDue() && e.value.Outcome != event.Pending {
			w.events++
		}
	}
	w.stride = max(1, w.events*w.events/maxSteps)
	if rules := h.v.Policies.Orders; w.name.Asset == "" && rules != (event.OrderPolicy{}) {
		w.stride = 1 // what is live decides about every order
	}
	return w
}

func (w *walk) fail(check, format string, args ...any) {
	w.h.report.fail(check, "%s: "+format, append([]any{w.describe()}, args...)...)
}

func (w *walk) run() {
	w.replay()
	for i, p := range w.entries {
		e := &p.value
		if e.Kind.IsDue() {
			w.due(p)
		} else {
			w.event(p)
		}
		if w.name.Asset != "" && w.moved != nil && (i+1 == len(w.entries) || w.entries[i+1].value.CommittedAt != e.CommittedAt) {
			w.history = append(w.history, event.Balance{
				Balances: w.now, AsOf: w.head.Time, Final: w.head.Time <= w.moved.Watermark,
				Revision: int64(len(w.history)), Stamp: event.Stamp{CommittedAt: e.CommittedAt, Watermark: w.moved.Watermark},
			})
			w.moved = nil
		}
	}
	for _, c := range w.corrections {
		w.fail(checkCorrections, "%s blames %s %s, but no such entry stands before it", where(c.record), c.value.Cause.Kind, c.value.Cause.EventID)
	}
	w.ended()
}

// ended checks the account as it stands at the cut.
func (w *walk) ended() {
	watermark := w.h.chain.last().watermark
	w.settle(watermark, false)
	w.checkSettled()
	w.checkAlerts()
	w.checkBalances()
	w.h.report.count(checkTimelines, "accounts", 1)
	if w.line == nil {
		w.h.v.uncounted++
		return
	}
	w.compare("at the end")
	if w.name.Asset != "" {
		w.countMoney()
	}
	for _, item := range w.line.Items[len(w.line.UpTo(w.head)):] {
		if item.Place.Time <= watermark {
			w.fail(checkEntries, "%s is due at %s and the watermark is %s, but it was never said", item.ID, item.Place.Time, watermark)
		}
	}
}

// replay replays what was processed so far.
func (w *walk) replay() {
	w.line = nil
	var line *oracle.Timeline
	if w.name.Asset == "" {
		line = oracle.ReplayOrders(w.taken)
	} else {
		var err error
		if line, err = oracle.ReplayCredits(w.taken); err != nil {
			w.fail(checkConservation, "%v", err)
			return
		}
		w.h.report.count(checkConservation, "items replayed", len(line.Items))
	}
	w.line = line
}

// compare holds the fold against the replay, up to the newest thing said.
func (w *walk) compare(when string) {
	w.h.report.count(checkTimelines, "comparisons", 1)
	if d := w.fold.Contradicts(w.name.User, w.name.Asset, w.line, w.head); d != "" {
		w.h.report.fail(checkTimelines, "%s, %s", d, when)
	}
}

// item is what the replay says about an item; nil where it has none.
func (w *walk) item(id string, place event.Place) *oracle.Item {
	items := w.line.UpTo(place)
	for i := len(items) - 1; i >= 0 && items[i].Place == place; i-- {
		if items[i].ID == id {
			return &items[i]
		}
	}
	return nil
}

// due takes the entry of a due item.
func (w *walk) due(p *published[event.Entry]) {
	e := &p.value
	w.h.report.count(checkEntries, "due items", 1)
	place := placeOf(e.Kind, e.EventID, e.EffectiveAt)
	if w.line != nil {
		w.checkResult(p, place)
	}
	// What came into being behind the watermark was brought there by the event
	// before it; the watermark's own move brings only what it passes.
	if behind := place.Time <= w.behind; e.AfterFinal != behind {
		w.fail(checkEntries, "%s: %s at %s has after_final %t; the watermark was %s before", where(p.record), e.EventID, e.EffectiveAt, e.AfterFinal, w.behind)
	}
	if e.Late || e.OccurredAt != e.EffectiveAt || e.ArrivedAt != event.NoTime || e.Revision != 0 || e.Counterparty != "" {
		w.fail(checkEntries, "%s: %s is a due item, but is late, arrived, is revised, has a counterparty or two times", where(p.record), e.EventID)
	}
	w.say(p, place)
	w.ledger.wait(place, e, e.AfterFinal)
}

// event takes the entry of an event, and the corrections it caused.
func (w *walk) event(p *published[event.Entry]) {
	e := &p.value
	w.h.report.count(checkEntries, "events", 1)
	in := w.h.of(e)
	if in == nil || in.refusal != nil {
		return // told as a failure of the inputs
	}
	if e.Outcome == event.Pending {
		w.pending(p, in)
		return
	}
	made := w.h.decided[e]
	if made == nil {
		made = &decision{}
	}
	w.settle(e.Watermark, false)
	if !made.givenUp {
		w.behind = e.Watermark
	}
	before, place, head := w.line, in.place(), w.head
	w.taken = append(w.taken, w.take(e, in))
	w.line = nil
	checked := len(w.taken)%w.stride == 0 || len(w.taken) == w.events
	if checked {
		w.replay()
		w.checkDecided(p, before, made)
	}
	w.checkFields(p, in, place, made.givenUp)
	if w.line != nil {
		w.checkResult(p, place)
	}
	w.say(p, place)
	w.ledger.wait(place, e, e.AfterFinal)
	w.wantDecided(e, made)
	w.correct(p, place, head)
	if w.line != nil {
		w.compare("after " + e.EventID + " (" + where(p.record) + ")")
	}
	w.settle(e.Watermark, true)
}

// pending takes the entry of an operation that begins to wait: it moves
// nothing.
func (w *walk) pending(p *published[event.Entry], in *input) {
	e := &p.value
	w.settle(e.Watermark, false)
	w.behind = e.Watermark
	w.checkFields(p, in, in.place(), false)
	want := event.Result{Outcome: event.Pending, Amount: in.event.Amount}
	if d := sameResult(&want, &e.Result, false); d != "" {
		w.fail(checkEntries, "%s: %s %s at %s: %s", where(p.record), e.Kind, e.EventID, e.EffectiveAt, d)
	}
	if err := w.fold.Entry(e); err != nil {
		w.fail(checkEntries, "%s: %v", where(p.record), err)
	}
	w.settle(e.Watermark, true)
}

// take is an event with what the entry says was decided about it.
func (w *walk) take(e *event.Entry, in *input) oracle.Taken {
	if in.remittance != nil {
		return oracle.TakenRemittance(in.remittance)
	}
	t := oracle.Taken{
		Event: in.event, Policy: w.h.v.Policies.For(in.event.Asset), Input: in.position, ArrivedAt: in.arrivedAt(),
	}
	switch {
	case e.Outcome == event.Rejected, e.Kind == event.PlaceOrder && e.Code == event.RiskLimited:
		t.Rejected = e.Code
	case e.Outcome == event.Accepted:
		t.Amount = e.Amount
	}
	return t
}

// say takes an entry into the fold.
func (w *walk) say(p *published[event.Entry], place event.Place) {
	e := &p.value
	w.moved = e
	if err := w.fold.Entry(e); err != nil {
		w.fail(checkEntries, "%s: %v", where(p.record), err)
	}
	if w.head.Before(place) {
		w.head = place
		w.now = e.After
	}
}

// checkFields checks what an entry says about its event.
func (w *walk) checkFields(p *published[event.Entry], in *input, place event.Place, givenUp bool) {
	e, t := &p.value, w.take(&p.value, in)
	ev, waits := &t.Event, e.Outcome == event.Pending
	counterparty := ""
	switch {
	case in.remittance != nil:
		counterparty = in.remittance.From
	case ev.Kind == event.Transfer:
		counterparty = ev.To
	}
	for _, f := range []struct {
		name     string
		is, want any
	}{
		{"event_id", e.EventID, ev.ID},
		{"user_id", e.UserID, ev.User},
		{"asset", e.Asset, t.Asset()},
		{"kind", e.Kind, ev.Kind},
		{"occurred_at", e.OccurredAt, ev.OccurredAt},
		{"effective_at", e.EffectiveAt, place.Time},
		{"arrived_at", e.ArrivedAt, in.arrivedAt()},
		{"counterparty", e.Counterparty, counterparty},
		{"late", e.Late, place.Before(w.head) && !waits},
		{"after_final", e.AfterFinal, place.Time <= e.Watermark && !waits && !givenUp},
	} {
		if f.is != f.want {
			w.fail(checkEntries, "%s: %s of %s is %v, expected %v (head %s, watermark %s)", where(p.record), f.name, kafka.FormatPosition(e.Input), f.is, f.want, w.head.Time, e.Watermark)
		}
	}
}

// checkResult checks an entry against the replay of its moment.
func (w *walk) checkResult(p *published[event.Entry], place event.Place) {
	e := &p.value
	item := w.item(e.EventID, place)
	if item == nil {
		w.fail(checkEntries, "%s: %s %s at %s isn't in the replay", where(p.record), e.Kind, e.EventID, e.EffectiveAt)
		return
	}
	if d := sameResult(&item.Result, &e.Result, e.HasBalances()); d != "" {
		w.fail(checkEntries, "%s: %s %s at %s: %s", where(p.record), e.Kind, e.EventID, e.EffectiveAt, d)
	}
}
