package verify

import (
	"highwater/pkg/event"
)

// checkBalances compares every balance record that is there with the account
// as its transaction left it; the newest must be the last.
func (w *walk) checkBalances() {
	newest := int64(-1)
	for _, p := range w.balances {
		b := &p.value
		w.h.report.count(checkBalances, "records", 1)
		newest = max(newest, b.Revision)
		if b.Revision < 0 || b.Revision >= int64(len(w.history)) {
			w.fail(checkBalances, "%s: revision %d, but only %d transactions changed the account", where(p.record), b.Revision, len(w.history))
			continue
		}
		want := w.history[b.Revision]
		if b.Balances != want.Balances || b.AsOf != want.AsOf || b.Final != want.Final || b.CommittedAt != want.CommittedAt || b.Watermark != want.Watermark {
			w.fail(checkBalances, "%s: revision %d: %s as of %s, final %t, committed_at %s, watermark %s; expected %s as of %s, final %t, committed_at %s, watermark %s",
				where(p.record), b.Revision, balancesText(b.Balances), b.AsOf, b.Final, b.CommittedAt, b.Watermark,
				balancesText(want.Balances), want.AsOf, want.Final, want.CommittedAt, want.Watermark)
		}
	}
	if newest != int64(len(w.history))-1 {
		w.fail(checkBalances, "%d transactions changed the account, but the newest balance is of revision %d", len(w.history), newest)
		return
	}
	if len(w.history) == 0 {
		return
	}
	w.h.report.count(checkBalances, "keys", 1)
	if w.line == nil {
		return
	}
	// The replay's own word on the newest one.
	p := w.balances[len(w.balances)-1]
	said := w.line.UpTo(w.head)
	is := event.Balances{}
	if len(said) > 0 {
		is = said[len(said)-1].Result.After
	}
	if p.value.Balances != is {
		w.fail(checkBalances, "%s: %s; the replay has %s", where(p.record), balancesText(p.value.Balances), balancesText(is))
	}
	next := event.NoTime
	for _, item := range w.line.Items[len(said):] {
		if item.Taken == nil {
			next = item.Place.Time
			break
		}
	}
	if p.value.NextChangeAt != next {
		w.fail(checkBalances, "%s: next_change_at %s, expected %s", where(p.record), p.value.NextChangeAt, next)
	}
}
