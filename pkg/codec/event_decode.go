package codec

import "highwater/pkg/event"

// minPairBytes is the least that a pair of metadata takes: two empty texts.
const minPairBytes = 2

// event reads an event of schema s. Rules that only the wire can tell are
// noted as broken; the others are event.Check's.
func (c *cursor) event(s Schema, e *event.Event) {
	e.Clear()
	e.ID = c.text("event_id")
	e.User = c.text("user_id")
	e.OccurredAt = event.Time(c.long("occurred_at"))
	e.TimeGiven = c.bool("time_given")
	e.Sequence = c.long("sequence")
	if e.Asset = c.text("asset"); e.Asset == "" && c.fault == "" {
		c.breaks("asset", "is empty; leave it out, or give a name that matches [a-z0-9][a-z0-9._-]{0,63}")
	}
	e.Source = c.text("source")
	c.metadata(e)
	kinds := operations[s]
	e.Kind = kinds[c.branch("operation", int64(len(kinds)))]
	c.operation(e)
}

func (c *cursor) metadata(e *event.Event) {
	var pairs run
	n := 0
	for c.next(&pairs, "metadata", minPairBytes) {
		p := event.Pair{Key: c.text("metadata"), Value: c.text("metadata")}
		if n++; n > event.MaxMetadataPairs {
			continue
		}
		if hasKey(e.Metadata, p.Key) {
			c.fail("metadata", "has the same key twice")
			return
		}
		e.Metadata = append(e.Metadata, p)
	}
	if n > event.MaxMetadataPairs {
		c.breaks("metadata", "%d pairs; at most %d are allowed", n, event.MaxMetadataPairs)
	}
}

func (c *cursor) operation(e *event.Event) {
	switch e.Kind {
	case event.Grant:
		e.Ref = c.text("grant_id")
		e.Amount = event.Amount(c.long("amount"))
		e.EffectiveAt = c.optionalTime("effective_at")
		e.ExpiresAt = c.optionalTime("expires_at")
		e.Priority = c.int("priority")
	case event.Revoke:
		e.Ref = c.text("grant_id")
	case event.Subtract, event.Spend:
		e.Amount = event.Amount(c.long("amount"))
	case event.Add, event.Hold:
		e.Amount = event.Amount(c.long("amount"))
		e.ExpiresAt = c.optionalTime("expires_at")
	case event.Refund:
		e.Ref = c.text("spend_id")
		e.Amount = c.optionalAmount("amount")
	case event.Capture:
		e.Ref = c.text("hold_id")
		e.Amount = c.optionalAmount("amount")
	case event.Release:
		e.Ref = c.text("hold_id")
	case event.Transfer:
		e.To = c.text("to_user_id")
		e.Amount = event.Amount(c.long("amount"))
	case event.PlaceOrder:
		e.Ref = c.text("order_id")
		e.Currency = c.text("currency")
		e.Quantity = c.decimal("amount")
		e.Price = c.decimal("price")
	case event.Pause, event.Resume, event.Cancel:
		e.Ref = c.text("order_id")
	}
}

// optionalTime refuses the one number that stands for "not given" elsewhere.
func (c *cursor) optionalTime(field string) event.Time {
	if !c.given(field) {
		return event.NoTime
	}
	t := event.Time(c.long(field))
	if t == event.NoTime {
		c.breaks(field, "%d is outside 0 to %d microseconds since 1970", t, event.MaxTime)
	}
	return t
}

func (c *cursor) optionalAmount(field string) event.Amount {
	if !c.given(field) {
		return event.NoAmount
	}
	a := event.Amount(c.long(field))
	if a == event.NoAmount {
		c.breaks(field, "%d is outside 1 to 2^53 minor units", a)
	}
	return a
}

func hasKey(pairs []event.Pair, key string) bool {
	for i := range pairs {
		if pairs[i].Key == key {
			return true
		}
	}
	return false
}
