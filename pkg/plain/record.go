package plain

import (
	"fmt"
	"strings"

	"highwater/pkg/event"
)

// line joins the parts that say something.
type line []string

func (l *line) add(format string, args ...any) { *l = append(*l, fmt.Sprintf(format, args...)) }

func (l line) String() string { return strings.Join(l, "  ") }

// Event is one event of an input topic.
func Event(e *event.Event) string {
	var l line
	l.add("%s  %s  %s", Time(e.OccurredAt), Text(e.User), e.Kind)
	switch {
	case e.Kind == event.PlaceOrder:
		l.add("%s %s at %s", e.Quantity, Text(e.Currency), e.Price)
	case e.Amount != event.NoAmount:
		l.add("%s %s", Number(int64(e.Amount)), e.Asset)
	case !e.Kind.IsOrder():
		l.add("%s", e.Asset)
	}
	if e.Ref != "" {
		l.add("%s", Text(e.Ref))
	}
	if e.To != "" {
		l.add("to %s", Text(e.To))
	}
	if e.EffectiveAt != event.NoTime {
		l.add("effective %s", Time(e.EffectiveAt))
	}
	if e.ExpiresAt != event.NoTime {
		l.add("expires %s", Time(e.ExpiresAt))
	}
	l.add("id %s", Text(e.ID))
	return l.String()
}

// Entry is what became of one event, or that something fell due.
func Entry(e *event.Entry) string {
	var l line
	l.add("%s  %s  %s", Time(e.EffectiveAt), Text(e.UserID), e.Kind)
	if e.Amount != event.NoAmount && !e.Kind.IsOrder() {
		l.add("%s %s", Number(int64(e.Amount)), e.Asset)
	}
	outcome(&l, e.Kind, &e.Result)
	if e.HasBalances() {
		l.add("balance %s", Number(e.After.Balance))
	}
	if e.Late {
		l.add("late")
	}
	if e.AfterFinal {
		l.add("after final")
	}
	l.add("id %s", Text(e.EventID))
	return l.String()
}

// outcome says what a plain "applied" leaves out.
func outcome(l *line, kind event.Kind, r *event.Result) {
	switch {
	case r.Code != event.NoCode:
		l.add("%s (%s)", r.Outcome, r.Code)
	case r.Outcome != event.Applied:
		l.add("%s", r.Outcome)
	}
	if r.Shortfall > 0 {
		l.add("%s short", Number(r.Shortfall))
	}
	if !kind.IsOrder() {
		return
	}
	if kind == event.CancelAll {
		l.add("%s cancelled", Count(r.Order.Cancelled, "order", "orders"))
		return
	}
	l.add("order %s", Text(r.Order.OrderID))
	if r.Order.Status != event.NoOrderStatus {
		l.add("%s", r.Order.Status)
	}
}

// Correction is what a late event changed.
func Correction(c *event.Correction) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s %s", Text(c.UserID), c.Cause.Kind, Text(c.Cause.EventID))
	if c.Cause.LateBy > 0 {
		fmt.Fprintf(&b, ", %s late", Span(c.Cause.LateBy))
	}
	b.WriteString(", changed ")
	if len(c.Entries) > 0 || len(c.Changes) == 0 {
		b.WriteString(Count(len(c.Entries), "entry", "entries"))
	}
	if len(c.Changes) > 0 {
		if len(c.Entries) > 0 {
			b.WriteString("; ")
		}
		if c.Asset != event.DefaultAsset {
			b.WriteString(c.Asset + " ")
		}
		b.WriteString(Stretches(c.Changes))
	}
	if c.AfterFinal {
		b.WriteString(" (after final)")
	}
	if c.Parts > 1 {
		fmt.Fprintf(&b, " (part %d of %d)", c.Part, c.Parts)
	}
	return b.String()
}

// Stretches says how balances differ from what was said.
func Stretches(changes []event.Stretch) string {
	first, last := changes[0], changes[len(changes)-1]
	from := Clock(first.From, last.From)
	if len(changes) == 1 {
		if first.To == event.NoTime {
			return fmt.Sprintf("balance from %s on: %s", from, amounts(first.Balances))
		}
		return fmt.Sprintf("balance %s to %s: %s", from, Clock(first.To, first.From), amounts(first.Balances))
	}
	if last.To == event.NoTime {
		return fmt.Sprintf("balance from %s on, %s now", from, amounts(last.Balances))
	}
	return fmt.Sprintf("balance %s to %s, in %d steps", from, Clock(last.To, first.From), len(changes))
}

// amounts are the differences that aren't zero.
func amounts(b event.Balances) string {
	parts := make([]string, 0, 3)
	if b.Balance != 0 || b.Held == 0 && b.Debt == 0 {
		parts = append(parts, Change(b.Balance))
	}
	if b.Held != 0 {
		parts = append(parts, Change(b.Held)+" held")
	}
	if b.Debt != 0 {
		parts = append(parts, Change(b.Debt)+" owed")
	}
	return strings.Join(parts, ", ")
}

// Balance is the newest balance of a (user, asset).
func Balance(b *event.Balance) string {
	var l line
	l.add("%s  %s  %s %s", Time(b.AsOf), Text(b.UserID), Number(b.Balance), b.Asset)
	if b.Held != 0 {
		l.add("%s held", Number(b.Held))
	}
	if b.Debt != 0 {
		l.add("%s owed", Number(b.Debt))
	}
	if b.NextChangeAt != event.NoTime {
		l.add("changes %s", Time(b.NextChangeAt))
	}
	if b.Final {
		l.add("final")
	}
	return l.String()
}

// OrderState is the newest state of an order.
func OrderState(s *event.OrderState) string {
	var l line
	if s.Gone {
		l.add("%s  order %s is no longer live", Text(s.UserID), Text(s.OrderID))
		return l.String()
	}
	l.add("%s  %s  order %s  %s", Time(s.UpdatedAt), Text(s.UserID), Text(s.OrderID), s.Status)
	l.add("%s %s at %s", s.Quantity, Text(s.Currency), s.Price)
	return l.String()
}

// OrderStats is one partition's share of a window.
func OrderStats(s *event.OrderStats) string {
	var l line
	l.add("%s  %s", Time(s.WindowStart), Text(s.Currency))
	for _, c := range []struct {
		n    int64
		what string
	}{{s.Placed, "placed"}, {s.Paused, "paused"}, {s.Resumed, "resumed"}, {s.Cancelled, "cancelled"}, {s.Ignored, "ignored"}} {
		if c.n != 0 {
			l.add("%s %s", Number(c.n), c.what)
		}
	}
	l.add("live %s", Change(s.LiveOrdersDelta))
	if s.Final {
		l.add("final")
	}
	return l.String()
}

// Watermark is how far a partition is complete.
func Watermark(w *event.Watermark) string {
	return fmt.Sprintf("%s  partition %d is complete up to here", Time(w.At), w.Partition)
}

// Alert is something a person may want to look at.
func Alert(a *event.Alert) string {
	var l line
	l.add("%s  %s  %s", Text(a.UserID), a.Kind, Text(a.Message))
	l.add("id %s", Text(a.EventID))
	return l.String()
}
