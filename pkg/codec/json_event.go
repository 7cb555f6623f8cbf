package codec

import (
	"strconv"

	"highwater/pkg/event"
)

// Given is what is known about an event beside its JSON. What it gives, the
// JSON may leave out or repeat, but not contradict.
type Given struct {
	// Now stands in for an occurred_at that was left out.
	Now event.Time
	// Kind, ID, User and Ref (the grant, order, spend or hold) are known from
	// elsewhere, such as a route; zero where they aren't.
	Kind event.Kind
	ID   string
	User string
	Ref  string
	// SpareID is the event_id where neither ID nor the JSON gives one.
	SpareID string
}

// The fields of a JSON event.
const (
	fieldType = iota
	fieldEventID
	fieldUserID
	fieldOccurredAt
	fieldSequence
	fieldAsset
	fieldSource
	fieldMetadata
	fieldGrantID
	fieldSpendID
	fieldHoldID
	fieldOrderID
	fieldToUserID
	fieldAmount
	fieldEffectiveAt
	fieldExpiresAt
	fieldPriority
	fieldCurrency
	fieldPrice
	fieldCount
)

var fieldNames = [fieldCount]string{
	"type", "event_id", "user_id", "occurred_at", "sequence", "asset", "source", "metadata",
	"grant_id", "spend_id", "hold_id", "order_id", "to_user_id",
	"amount", "effective_at", "expires_at", "priority", "currency", "price",
}

// commonFields belong to every event, the others to the operations below.
const commonFields = 1<<(fieldMetadata+1) - 1

var operationFields = [256]uint32{
	event.Grant:      1<<fieldGrantID | 1<<fieldAmount | 1<<fieldEffectiveAt | 1<<fieldExpiresAt | 1<<fieldPriority,
	event.Revoke:     1 << fieldGrantID,
	event.Subtract:   1 << fieldAmount,
	event.Add:        1<<fieldAmount | 1<<fieldExpiresAt,
	event.Spend:      1 << fieldAmount,
	event.Refund:     1<<fieldSpendID | 1<<fieldAmount,
	event.Hold:       1<<fieldAmount | 1<<fieldExpiresAt,
	event.Capture:    1<<fieldHoldID | 1<<fieldAmount,
	event.Release:    1 << fieldHoldID,
	event.Transfer:   1<<fieldToUserID | 1<<fieldAmount,
	event.PlaceOrder: 1<<fieldOrderID | 1<<fieldCurrency | 1<<fieldAmount | 1<<fieldPrice,
	event.Pause:      1 << fieldOrderID,
	event.Resume:     1 << fieldOrderID,
	event.Cancel:     1 << fieldOrderID,
	event.CancelAll:  0,
}

// refFields are the fields that event.Event calls Ref.
const refFields = 1<<fieldGrantID | 1<<fieldSpendID | 1<<fieldHoldID | 1<<fieldOrderID

// ParseEventJSON reads one JSON event whose occurred_at, if left out, is now.
// Whose topic and key it has isn't looked at. On a refusal e means nothing.
// Strings of e alias value.
func ParseEventJSON(value []byte, now event.Time, e *event.Event) *event.Refusal {
	return ParseGivenJSON(value, &Given{Now: now}, e)
}

// ParseGivenJSON is [ParseEventJSON] where part of the event is known already.
func ParseGivenJSON(value []byte, g *Given, e *event.Event) *event.Refusal {
	if len(value) > MaxEventBytes {
		return malformed("", "the event has %d bytes; at most %d are read", len(value), MaxEventBytes)
	}
	if r := parseEvent(value, g, e); r != nil {
		return r
	}
	e.FillDefaults()
	return e.Check()
}

// parseEvent reads everything but what event.Check judges.
func parseEvent(value []byte, g *Given, e *event.Event) *event.Refusal {
	e.Clear()
	p := eventParser{scanner: scanner{buf: value}, given: *g}
	p.members(e)
	if r := p.end(); r != nil {
		return r
	}
	if r := p.kind(e); r != nil {
		return r
	}
	p.fill(e)
	return p.broken
}

