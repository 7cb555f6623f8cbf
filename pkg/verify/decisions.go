package verify

import (
	"fmt"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/oracle"
)

// checkDecisions makes anew, in the order in which the entries say events were
// processed, the decisions that depend on it.
func (h *history) checkDecisions() {
	grants := map[userEvent]string{}
	credited, debited := map[oracle.AccountName]int64{}, map[oracle.AccountName]int64{}
	decide := func(e *event.Entry, ev *event.Event) (code event.Code, because string) {
		var totals map[oracle.AccountName]int64
		switch e.Kind {
		case event.Grant, event.Add:
			if first, known := grants[userEvent{e.UserID, ev.GrantID()}]; known {
				return event.GrantExists, fmt.Sprintf("%s made the grant %q before", first, ev.GrantID())
			}
			totals = credited
		case event.Subtract:
			totals = debited
		default:
			return event.NoCode, ""
		}
		account := oracle.AccountName{User: e.UserID, Asset: e.Asset}
		// Both terms are far below 2^63: a total is at most 2^62.
		total := totals[account] + int64(ev.Amount)
		if total > event.MaxTotal {
			h.totals[e] = total
			return event.AmountOverflow, fmt.Sprintf("the total would be %d", total)
		}
		totals[account] = total
		if e.Kind != event.Subtract {
			grants[userEvent{e.UserID, ev.GrantID()}] = e.EventID
		}
		return event.NoCode, fmt.Sprintf("nothing speaks against it (total %d)", total)
	}
	for _, p := range h.entries {
		e := &p.value
		if e.Kind.IsDue() {
			continue
		}
		in := h.find(e.Input)
		if in == nil || in.refusal != nil {
			continue // told as a failure of the inputs
		}
		h.report.count(checkDecisions, "events", 1)
		want, because := decide(e, &in.event)
		got := event.NoCode
		if e.Outcome == event.Rejected {
			got = e.Code
		}
		if got != want {
			h.report.fail(checkDecisions, "%s: %s of %s/%s (%s) is %s %s, but %s", where(p.record), e.EventID, e.UserID, e.Asset,
				kafka.FormatPosition(e.Input), e.Outcome, e.Code, because)
		}
		if want != event.NoCode {
			h.report.count(checkDecisions, want.String(), 1)
		}
	}
}
