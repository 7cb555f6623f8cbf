package codec

import "highwater/pkg/event"

// AppendEntry appends an entry, as it stands in entries and settled.
func (enc *Encoder) AppendEntry(dst []byte, e *event.Entry) []byte {
	dst = enc.open(dst, EntryRecord)
	dst = appendText(dst, e.EventID)
	dst = appendText(dst, e.UserID)
	dst = appendOptionalText(dst, e.Asset)
	dst = appendText(dst, e.Kind.String())
	dst = appendLong(dst, int64(e.OccurredAt))
	dst = appendLong(dst, int64(e.EffectiveAt))
	dst = appendOptionalTime(dst, e.ArrivedAt)
	dst = appendPosition(dst, e.Input)
	dst = appendOptionalText(dst, e.Counterparty)
	dst = appendResult(dst, e.Kind, &e.Result)
	dst = appendBool(dst, e.Late)
	dst = appendBool(dst, e.AfterFinal)
	dst = appendLong(dst, int64(e.Revision))
	return appendStamp(dst, &e.Stamp)
}

// AppendCorrection appends a correction.
func (enc *Encoder) AppendCorrection(dst []byte, c *event.Correction) []byte {
	dst = enc.open(dst, CorrectionRecord)
	dst = appendText(dst, c.Cause.EventID)
	dst = appendText(dst, c.Cause.Kind.String())
	dst = appendLong(dst, int64(c.Cause.OccurredAt))
	dst = appendPosition(dst, c.Cause.Input)
	dst = appendLong(dst, c.Cause.LateBy)
	dst = appendText(dst, c.UserID)
	dst = appendOptionalText(dst, c.Asset)
	dst = appendBool(dst, c.AfterFinal)
	dst = appendCount(dst, len(c.Changes))
	for i := range c.Changes {
		s := &c.Changes[i]
		dst = appendLong(dst, int64(s.From))
		dst = appendOptionalTime(dst, s.To)
		dst = appendBalances(dst, s.Balances)
	}
	dst = append(dst, 0)
	dst = appendCount(dst, len(c.Entries))
	for i := range c.Entries {
		x := &c.Entries[i]
		dst = appendText(dst, x.EventID)
		dst = appendText(dst, x.Kind.String())
		dst = appendLong(dst, int64(x.EffectiveAt))
		dst = appendState(dst, x.Kind, x.Before)
		dst = appendState(dst, x.Kind, x.After)
	}
	dst = append(dst, 0)
	dst = appendLong(dst, int64(c.Part))
	dst = appendLong(dst, int64(c.Parts))
	return appendStamp(dst, &c.Stamp)
}

// AppendBalance appends a balance.
func (enc *Encoder) AppendBalance(dst []byte, b *event.Balance) []byte {
	dst = enc.open(dst, BalanceRecord)
	dst = appendText(dst, b.UserID)
	dst = appendText(dst, b.Asset)
	dst = appendBalances(dst, b.Balances)
	dst = appendLong(dst, int64(b.AsOf))
	dst = appendOptionalTime(dst, b.NextChangeAt)
	dst = appendBool(dst, b.Final)
	dst = appendLong(dst, b.Revision)
	return appendStamp(dst, &b.Stamp)
}

// AppendOrderState appends the state of a live order; one that is gone is a
// tombstone, which has no value.
func (enc *Encoder) AppendOrderState(dst []byte, o *event.OrderState) []byte {
	dst = enc.open(dst, OrderStateRecord)
	dst = appendText(dst, o.UserID)
	dst = appendText(dst, o.OrderID)
	dst = appendText(dst, o.Currency)
	dst = appendDecimal(dst, o.Quantity)
	dst = appendDecimal(dst, o.Price)
	dst = appendText(dst, o.Status.String())
	dst = appendLong(dst, int64(o.PlacedAt))
	dst = appendLong(dst, int64(o.UpdatedAt))
	dst = appendLong(dst, o.Revision)
	return appendStamp(dst, &o.Stamp)
}

// AppendOrderStats appends a window's statistics.
func (enc *Encoder) AppendOrderStats(dst []byte, o *event.OrderStats) []byte {
	dst = enc.open(dst, OrderStatsRecord)
	dst = appendText(dst, o.Currency)
	dst = appendLong(dst, int64(o.WindowStart))
	dst = appendLong(dst, o.Placed)
	dst = appendLong(dst, o.Paused)
	dst = appendLong(dst, o.Resumed)
	dst = appendLong(dst, o.Cancelled)
	dst = appendLong(dst, o.Ignored)
	dst = appendDecimal(dst, o.PlacedAmount)
	dst = appendDecimal(dst, o.PlacedNotional)
	dst = appendLong(dst, o.LiveOrdersDelta)
	dst = appendDecimal(dst, o.LiveNotionalDelta)
	dst = appendLong(dst, o.Revision)
	dst = appendBool(dst, o.Final)
	return appendStamp(dst, &o.Stamp)
}