// eventParser first reads all members, so that whatever makes the JSON
// malformed is found before a rule that it breaks.
type eventParser struct {
	scanner
	given  Given
	seen   uint32
	tokens [fieldCount]token
	// broken is the first rule that is broken.
	broken *event.Refusal
}

func (p *eventParser) breaks(field int, format string, args ...any) {
	if p.broken == nil {
		p.broken = invalid(fieldNames[field], format, args...)
	}
}

func (p *eventParser) has(field int) bool { return p.seen&(1<<field) != 0 }

func (p *eventParser) members(e *event.Event) {
	if !p.open('{', "a JSON object") {
		return
	}
	for first := true; p.more(&first, '}'); {
		name := p.key()
		if p.fault != nil {
			return
		}
		field := fieldByName(name)
		switch {
		case field < 0:
			p.fail(showField(name), "is not a field of an event; leave it out")
			return
		case p.has(field):
			p.fail(fieldNames[field], "stands twice; give it once")
			return
		}
		p.seen |= 1 << field
		if field == fieldMetadata && p.peek() == '{' {
			p.metadata(e)
		} else {
			p.tokens[field] = p.scalar(fieldNames[field])
		}
	}
}

func (p *eventParser) metadata(e *event.Event) {
	p.open('{', "a JSON object")
	n := 0
	for first := true; p.more(&first, '}'); {
		key := p.key()
		if p.fault != nil {
			return
		}
		v := p.scalar("metadata")
		if v.kind != stringToken {
			p.breaks(fieldMetadata, "%s is %s; it must be a string", quote(key), v)
		}
		if n++; n > event.MaxMetadataPairs {
			continue
		}
		if hasKey(e.Metadata, key) {
			p.fail("metadata", "%s stands twice; give it once", quote(key))
			return
		}
		e.Metadata = append(e.Metadata, event.Pair{Key: key, Value: v.text})
	}
	if n > event.MaxMetadataPairs {
		p.breaks(fieldMetadata, "%d pairs; at most %d are allowed", n, event.MaxMetadataPairs)
	}
}

func fieldByName(name string) int {
	for i := range fieldNames {
		if fieldNames[i] == name {
			return i
		}
	}
	return -1
}

// kind settles the operation, and whether every field seen belongs to it.
func (p *eventParser) kind(e *event.Event) *event.Refusal {
	e.Kind = p.given.Kind
	if p.has(fieldType) {
		t := p.tokens[fieldType]
		kind, ok := event.NoKind, false
		if t.kind == stringToken {
			kind, ok = event.ParseKind(t.text)
		}
		switch {
		case !ok:
			return malformed("type", "%s is no operation; give one such as \"grant\" or \"subtract\"", t)
		case e.Kind != event.NoKind && kind != e.Kind:
			return invalid("type", "%s is not the operation asked for, %s; leave it out", t, e.Kind)
		}
		e.Kind = kind
	}
	if e.Kind == event.NoKind {
		return invalid("type", "is missing; say which operation this is, such as \"grant\" or \"subtract\"")
	}
	if extra := p.seen &^ (commonFields | operationFields[e.Kind]); extra != 0 {
		for i, name := range fieldNames {
			if extra&(1<<i) != 0 {
				return malformed(name, "is not a field of %s; leave it out", e.Kind)
			}
		}
	}
	return nil
}

