package event

import (
	"fmt"
	"unicode/utf8"
)

// Bounds of the contract, in bytes unless said otherwise.
const (
	MaxIDBytes       = 128
	MaxSourceBytes   = 128
	MaxGrantRefBytes = 300
	MaxMetadataPairs = 16
	MaxMetadataBytes = 1024
	MaxPriority      = 1000
)

// Check says what is wrong with an event whose defaults are filled in; nil
// where nothing is. A refusal here always has the code invalid.
func (e *Event) Check() *Refusal {
	if r := CheckUser("user_id", e.User); r != nil {
		return r
	}
	if r := CheckID("event_id", e.ID); r != nil {
		return r
	}
	if !e.OccurredAt.Valid() {
		return invalid("occurred_at", "%d is outside 0 to %d microseconds since 1970; give an instant up to the year 9999", e.OccurredAt, MaxTime)
	}
	if r := CheckAsset("asset", e.Asset); r != nil {
		return r
	}
	if r := e.checkSourceAndMetadata(); r != nil {
		return r
	}
	return e.checkOperation()
}

func (e *Event) checkSourceAndMetadata() *Refusal {
	if len(e.Source) > MaxSourceBytes {
		return invalid("source", "%d bytes; at most %d are allowed", len(e.Source), MaxSourceBytes)
	}
	if !utf8.ValidString(e.Source) {
		return invalid("source", "must be valid UTF-8")
	}
	if len(e.Metadata) > MaxMetadataPairs {
		return invalid("metadata", "%d pairs; at most %d are allowed", len(e.Metadata), MaxMetadataPairs)
	}
	size := 0
	for _, p := range e.Metadata {
		size += len(p.Key) + len(p.Value)
		if !utf8.ValidString(p.Key) || !utf8.ValidString(p.Value) {
			return invalid("metadata", "must be valid UTF-8")
		}
	}
	if size > MaxMetadataBytes {
		return invalid("metadata", "%d bytes in all; at most %d are allowed", size, MaxMetadataBytes)
	}
	return nil
}

func (e *Event) checkOperation() *Refusal {
	switch e.Kind {
	case Grant:
		return e.checkGrant()
	case Revoke:
		return CheckGrantRef("grant_id", e.Ref)
	case Subtract:
		return checkAmount(e.Amount, false)
	case Spend:
		return checkAmount(e.Amount, false)
	case Add, Hold:
		if r := checkAmount(e.Amount, false); r != nil {
			return r
		}
		return e.checkExpiry()
	case Refund:
		return e.checkReference("spend_id", true)
	case Capture:
		return e.checkReference("hold_id", true)
	case Release:
		return e.checkReference("hold_id", false)
	case Transfer:
		if r := CheckUser("to_user_id", e.To); r != nil {
			return r
		}
		if e.To == e.User {
			return invalid("to_user_id", "a transfer to oneself moves nothing; name another user")
		}
		if e.User == HoldExpired.String() {
			return invalid("user_id", "what %s sends would have the ids of grants that time-outs restore; transfer from another user", e.User)
		}
		return checkAmount(e.Amount, false)
	case PlaceOrder:
		return e.checkPlaceOrder()
	case Pause, Resume, Cancel:
		return CheckID("order_id", e.Ref)
	case CancelAll:
		return nil
	}
	return invalid("operation", "%q is not an operation that can be sent", e.Kind)
}

func (e *Event) checkGrant() *Refusal {
	if r := CheckID("grant_id", e.Ref); r != nil {
		return r
	}
	if r := checkAmount(e.Amount, false); r != nil {
		return r
	}
	if e.EffectiveAt != NoTime && !e.EffectiveAt.Valid() {
		return invalid("effective_at", "%d is outside 0 to %d microseconds since 1970", e.EffectiveAt, MaxTime)
	}
	if e.Priority < 0 || e.Priority > MaxPriority {
		return invalid("priority", "%d is outside 0 to %d", e.Priority, MaxPriority)
	}
	return e.checkExpiry()
}

func (e *Event) checkReference(field string, amount bool) *Refusal {
	if r := CheckID(field, e.Ref); r != nil {
		return r
	}
	if e.Ref == e.ID {
		return invalid(field, "an operation can't name itself; give the event_id of the operation it is about")
	}
	if amount {
		return checkAmount(e.Amount, true)
	}
	return nil
}

func (e *Event) checkPlaceOrder() *Refusal {
	if r := CheckID("order_id", e.Ref); r != nil {
		return r
	}
	if r := CheckCurrency("currency", e.Currency); r != nil {
		return r
	}
	if r := checkQuantity("amount", e.Quantity); r != nil {
		return r
	}
	return checkQuantity("price", e.Price)
}

