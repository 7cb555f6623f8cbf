package codec

import "highwater/pkg/event"

// The branches of each topic's operation, in the order of its schema.
var operations = [...][]event.Kind{
	GrantEvent:    {event.Grant, event.Revoke},
	SubtractEvent: {event.Subtract},
	LedgerEvent:   {event.Add, event.Spend, event.Refund, event.Hold, event.Capture, event.Release, event.Transfer},
	OrderEvent:    {event.PlaceOrder, event.Pause, event.Resume, event.Cancel, event.CancelAll},
}

// operationBranches are the same, by kind.
var operationBranches = func() (branches [256]int64) {
	for _, kinds := range operations {
		for i, k := range kinds {
			branches[k] = int64(i)
		}
	}
	return branches
}()

// AppendEvent appends an event, behind its header, in the schema of its
// topic. The event must be one that [event.Event.Check] passes.
func (enc *Encoder) AppendEvent(dst []byte, e *event.Event) []byte {
	s := EventSchema(e.Kind.Topic())
	if s == NoSchema {
		panic("codec: I2: " + e.Kind.String() + " has no schema; only checked events can be written")
	}
	dst = enc.open(dst, s)
	dst = appendText(dst, e.ID)
	dst = appendText(dst, e.User)
	dst = appendLong(dst, int64(e.OccurredAt))
	dst = appendBool(dst, e.TimeGiven)
	dst = appendLong(dst, e.Sequence)
	if e.Asset == "" {
		dst = appendText(dst, event.DefaultAsset)
	} else {
		dst = appendText(dst, e.Asset)
	}
	dst = appendText(dst, e.Source)
	dst = appendCount(dst, len(e.Metadata))
	for i := range e.Metadata {
		dst = appendText(appendText(dst, e.Metadata[i].Key), e.Metadata[i].Value)
	}
	dst = append(dst, 0)
	return appendOperation(appendLong(dst, operationBranches[e.Kind]), e)
}

func appendOperation(dst []byte, e *event.Event) []byte {
	switch e.Kind {
	case event.Grant:
		dst = appendText(dst, e.Ref)
		dst = appendLong(dst, int64(e.Amount))
		dst = appendOptionalTime(dst, e.EffectiveAt)
		dst = appendOptionalTime(dst, e.ExpiresAt)
		dst = appendLong(dst, int64(e.Priority))
	case event.Subtract, event.Spend:
		dst = appendLong(dst, int64(e.Amount))
	case event.Add, event.Hold:
		dst = appendLong(dst, int64(e.Amount))
		dst = appendOptionalTime(dst, e.ExpiresAt)
	case event.Refund, event.Capture:
		dst = appendText(dst, e.Ref)
		dst = appendOptionalLong(dst, int64(e.Amount), int64(event.NoAmount))
	case event.Transfer:
		dst = appendText(dst, e.To)
		dst = appendLong(dst, int64(e.Amount))
	case event.PlaceOrder:
		dst = appendText(dst, e.Ref)
		dst = appendText(dst, e.Currency)
		dst = appendDecimal(dst, e.Quantity)
		dst = appendDecimal(dst, e.Price)
	case event.Revoke, event.Release, event.Pause, event.Resume, event.Cancel:
		dst = appendText(dst, e.Ref)
	}
	return dst
}

func appendOptionalTime(dst []byte, t event.Time) []byte {
	return appendOptionalLong(dst, int64(t), int64(event.NoTime))
}