func (p *eventParser) fill(e *event.Event) {
	own := operationFields[e.Kind]
	e.ID = p.known(fieldEventID, p.given.ID)
	if e.ID == "" && !p.has(fieldEventID) {
		e.ID = p.given.SpareID
	}
	e.User = p.known(fieldUserID, p.given.User)
	e.OccurredAt = p.given.Now
	if e.TimeGiven = p.has(fieldOccurredAt); e.TimeGiven {
		e.OccurredAt = p.time(fieldOccurredAt)
	}
	e.Sequence = p.integer(fieldSequence)
	if e.Asset = p.text(fieldAsset); e.Asset == "" && p.has(fieldAsset) {
		p.breaks(fieldAsset, "is empty; leave it out, or give a name that matches [a-z0-9][a-z0-9._-]{0,63}")
	}
	e.Source = p.text(fieldSource)
	if t := p.tokens[fieldMetadata]; t.kind != noToken {
		p.breaks(fieldMetadata, "is %s; it must be an object of strings", t)
	}
	for field := fieldGrantID; field <= fieldOrderID; field++ {
		if own&refFields&(1<<field) != 0 {
			e.Ref = p.known(field, p.given.Ref)
		}
	}
	e.To = p.text(fieldToUserID)
	e.EffectiveAt = p.optionalTime(fieldEffectiveAt)
	e.ExpiresAt = p.optionalTime(fieldExpiresAt)
	if n := p.integer(fieldPriority); n < 0 || n > event.MaxPriority {
		p.breaks(fieldPriority, "%d is outside 0 to %d", n, event.MaxPriority)
	} else {
		e.Priority = int32(n)
	}
	e.Currency = p.text(fieldCurrency)
	p.amounts(e)
}

func (p *eventParser) amounts(e *event.Event) {
	switch {
	case e.Kind == event.PlaceOrder:
		e.Quantity = p.decimal(fieldAmount)
		e.Price = p.decimal(fieldPrice)
	case p.has(fieldAmount):
		n := p.integer(fieldAmount)
		if n < 1 || n > int64(event.MaxAmount) {
			p.breaks(fieldAmount, "%d is outside 1 to 2^53 minor units", n)
		}
		e.Amount = event.Amount(n)
	case operationFields[e.Kind]&(1<<fieldAmount) != 0 && e.Kind != event.Refund && e.Kind != event.Capture:
		p.breaks(fieldAmount, "is missing; give 1 to 2^53 minor units")
	}
}

// text is a field's string; "" where it wasn't given.
func (p *eventParser) text(field int) string {
	t := p.tokens[field]
	if p.has(field) && t.kind != stringToken {
		p.breaks(field, "is %s; it must be a string", t)
	}
	return t.text
}

// known is a field's string that may be known from elsewhere.
func (p *eventParser) known(field int, given string) string {
	if !p.has(field) {
		return given
	}
	s := p.text(field)
	if given != "" && s != given {
		p.breaks(field, "%s contradicts %s, which was given beside the event; leave it out", quote(s), quote(given))
	}
	return s
}

// integer is a field's integer; 0 where it wasn't given.
func (p *eventParser) integer(field int) int64 {
	if !p.has(field) {
		return 0
	}
	t := p.tokens[field]
	n, ok := int64(0), false
	if t.kind == numberToken {
		n, ok = parseInteger(t.text)
	}
	if !ok {
		p.breaks(field, "is %s; it must be a 64-bit integer without point or exponent", t)
	}
	return n
}

func parseInteger(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// time is a field's time: RFC 3339, or an integer of microseconds.
func (p *eventParser) time(field int) event.Time {
	t := p.tokens[field]
	switch t.kind {
	case stringToken:
		at, err := event.ParseTime(t.text)
		if err != nil {
			p.breaks(field, "%v", err)
		}
		return at
	case numberToken:
		n, ok := parseInteger(t.text)
		if !ok {
			break
		}
		if at := event.Time(n); at.Valid() {
			return at
		}
		p.breaks(field, "%d is outside 0 to %d microseconds since 1970", n, event.MaxTime)
		return 0
	}
	p.breaks(field, "is %s; give RFC 3339 with an offset such as \"2026-01-01T00:00:00Z\", or an integer of microseconds", t)
	return 0
}

func (p *eventParser) optionalTime(field int) event.Time {
	if !p.has(field) {
		return event.NoTime
	}
	return p.time(field)
}

func (p *eventParser) decimal(field int) event.Decimal {
	t := p.tokens[field]
	switch t.kind {
	case noToken:
		p.breaks(field, "is missing; give a decimal as a string, such as \"12.50\"")
		return event.Decimal{}
	case stringToken:
		d, err := event.ParseDecimal(t.text)
		if err != nil {
			p.breaks(field, "%v", err)
		}
		return d
	}
	p.breaks(field, "is %s; give a decimal as a string, such as \"12.50\"", t)
	return event.Decimal{}
}
