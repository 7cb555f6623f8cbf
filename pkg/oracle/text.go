package oracle

import (
	"fmt"
	"strconv"
	"strings"

	"highwater/pkg/event"
)

// text writes records as one line each, for people and for [Diff]. Every
// field shows; one that holds what it mostly holds is left out.
type text struct{ b []byte }

func (t *text) word(s string) *text {
	if len(t.b) > 0 {
		t.b = append(t.b, ' ')
	}
	t.b = append(t.b, s...)
	return t
}

func (t *text) field(key, value string) *text { return t.word(key).raw("=" + value) }

func (t *text) raw(s string) *text {
	t.b = append(t.b, s...)
	return t
}

func (t *text) number(key string, n int64) *text { return t.word(key).equals(n) }

func (t *text) equals(n int64) *text {
	t.b = strconv.AppendInt(append(t.b, '='), n, 10)
	return t
}

func (t *text) time(key string, at event.Time) *text {
	return t.word(key).raw("=").raw(TimeText(at))
}

// TimeText is an instant in seconds since 1970, without trailing zeros;
// "none" for none.
func TimeText(at event.Time) string {
	if at == event.NoTime {
		return "none"
	}
	s := strconv.FormatInt(int64(at/1_000_000), 10)
	if micros := at % 1_000_000; micros != 0 {
		s += strings.TrimRight(fmt.Sprintf(".%06d", micros), "0")
	}
	return s
}

func balancesText(b event.Balances) string {
	s := strconv.FormatInt(b.Balance, 10)
	if b.Held != 0 {
		s += " held " + strconv.FormatInt(b.Held, 10)
	}
	if b.Debt != 0 {
		s += " debt " + strconv.FormatInt(b.Debt, 10)
	}
	return s
}

// StepsText is an account as a function of time in one line.
func StepsText(steps []Step) string {
	var words []string
	for _, s := range steps {
		words = append(words, "@"+TimeText(s.At)+" "+balancesText(s.Balances))
	}
	return "(" + strings.Join(words, ", ") + ")"
}

// ResultText is a result in one line, without the balances after it.
func ResultText(r *event.Result) string {
	t := &text{}
	t.result(r)
	return string(t.b)
}

func (t *text) result(r *event.Result) {
	t.word(r.Outcome.String())
	if r.Code != event.NoCode {
		t.raw("(").raw(r.Code.String()).raw(")")
	}
	if r.Amount != event.NoAmount {
		t.number("amount", int64(r.Amount))
	}
	if r.Shortfall != 0 {
		t.number("shortfall", r.Shortfall)
	}
	if r.Undone != 0 {
		t.number("undone", r.Undone)
	}
	for _, s := range r.Slices {
		t.word("[").raw(s.GrantID).equals(int64(s.Amount))
		if s.ExpiresAt != event.NoTime {
			t.time("until", s.ExpiresAt)
		}
		t.raw("]")
	}
	for _, p := range r.Repaid {
		t.word("repaid[").raw(p.EventID).word("from").word(p.GrantID).equals(int64(p.Amount)).raw("]")
	}
	if r.Omitted.Slices != 0 {
		t.number("omitted_slices", int64(r.Omitted.Slices))
	}
	if r.Omitted.Repaid != 0 {
		t.number("omitted_repaid", int64(r.Omitted.Repaid))
	}
	if o := r.Order; o != (event.OrderChange{}) {
		t.word("order[" + o.OrderID)
		if o.Status != event.NoOrderStatus {
			t.word(o.Status.String())
		}
		if o.Cancelled != 0 {
			t.number("cancelled", o.Cancelled)
		}
		t.raw("]")
	}
}

func (t *text) stamp(s event.Stamp) {
	t.number("| seq", s.Seq).time("watermark", s.Watermark).time("committed", s.CommittedAt)
	if s.Partition != 0 {
		t.number("partition", int64(s.Partition))
	}
}

func (t *text) input(p event.Position) {
	if p != (event.Position{}) {
		t.field("input", fmt.Sprintf("%s/%d/%d", p.Topic, p.Partition, p.Offset))
	}
}

func (t *text) flag(on bool, name string) {
	if on {
		t.word(name)
	}
}

func (t *text) account(user, asset string) *text {
	t.word(user)
	if asset != "" {
		t.raw("/").raw(asset)
	}
	return t
}

func (t *text) entry(e *event.Entry) {
	t.account(e.UserID, e.Asset).word(e.Kind.String()).word(e.EventID).word("@" + TimeText(e.EffectiveAt))
	t.result(&e.Result)
	if e.HasBalances() || e.After != (event.Balances{}) {
		t.word("->").word(balancesText(e.After))
	}
	t.flag(e.Late, "late")
	t.flag(e.AfterFinal, "after_final")
	if e.Revision != 0 {
		t.number("revision", int64(e.Revision))
	}
	if e.Counterparty != "" {
		t.field("counterparty", e.Counterparty)
	}
	if e.OccurredAt != e.EffectiveAt {
		t.time("occurred", e.OccurredAt)
	}
	if e.ArrivedAt != event.NoTime {
		t.time("arrived", e.ArrivedAt)
	}
	t.input(e.Input)
	t.stamp(e.Stamp)
}