// AppendWatermark appends a watermark.
func (enc *Encoder) AppendWatermark(dst []byte, w *event.Watermark) []byte {
	dst = appendLong(enc.open(dst, WatermarkRecord), int64(w.At))
	return appendStamp(dst, &w.Stamp)
}

// AppendAlert appends an alert.
func (enc *Encoder) AppendAlert(dst []byte, a *event.Alert) []byte {
	dst = enc.open(dst, AlertRecord)
	dst = appendText(dst, a.UserID)
	dst = appendOptionalText(dst, a.Asset)
	dst = appendText(dst, a.Kind.String())
	dst = appendText(dst, a.EventID)
	dst = appendText(dst, a.Message)
	dst = appendText(dst, a.Value)
	dst = appendText(dst, a.Limit)
	return appendStamp(dst, &a.Stamp)
}

func appendStamp(dst []byte, s *event.Stamp) []byte {
	dst = appendLong(dst, int64(s.Partition))
	dst = appendLong(dst, s.Seq)
	dst = appendLong(dst, int64(s.Watermark))
	return appendLong(dst, int64(s.CommittedAt))
}

func appendPosition(dst []byte, p event.Position) []byte {
	if p == (event.Position{}) {
		return append(dst, branchNull)
	}
	dst = appendText(append(dst, branchGiven), p.Topic.String())
	dst = appendLong(dst, int64(p.Partition))
	return appendLong(dst, p.Offset)
}

func appendBalances(dst []byte, b event.Balances) []byte {
	dst = appendLong(dst, b.Balance)
	dst = appendLong(dst, b.Held)
	return appendLong(dst, b.Debt)
}

func appendState(dst []byte, k event.Kind, r *event.Result) []byte {
	if r == nil {
		return append(dst, branchNull)
	}
	return appendResult(append(dst, branchGiven), k, r)
}

func appendResult(dst []byte, k event.Kind, r *event.Result) []byte {
	dst = appendText(dst, r.Outcome.String())
	dst = appendOptionalText(dst, r.Code.String())
	dst = appendOptionalLong(dst, int64(r.Amount), int64(event.NoAmount))
	dst = appendLong(dst, r.Shortfall)
	dst = appendLong(dst, r.Undone)
	dst = appendCount(dst, len(r.Slices))
	for i := range r.Slices {
		s := &r.Slices[i]
		dst = appendText(dst, s.GrantID)
		dst = appendLong(dst, int64(s.Amount))
		dst = appendOptionalTime(dst, s.ExpiresAt)
	}
	dst = append(dst, 0)
	dst = appendCount(dst, len(r.Repaid))
	for i := range r.Repaid {
		p := &r.Repaid[i]
		dst = appendText(dst, p.EventID)
		dst = appendText(dst, p.GrantID)
		dst = appendLong(dst, int64(p.Amount))
	}
	dst = append(dst, 0)
	if hasBalances(k, r.Outcome) {
		for _, n := range [...]int64{r.After.Balance, r.After.Held, r.After.Debt} {
			dst = appendLong(append(dst, branchGiven), n)
		}
	} else {
		dst = append(dst, branchNull, branchNull, branchNull)
	}
	return appendOrderChange(dst, k, &r.Order)
}

// hasBalances is event.Entry.HasBalances, for a correction's entries too.
func hasBalances(k event.Kind, o event.Outcome) bool { return o != event.Pending && !k.IsOrder() }

func appendOrderChange(dst []byte, k event.Kind, o *event.OrderChange) []byte {
	if !k.IsOrder() {
		return append(dst, branchNull)
	}
	dst = append(dst, branchGiven)
	dst = appendOptionalText(dst, o.OrderID)
	dst = appendOptionalText(dst, o.Status.String())
	if k != event.CancelAll {
		return append(dst, branchNull)
	}
	return appendLong(append(dst, branchGiven), o.Cancelled)
}

// appendCount opens the one block of an array or map, which a 0 ends; an empty
// one has none.
func appendCount(dst []byte, n int) []byte {
	if n == 0 {
		return dst
	}
	return appendLong(dst, int64(n))
}