// CheckUser says what is wrong with a user's id.
func CheckUser(field, id string) *Refusal { return checkText(field, id, MaxIDBytes, true) }

// CheckID says what is wrong with an id that a producer chose.
func CheckID(field, id string) *Refusal { return checkText(field, id, MaxIDBytes, false) }

// CheckGrantRef says what is wrong with the grant that a revoke names, which
// may be one that the system made.
func CheckGrantRef(field, id string) *Refusal { return checkText(field, id, MaxGrantRefBytes, true) }

// CheckCurrency says what is wrong with an order's currency.
func CheckCurrency(field, currency string) *Refusal {
	return checkText(field, currency, MaxIDBytes, true)
}

// CheckAsset says what is wrong with an asset's name.
func CheckAsset(field, asset string) *Refusal {
	ok := len(asset) >= 1 && len(asset) <= 64
	for i := 0; ok && i < len(asset); i++ {
		c := asset[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			ok = false
		}
	}
	if !ok {
		return invalid(field, "%q must match [a-z0-9][a-z0-9._-]{0,63}", clip(asset))
	}
	return nil
}

func checkText(field, s string, maxBytes int, slash bool) *Refusal {
	if s == "" {
		return invalid(field, "is empty or missing; give 1 to %d bytes", maxBytes)
	}
	if len(s) > maxBytes {
		return invalid(field, "%d bytes; at most %d are allowed", len(s), maxBytes)
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= utf8.RuneSelf {
			return checkRunes(field, s, slash)
		}
		// Nearly every byte passes here; the call says what is wrong.
		if c < 0x20 || c == 0x7f || c == '/' {
			if r := checkRune(field, rune(c), slash); r != nil {
				return r
			}
		}
	}
	return nil
}

func checkRunes(field, s string, slash bool) *Refusal {
	if !utf8.ValidString(s) {
		return invalid(field, "must be valid UTF-8")
	}
	for _, c := range s {
		if r := checkRune(field, c, slash); r != nil {
			return r
		}
	}
	return nil
}

func checkRune(field string, c rune, slash bool) *Refusal {
	if c < 0x20 || c >= 0x7f && c <= 0x9f {
		return invalid(field, "has the control character U+%04X; leave it out", c)
	}
	if c == '/' && !slash {
		return invalid(field, "has a slash, which is kept for ids the system makes; choose another character")
	}
	return nil
}

func checkAmount(a Amount, optional bool) *Refusal {
	if optional && a == NoAmount {
		return nil
	}
	if a < 1 || a > MaxAmount {
		return invalid("amount", "%d is outside 1 to 2^53 minor units", a)
	}
	return nil
}

func (e *Event) checkExpiry() *Refusal {
	if e.ExpiresAt != NoTime && !e.ExpiresAt.Valid() {
		return invalid("expires_at", "%d is outside 0 to %d microseconds since 1970", e.ExpiresAt, MaxTime)
	}
	if e.beginsWhenFilledIn() {
		return nil
	}
	return e.checkLife()
}

// beginsWhenFilledIn reports whether the event's life begins at a time that
// its producer didn't give.
func (e *Event) beginsWhenFilledIn() bool { return !e.TimeGiven && e.EffectiveAt == NoTime }

// checkLife checks that what the event makes begins before it ends.
func (e *Event) checkLife() *Refusal {
	field := "occurred_at"
	if e.Kind == Grant {
		field = "effective_at"
	}
	if from := e.UsableFrom(); e.ExpiresAt != NoTime && e.ExpiresAt <= from {
		return invalid("expires_at", "%s is not after %s %s; leave it out for credits that don't expire", e.ExpiresAt, field, from)
	}
	return nil
}

// CheckFilledIn checks what Check leaves out: whether an event whose time was
// filled in on the way ends before that. It must be asked only of an event
// whose id is new: a copy of one that was taken may well come after its end.
func (e *Event) CheckFilledIn() *Refusal {
	if !e.beginsWhenFilledIn() {
		return nil
	}
	switch e.Kind {
	case Grant, Add, Hold:
		return e.checkLife()
	}
	return nil
}

func checkQuantity(field string, d Decimal) *Refusal {
	if d.Sign() <= 0 {
		return invalid(field, "%s must be above zero", d)
	}
	if d.Cmp(quantityBound) >= 0 {
		return invalid(field, "%s has more than 18 digits before the point", d)
	}
	return nil
}

func invalid(field, format string, args ...any) *Refusal {
	return &Refusal{Code: Invalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