func (t *text) correction(c *event.Correction) {
	t.account(c.UserID, c.Asset).word("by").word(c.Cause.Kind.String()).word(c.Cause.EventID).word("@" + TimeText(c.Cause.OccurredAt))
	t.time("late_by", event.Time(c.Cause.LateBy))
	t.input(c.Cause.Input)
	t.flag(c.AfterFinal, "after_final")
	for _, s := range c.Changes {
		t.word("{").raw(TimeText(s.From)).raw("..")
		if s.To != event.NoTime {
			t.raw(TimeText(s.To))
		}
		t.word(signed(s.Balance))
		if s.Held != 0 {
			t.word("held").word(signed(s.Held))
		}
		if s.Debt != 0 {
			t.word("debt").word(signed(s.Debt))
		}
		t.raw("}")
	}
	for _, ch := range c.Entries {
		t.word("{").raw(ch.Kind.String()).word(ch.EventID).word("@" + TimeText(ch.EffectiveAt)).raw(":")
		t.side(ch.Before, ch.Kind)
		t.word("=>")
		t.side(ch.After, ch.Kind)
		t.raw("}")
	}
	if c.Part != 1 || c.Parts != 1 {
		t.number("part", int64(c.Part)).number("of", int64(c.Parts))
	}
	t.stamp(c.Stamp)
}

func (t *text) side(r *event.Result, k event.Kind) {
	if r == nil {
		t.word("none")
		return
	}
	t.result(r)
	if !k.IsOrder() || r.After != (event.Balances{}) {
		t.word("->").word(balancesText(r.After))
	}
}

func signed(n int64) string {
	if n > 0 {
		return "+" + strconv.FormatInt(n, 10)
	}
	return strconv.FormatInt(n, 10)
}

func (t *text) balance(b *event.Balance) {
	t.account(b.UserID, b.Asset).word(balancesText(b.Balances)).time("as_of", b.AsOf)
	if b.NextChangeAt != event.NoTime {
		t.time("next", b.NextChangeAt)
	}
	t.flag(b.Final, "final")
	t.number("revision", b.Revision)
	t.stamp(b.Stamp)
}

// A tombstone has no value, so nothing but its key and stamp shows.
func (t *text) orderState(o *event.OrderState) {
	t.word(o.UserID).word(o.OrderID)
	if o.Gone {
		t.word("gone")
		t.stamp(o.Stamp)
		return
	}
	t.word(o.Status.String()).field("currency", o.Currency).field("amount", o.Quantity.String()).field("price", o.Price.String())
	t.time("placed", o.PlacedAt).time("updated", o.UpdatedAt).number("revision", o.Revision)
	t.stamp(o.Stamp)
}

func (t *text) orderStats(o *event.OrderStats) {
	t.word(o.Currency).word("@" + TimeText(o.WindowStart))
	for _, c := range []struct {
		key string
		n   int64
	}{
		{"placed", o.Placed}, {"paused", o.Paused}, {"resumed", o.Resumed}, {"cancelled", o.Cancelled},
		{"ignored", o.Ignored}, {"live", o.LiveOrdersDelta},
	} {
		if c.n != 0 {
			t.number(c.key, c.n)
		}
	}
	for _, c := range []struct {
		key string
		n   event.Decimal
	}{
		{"placed_amount", o.PlacedAmount}, {"placed_notional", o.PlacedNotional}, {"live_notional", o.LiveNotionalDelta},
	} {
		if c.n != (event.Decimal{}) {
			t.field(c.key, c.n.String())
		}
	}
	t.flag(o.Final, "final")
	t.number("revision", o.Revision)
	t.stamp(o.Stamp)
}

// An alert's message is for people and doesn't show.
func (t *text) alert(a *event.Alert) {
	t.account(a.UserID, a.Asset).word(a.Kind.String()).word(a.EventID).field("value", a.Value).field("limit", a.Limit)
	t.stamp(a.Stamp)
}

func (t *text) watermark(w *event.Watermark) {
	t.word(TimeText(w.At))
	t.stamp(w.Stamp)
}

// A dead letter's field and message are for people and don't show.
func (t *text) deadLetter(d *event.DeadLetter) {
	t.word(d.Code.String())
	t.stamp(d.Stamp)
}

func (t *text) remittance(r *event.Remittance) {
	t.account(r.From, r.Asset).word("to").word(r.To).word(r.EventID).word("@" + TimeText(r.OccurredAt))
	if r.Sequence != 0 {
		t.number("sequence", r.Sequence)
	}
	for _, g := range r.Grants {
		t.word("[").raw(strconv.FormatInt(int64(g.Amount), 10))
		if g.ExpiresAt != event.NoTime {
			t.time("until", g.ExpiresAt)
		}
		if g.Priority != 0 {
			t.number("priority", int64(g.Priority))
		}
		t.raw("]")
	}
	t.time("arrived", r.ArrivedAt)
	t.input(r.Input)
}
