package codec

import "highwater/pkg/event"

// AppendEntryJSON appends an entry as HTTP and terminals show it: the
// contract's names, times in RFC 3339, nulls written out.
func AppendEntryJSON(dst []byte, e *event.Entry) []byte {
	o := object{buf: dst}
	o.open()
	o.entry(e)
	o.stamp(&e.Stamp)
	o.close()
	return o.buf
}

// AppendReplayedEntryJSON appends an entry as a replay says it now, in the
// form of AppendEntryJSON but without seq and watermark: those belong to the
// record that was published. committed_at is null where nothing was processed,
// which is so for due items.
func AppendReplayedEntryJSON(dst []byte, e *event.Entry) []byte {
	o := object{buf: dst}
	o.open()
	o.entry(e)
	o.integer("partition", int64(e.Partition))
	o.optionalTime("committed_at", e.CommittedAt)
	o.close()
	return o.buf
}

func (o *object) entry(e *event.Entry) {
	o.text("event_id", e.EventID)
	o.text("user_id", e.UserID)
	o.optionalText("asset", e.Asset)
	o.text("kind", e.Kind.String())
	o.time("occurred_at", e.OccurredAt)
	o.time("effective_at", e.EffectiveAt)
	o.optionalTime("arrived_at", e.ArrivedAt)
	o.position("input", e.Input)
	o.optionalText("counterparty", e.Counterparty)
	o.result(e.Kind, &e.Result)
	o.bool("late", e.Late)
	o.bool("after_final", e.AfterFinal)
	o.integer("revision", int64(e.Revision))
}

// AppendCorrectionJSON appends a correction in the form of AppendEntryJSON.
func AppendCorrectionJSON(dst []byte, c *event.Correction) []byte {
	o := object{buf: dst}
	o.open()
	o.name("cause")
	o.open()
	o.text("event_id", c.Cause.EventID)
	o.text("kind", c.Cause.Kind.String())
	o.time("occurred_at", c.Cause.OccurredAt)
	o.position("input", c.Cause.Input)
	o.integer("late_by", c.Cause.LateBy)
	o.close()
	o.text("user_id", c.UserID)
	o.optionalText("asset", c.Asset)
	o.bool("after_final", c.AfterFinal)
	o.array("changes", len(c.Changes), func(i int) {
		s := &c.Changes[i]
		o.time("from", s.From)
		o.optionalTime("to", s.To)
		o.balances(s.Balances)
	})
	o.array("entries", len(c.Entries), func(i int) {
		x := &c.Entries[i]
		o.text("event_id", x.EventID)
		o.text("kind", x.Kind.String())
		o.time("effective_at", x.EffectiveAt)
		o.state("before", x.Kind, x.Before)
		o.state("after", x.Kind, x.After)
	})
	o.integer("part", int64(c.Part))
	o.integer("parts", int64(c.Parts))
	o.stamp(&c.Stamp)
	o.close()
	return o.buf
}

// AppendBalanceJSON appends a balance in the form of AppendEntryJSON.
func AppendBalanceJSON(dst []byte, b *event.Balance) []byte {
	o := object{buf: dst}
	o.open()
	o.text("user_id", b.UserID)
	o.text("asset", b.Asset)
	o.balances(b.Balances)
	o.time("as_of", b.AsOf)
	o.optionalTime("next_change_at", b.NextChangeAt)
	o.bool("final", b.Final)
	o.integer("revision", b.Revision)
	o.stamp(&b.Stamp)
	o.close()
	return o.buf
}

// AppendOrderStateJSON appends an order's state in the form of
// AppendEntryJSON.
func AppendOrderStateJSON(dst []byte, s *event.OrderState) []byte {
	o := object{buf: dst}
	o.open()
	o.text("user_id", s.UserID)
	o.text("order_id", s.OrderID)
	o.text("currency", s.Currency)
	o.decimal("amount", s.Quantity)
	o.decimal("price", s.Price)
	o.text("state", s.Status.String())
	o.time("placed_at", s.PlacedAt)
	o.time("updated_at", s.UpdatedAt)
	o.integer("revision", s.Revision)
	o.stamp(&s.Stamp)
	o.close()
	return o.buf
}

