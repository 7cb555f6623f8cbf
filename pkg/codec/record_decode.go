package codec

import "highwater/pkg/event"

// The least that an item of each array takes.
const (
	minSliceBytes       = 3
	minRepaymentBytes   = 3
	minStretchBytes     = 5
	minEntryChangeBytes = 5
)

// maxFirstItems is how many items are made room for before they are read.
const maxFirstItems = 64

// DecodeEntry reads a record of entries or settled. Like every record's, its
// strings alias value; on an error e means nothing.
func (d *Decoder) DecodeEntry(value []byte, e *event.Entry) error {
	return d.record(value, EntryRecord, func(c *cursor) { *e = event.Entry{}; c.entry(e) })
}

// DecodeCorrection reads a record of corrections.
func (d *Decoder) DecodeCorrection(value []byte, k *event.Correction) error {
	return d.record(value, CorrectionRecord, func(c *cursor) { *k = event.Correction{}; c.correction(k) })
}

// DecodeBalance reads a record of balances.
func (d *Decoder) DecodeBalance(value []byte, b *event.Balance) error {
	return d.record(value, BalanceRecord, func(c *cursor) { *b = event.Balance{}; c.balance(b) })
}

// DecodeOrderState reads a record of order-states that is no tombstone.
func (d *Decoder) DecodeOrderState(value []byte, o *event.OrderState) error {
	return d.record(value, OrderStateRecord, func(c *cursor) { *o = event.OrderState{}; c.orderState(o) })
}

// DecodeOrderStats reads a record of order-stats.
func (d *Decoder) DecodeOrderStats(value []byte, o *event.OrderStats) error {
	return d.record(value, OrderStatsRecord, func(c *cursor) { *o = event.OrderStats{}; c.orderStats(o) })
}

// DecodeWatermark reads a record of watermarks.
func (d *Decoder) DecodeWatermark(value []byte, w *event.Watermark) error {
	return d.record(value, WatermarkRecord, func(c *cursor) {
		*w = event.Watermark{At: event.Time(c.long("at"))}
		c.stamp(&w.Stamp)
	})
}

// DecodeAlert reads a record of alerts.
func (d *Decoder) DecodeAlert(value []byte, a *event.Alert) error {
	return d.record(value, AlertRecord, func(c *cursor) { *a = event.Alert{}; c.alert(a) })
}

// record reads a value that must be of schema s.
func (d *Decoder) record(value []byte, s Schema, read func(*cursor)) error {
	switch {
	case len(value) == 0:
		return malformed("", "the value is empty")
	case len(value) > MaxRecordBytes:
		return malformed("", "the value has %d bytes; at most %d are read", len(value), MaxRecordBytes)
	}
	found, body, r := d.open(value)
	if r != nil {
		return r
	}
	if found != s {
		return malformed("", "the value is a %s; a %s should stand here", found, s)
	}
	c := cursor{buf: body}
	read(&c)
	if r := c.end(); r != nil {
		return r
	}
	return nil
}

func (c *cursor) entry(e *event.Entry) {
	e.EventID = c.text("event_id")
	e.UserID = c.text("user_id")
	e.Asset = c.optionalText("asset")
	e.Kind = c.kind("kind")
	e.OccurredAt = event.Time(c.long("occurred_at"))
	e.EffectiveAt = event.Time(c.long("effective_at"))
	e.ArrivedAt = c.optionalTime("arrived_at")
	e.Input = c.position("input")
	e.Counterparty = c.optionalText("counterparty")
	c.result(e.Kind, &e.Result)
	e.Late = c.bool("late")
	e.AfterFinal = c.bool("after_final")
	e.Revision = c.int("revision")
	c.stamp(&e.Stamp)
}

func (c *cursor) correction(k *event.Correction) {
	k.Cause.EventID = c.text("cause.event_id")
	k.Cause.Kind = c.kind("cause.kind")
	k.Cause.OccurredAt = event.Time(c.long("cause.occurred_at"))
	k.Cause.Input = c.position("cause.input")
	k.Cause.LateBy = c.long("cause.late_by")
	k.UserID = c.text("user_id")
	k.Asset = c.optionalText("asset")
	k.AfterFinal = c.bool("after_final")
	for r := (run{}); c.next(&r, "changes", minStretchBytes); {
		s := event.Stretch{From: event.Time(c.long("changes.from")), To: c.optionalTime("changes.to")}
		c.balances(&s.Balances)
		k.Changes = appendItem(k.Changes, s, r.left)
	}
	for r := (run{}); c.next(&r, "entries", minEntryChangeBytes); {
		x := event.EntryChange{EventID: c.text("entries.event_id"), Kind: c.kind("entries.kind")}
		x.EffectiveAt = event.Time(c.long("entries.effective_at"))
		x.Before = c.state("entries.before", x.Kind)
		x.After = c.state("entries.after", x.Kind)
		k.Entries = appendItem(k.Entries, x, r.left)
	}
	k.Part = c.int("part")
	k.Parts = c.int("parts")
	c.stamp(&k.Stamp)
}

func (c *cursor) balance(b *event.Balance) {
	b.UserID = c.text("user_id")
	b.Asset = c.text("asset")
	c.balances(&b.Balances)
	b.AsOf = event.Time(c.long("as_of"))
	b.NextChangeAt = c.optionalTime("next_change_at")
	b.Final = c.bool("final")
	b.Revision = c.long("revision")
	c.stamp(&b.Stamp)
}

func (c *cursor) orderState(o *event.OrderState) {
	o.UserID = c.text("user_id")
	o.OrderID = c.text("order_id")
	o.Currency = c.text("currency")
	o.Quantity = c.decimal("amount")
	o.Price = c.decimal("price")
	o.Status = c.status("state", c.text("state"))
	o.PlacedAt = event.Time(c.long("placed_at"))
	o.UpdatedAt = event.Time(c.long("updated_at"))
	o.Revision = c.long("revision")
	c.stamp(&o.Stamp)
}