// AppendOrderStatsJSON appends a window's statistics in the form of
// AppendEntryJSON.
func AppendOrderStatsJSON(dst []byte, s *event.OrderStats) []byte {
	o := object{buf: dst}
	o.open()
	o.text("currency", s.Currency)
	o.time("window_start", s.WindowStart)
	o.integer("placed", s.Placed)
	o.integer("paused", s.Paused)
	o.integer("resumed", s.Resumed)
	o.integer("cancelled", s.Cancelled)
	o.integer("ignored", s.Ignored)
	o.decimal("placed_amount", s.PlacedAmount)
	o.decimal("placed_notional", s.PlacedNotional)
	o.integer("live_orders_delta", s.LiveOrdersDelta)
	o.decimal("live_notional_delta", s.LiveNotionalDelta)
	o.integer("revision", s.Revision)
	o.bool("final", s.Final)
	o.stamp(&s.Stamp)
	o.close()
	return o.buf
}

// AppendWatermarkJSON appends a watermark in the form of AppendEntryJSON.
func AppendWatermarkJSON(dst []byte, w *event.Watermark) []byte {
	o := object{buf: dst}
	o.open()
	o.time("at", w.At)
	o.stamp(&w.Stamp)
	o.close()
	return o.buf
}

// AppendAlertJSON appends an alert in the form of AppendEntryJSON.
func AppendAlertJSON(dst []byte, a *event.Alert) []byte {
	o := object{buf: dst}
	o.open()
	o.text("user_id", a.UserID)
	o.optionalText("asset", a.Asset)
	o.text("kind", a.Kind.String())
	o.text("event_id", a.EventID)
	o.text("message", a.Message)
	o.text("value", a.Value)
	o.text("limit", a.Limit)
	o.stamp(&a.Stamp)
	o.close()
	return o.buf
}

func (o *object) stamp(s *event.Stamp) {
	o.integer("partition", int64(s.Partition))
	o.integer("seq", s.Seq)
	o.time("watermark", s.Watermark)
	o.time("committed_at", s.CommittedAt)
}

func (o *object) balances(b event.Balances) {
	o.integer("balance", b.Balance)
	o.integer("held", b.Held)
	o.integer("debt", b.Debt)
}

// position is null for none.
func (o *object) position(name string, p event.Position) {
	if p == (event.Position{}) {
		o.null(name)
		return
	}
	o.name(name)
	o.open()
	o.text("topic", p.Topic.String())
	o.integer("partition", int64(p.Partition))
	o.integer("offset", p.Offset)
	o.close()
}

// array appends n objects, whose members item appends.
func (o *object) array(name string, n int, item func(i int)) {
	o.name(name)
	o.buf = append(o.buf, '[')
	for i := range n {
		if i > 0 {
			o.buf = append(o.buf, ',')
		}
		o.open()
		item(i)
		o.close()
	}
	o.buf = append(o.buf, ']')
}

func (o *object) state(name string, k event.Kind, r *event.Result) {
	if r == nil {
		o.null(name)
		return
	}
	o.name(name)
	o.open()
	o.result(k, r)
	o.close()
}

func (o *object) result(k event.Kind, r *event.Result) {
	o.text("outcome", r.Outcome.String())
	o.optionalText("code", r.Code.String())
	o.optionalAmount("amount", r.Amount)
	o.integer("shortfall", r.Shortfall)
	o.integer("undone", r.Undone)
	o.array("slices", len(r.Slices), func(i int) {
		o.text("grant_id", r.Slices[i].GrantID)
		o.integer("amount", int64(r.Slices[i].Amount))
		o.optionalTime("expires_at", r.Slices[i].ExpiresAt)
	})
	o.array("repaid", len(r.Repaid), func(i int) {
		o.text("event_id", r.Repaid[i].EventID)
		o.text("grant_id", r.Repaid[i].GrantID)
		o.integer("amount", int64(r.Repaid[i].Amount))
	})
	if hasBalances(k, r.Outcome) {
		o.integer("balance_after", r.After.Balance)
		o.integer("held_after", r.After.Held)
		o.integer("debt_after", r.After.Debt)
	} else {
		o.null("balance_after")
		o.null("held_after")
		o.null("debt_after")
	}
	o.orderChange(k, &r.Order)
}

func (o *object) orderChange(k event.Kind, c *event.OrderChange) {
	if !k.IsOrder() {
		o.null("order")
		return
	}
	o.name("order")
	o.open()
	o.optionalText("order_id", c.OrderID)
	o.optionalText("state", c.Status.String())
	if k == event.CancelAll {
		o.integer("cancelled", c.Cancelled)
	} else {
		o.null("cancelled")
	}
	o.close()
}