func (c *cursor) orderStats(o *event.OrderStats) {
	o.Currency = c.text("currency")
	o.WindowStart = event.Time(c.long("window_start"))
	o.Placed = c.long("placed")
	o.Paused = c.long("paused")
	o.Resumed = c.long("resumed")
	o.Cancelled = c.long("cancelled")
	o.Ignored = c.long("ignored")
	o.PlacedAmount = c.decimal("placed_amount")
	o.PlacedNotional = c.decimal("placed_notional")
	o.LiveOrdersDelta = c.long("live_orders_delta")
	o.LiveNotionalDelta = c.decimal("live_notional_delta")
	o.Revision = c.long("revision")
	o.Final = c.bool("final")
	c.stamp(&o.Stamp)
}

func (c *cursor) alert(a *event.Alert) {
	a.UserID = c.text("user_id")
	a.Asset = c.optionalText("asset")
	name := c.text("kind")
	for k := event.ShortfallAlert; k <= event.OverflowAlert; k++ {
		if k.String() == name {
			a.Kind = k
		}
	}
	if a.Kind == event.NoAlert {
		c.fail("kind", "is no kind of alert")
	}
	a.EventID = c.text("event_id")
	a.Message = c.text("message")
	a.Value = c.text("value")
	a.Limit = c.text("limit")
	c.stamp(&a.Stamp)
}

func (c *cursor) stamp(s *event.Stamp) {
	s.Partition = c.int("partition")
	s.Seq = c.long("seq")
	s.Watermark = event.Time(c.long("watermark"))
	s.CommittedAt = event.Time(c.long("committed_at"))
}

// state reads one side of an entry that changed.
func (c *cursor) state(field string, k event.Kind) *event.Result {
	if !c.given(field) {
		return nil
	}
	r := new(event.Result)
	c.result(k, r)
	return r
}

func (c *cursor) result(k event.Kind, r *event.Result) {
	var ok bool
	if r.Outcome, ok = event.ParseOutcome(c.text("outcome")); !ok {
		c.fail("outcome", "is no outcome")
	}
	if r.Code, ok = event.ParseCode(c.optionalText("code")); !ok {
		c.fail("code", "is no code")
	}
	r.Amount = c.optionalAmount("amount")
	r.Shortfall = c.long("shortfall")
	r.Undone = c.long("undone")
	for b := (run{}); c.next(&b, "slices", minSliceBytes); {
		s := event.Slice{GrantID: c.text("slices.grant_id"), Amount: event.Amount(c.long("slices.amount")), ExpiresAt: c.optionalTime("slices.expires_at")}
		r.Slices = appendItem(r.Slices, s, b.left)
	}
	for b := (run{}); c.next(&b, "repaid", minRepaymentBytes); {
		p := event.Repayment{EventID: c.text("repaid.event_id"), GrantID: c.text("repaid.grant_id"), Amount: event.Amount(c.long("repaid.amount"))}
		r.Repaid = appendItem(r.Repaid, p, b.left)
	}
	after := [...]*int64{&r.After.Balance, &r.After.Held, &r.After.Debt}
	for i, field := range [...]string{"balance_after", "held_after", "debt_after"} {
		given := c.given(field)
		if given {
			*after[i] = c.long(field)
		}
		if given != hasBalances(k, r.Outcome) {
			c.fail(field, "is null exactly for orders and while pending")
		}
	}
	c.orderChange(k, &r.Order)
}

func (c *cursor) orderChange(k event.Kind, o *event.OrderChange) {
	if given := c.given("order"); given != k.IsOrder() {
		c.fail("order", "is given exactly for orders")
	} else if !given {
		return
	}
	o.OrderID = c.optionalText("order.order_id")
	if c.given("order.state") {
		o.Status = c.status("order.state", c.text("order.state"))
	}
	given := c.given("order.cancelled")
	if given {
		o.Cancelled = c.long("order.cancelled")
	}
	if given != (k == event.CancelAll) {
		c.fail("order.cancelled", "is given exactly for cancel_all")
	}
}

// appendItem appends one item with left more to come, which it makes room for
// within a bound.
func appendItem[T any](items []T, item T, left int) []T {
	if items == nil {
		items = make([]T, 0, min(left+1, maxFirstItems))
	}
	return append(items, item)
}

func (c *cursor) balances(b *event.Balances) {
	b.Balance = c.long("balance")
	b.Held = c.long("held")
	b.Debt = c.long("debt")
}

func (c *cursor) position(field string) event.Position {
	if !c.given(field) {
		return event.Position{}
	}
	topic, ok := event.ParseTopic(c.text(field))
	if !ok {
		c.fail(field, "names no input topic")
	}
	return event.Position{Topic: topic, Partition: c.int(field), Offset: c.long(field)}
}

func (c *cursor) kind(field string) event.Kind {
	k, ok := event.ParseEntryKind(c.text(field))
	if !ok {
		c.fail(field, "is no kind of entry")
	}
	return k
}

func (c *cursor) status(field, name string) event.OrderStatus {
	for s := event.Active; s <= event.Cancelled; s++ {
		if s.String() == name {
			return s
		}
	}
	c.fail(field, "is no state of an order")
	return event.NoOrderStatus
}

// optionalText is "" for null. What is given is never empty: one value has
// one form.
func (c *cursor) optionalText(field string) string {
	if !c.given(field) {
		return ""
	}
	s := c.text(field)
	if s == "" {
		c.fail(field, "is empty; null stands for none")
	}
	return s
}
