package engine

import (
	"fmt"

	"highwater/pkg/event"
	"highwater/pkg/order"
	"highwater/pkg/pack"
)

// Versions of the rows, their first byte. A released version is never
// written differently and never read differently.
const (
	eventRowVersion = 1
	headRowVersion  = 1
	orderRowVersion = 1
	useRowVersion   = 1

	chapterRowVersion = 1

	windowRowVersion = 1
	metaRowVersion   = 7
)

// Optional parts of an event row, in the order they stand in.
const (
	hasOccurredAt = 1 << iota
	hasDecision
	hasAmount
	hasRef
	hasTo
	hasEffectiveAt
	hasExpiresAt
	hasPriority
	hasTerms
	hasAsset
	hasSource
	hasMetadata
	hasOpenAmount
	hasIncoming
)

// An event row, version 1, as pack's parts:
//
//	version | kind byte | marks byte (the lower eight; what else is marked
//	shows in the parts) | parts | processed_at | arrived_at, from the whole
//	millisecond of that | offset
//	| the parts whose bit is set: occurred_at | outcome byte, code byte
//	| amount | ref | to | effective_at | expires_at | priority
//	| currency, quantity, price | asset (of orders, if not the default)
//	| source | metadata: count, (key, value)
//	| nothing more where the producer gave no amount
//	| incoming: partition, count, (amount, expires_at+1, priority)
//
// Time, sequence, rank, id and sender stand in its key, and other times are
// written from that one. What most rows of a transaction have in common comes
// first: a compression finds it.
func appendEventRow(b []byte, p *event.Placed, extra *event.Event) []byte {
	parts, d := uint64(0), p.Details()
	set := func(bit uint64, on bool) {
		if on {
			parts |= bit
		}
	}
	set(hasOccurredAt, d.OccurredAt != p.Time)
	set(hasDecision, p.Outcome != event.NoOutcome)
	set(hasAmount, p.Amount != event.NoAmount)
	set(hasRef, d.Ref != "")
	set(hasTo, d.To != "")
	set(hasEffectiveAt, d.EffectiveAt != event.NoTime)
	set(hasExpiresAt, d.ExpiresAt != event.NoTime)
	set(hasPriority, d.Priority != 0)
	set(hasTerms, d.Terms != nil)
	set(hasAsset, p.Kind.IsOrder() && extra.Asset != "" && extra.Asset != event.DefaultAsset)
	set(hasSource, extra.Source != "")
	set(hasMetadata, len(extra.Metadata) > 0)
	set(hasOpenAmount, p.Marks.Has(event.OpenAmountMark))
	set(hasIncoming, d.Incoming != nil)

	b = append(b, eventRowVersion, byte(p.Kind), byte(p.Marks))
	b = pack.Uint(b, parts)
	b = pack.Uint(b, uint64(p.ProcessedAt))
	b = appendTime(b, p.ArrivedAt, wholeMilli(p.ProcessedAt))
	b = pack.Uint(b, uint64(p.Offset))
	if parts&hasOccurredAt != 0 {
		b = appendTime(b, d.OccurredAt, p.Time)
	}
	if parts&hasDecision != 0 {
		b = append(b, byte(p.Outcome), byte(p.Code))
	}
	if parts&hasAmount != 0 {
		b = pack.Uint(b, uint64(p.Amount))
	}
	if parts&hasRef != 0 {
		b = pack.String(b, d.Ref)
	}
	if parts&hasTo != 0 {
		b = pack.String(b, d.To)
	}
	if parts&hasEffectiveAt != 0 {
		b = appendTime(b, d.EffectiveAt, p.Time)
	}
	if parts&hasExpiresAt != 0 {
		b = appendTime(b, d.ExpiresAt, p.Time)
	}
	if parts&hasPriority != 0 {
		b = pack.Uint(b, uint64(d.Priority))
	}
	if parts&hasTerms != 0 {
		b = appendTerms(b, d.Terms)
	}
	if parts&hasAsset != 0 {
		b = pack.String(b, extra.Asset)
	}
	if parts&hasSource != 0 {
		b = pack.String(b, extra.Source)
	}
	if parts&hasMetadata != 0 {
		b = pack.Uint(b, uint64(len(extra.Metadata)))
		for _, m := range extra.Metadata {
			b = pack.String(pack.String(b, m.Key), m.Value)
		}
	}
	if parts&hasIncoming != 0 {
		b = appendIncoming(b, d.Incoming)
	}
	return b
}

func appendIncoming(b []byte, in *event.Incoming) []byte {
	b = pack.Uint(b, uint64(in.Partition))
	b = pack.Uint(b, uint64(len(in.Grants)))
	for i := range in.Grants {
		g := &in.Grants[i]
		b = pack.Uint(b, uint64(g.Amount))
		b = pack.Uint(b, uint64(g.ExpiresAt+1))
		b = pack.Uint(b, uint64(g.Priority))
	}
	return b
}

func readIncoming(r *pack.Reader) *event.Incoming {
	in := &event.Incoming{Partition: int32(r.Uint())}
	for range r.Count(3) {
		in.Grants = append(in.Grants, event.RemittedGrant{
			Amount: event.Amount(r.Uint()), ExpiresAt: event.Time(r.Uint()) - 1, Priority: int32(r.Uint()),
		})
	}
	return in
}

// decodeEventRow reads an event row and the place at its key's end. Strings
// share the memory of place and row. Asset, source and metadata go to extra.
func decodeEventRow(place event.Place, row string, p *event.Placed, extra *event.Event) error {
	r := pack.NewReader(row)
	if v := r.Byte(); v != eventRowVersion {
		return fmt.Errorf("event row of version %d: this program reads version %d", v, eventRowVersion)
	}
	*p = event.Placed{
		ID: place.ID, Time: place.Time, Sequence: place.Sequence,
		Kind: event.Kind(r.Byte()), Marks: event.Marks(r.Byte()), Amount: event.NoAmount,
	}
	d := p.Details()
	d.From = place.From
	parts := r.Uint()
	p.ProcessedAt = event.Time(r.Uint())
	p.ArrivedAt = readTime(&r, wholeMilli(p.ProcessedAt))
	p.Offset = int64(r.Uint())
	if parts&hasOccurredAt != 0 {
		d.OccurredAt = readTime(&r, p.Time)
	}
	if parts&hasDecision != 0 {
		p.Outcome, p.Code = event.Outcome(r.Byte()), event.Code(r.Byte())
	}
	if parts&hasAmount != 0 {
		p.Amount = event.Amount(r.Uint())
	}
	if parts&hasRef != 0 {
		d.Ref = r.String()
	}
	if parts&hasTo != 0 {
		d.To = r.String()
	}
	if parts&hasEffectiveAt != 0 {
		d.EffectiveAt = readTime(&r, p.Time)
	}
	if parts&hasExpiresAt != 0 {
		d.ExpiresAt = readTime(&r, p.Time)
	}
	if parts&hasPriority != 0 {
		d.Priority = int32(r.Uint())
	}
	if parts&hasTerms != 0 {
		d.Terms = readTerms(&r)
	}
	if parts&(hasAsset|hasSource|hasMetadata) != 0 {
		readExtra(&r, parts, extra)
	}
	if parts&hasOpenAmount != 0 {
		p.Marks |= event.OpenAmountMark
	}
	if parts&hasIncoming != 0 {
		d.Incoming = readIncoming(&r)
	}
	*p = p.With(d)
	if (p.Kind == event.Received) != (d.Incoming != nil) {
		return fmt.Errorf("event row of %q: a %s with what only transfers bring, or without it", place.ID, p.Kind)
	}
	if err := r.Close(); err != nil {
		return fmt.Errorf("event row of %q: %w", place.ID, err)
	}
	return nil
}

func readExtra(r *pack.Reader, parts uint64, extra *event.Event) {
	if parts&hasAsset != 0 {
		extra.Asset = r.String()
	}
	if parts&hasSource != 0 {
		extra.Source = r.String()
	}
	if parts&hasMetadata != 0 {
		for range r.Count(2) {
			extra.Metadata = append(extra.Metadata, event.Pair{Key: r.String(), Value: r.String()})
		}
	}
}

// Optional parts of an account's row, in the order they stand in.
const (
	hasPlace = 1 << iota
	hasHigh
	hasChapter
	hasState
)

// head is what an account's row says, version 1:
//
//	version | parts byte | number | balance records | credited | debited
//	| the parts whose bit is set: where what was said last stands
//	| what credited is beyond 64 bits | where the last chapter ends
//	| state: events since the last checkpoint, state
//
// Of an asset without a state what was said last is its newest event, where the
// row doesn't tell another place.
type head struct {
	number  uint64
	records int64
	// Totals at face value, for amount_overflow.
	credited, debited uint64
	// creditedHigh counts multiples of 2^64: what transfers bring is never
	// refused.
	creditedHigh uint64
	// last is what is known of the last chapter; nil where there is none, as
	// for nearly every account.
	last *lastChapter
}

// lastChapter is where the last chapter of an account ends, and where it
// begins if it was made since the account was loaded.
type lastChapter struct{ begin, end event.Place }

// append makes the row, with the account's state so many events behind the last
// checkpoint, or without where that is empty.
func (h *head) append(b []byte, place event.Place, state []byte, since int) []byte {
	parts := byte(0)
	set := func(bit byte, on bool) {
		if on {
			parts |= bit
		}
	}
	set(hasPlace, place != (event.Place{}))
	set(hasHigh, h.creditedHigh > 0)
	set(hasChapter, h.last != nil)
	set(hasState, len(state) > 0)
	b = append(b, headRowVersion, parts)
	b = pack.Uint(b, h.number)
	b = pack.Uint(b, uint64(h.records))
	b = pack.Uint(b, h.credited)
	b = pack.Uint(b, h.debited)
	if parts&hasPlace != 0 {
		b = appendPlaceParts(b, place, 0)
	}
	if parts&hasHigh != 0 {
		b = pack.Uint(b, h.creditedHigh)
	}
	if parts&hasChapter != 0 {
		b = appendPlaceParts(b, h.last.end, 0)
	}
	if parts&hasState != 0 {
		b = pack.Uint(b, uint64(since))
		b = append(b, state...)
	}
	return b
}

// decode reads the row but for the state, which is what is left of it: empty
// where it isn't there.
func (h *head) decode(row string, place *event.Place) (state string, since int, err error) {
	r := pack.NewReader(row)
	if v := r.Byte(); v != headRowVersion {
		return "", 0, fmt.Errorf("account row of version %d: this program reads version %d", v, headRowVersion)
	}
	parts := r.Byte()
	h.number = r.Uint()
	h.records = int64(r.Uint())
	h.credited, h.debited = r.Uint(), r.Uint()
	if parts&hasPlace != 0 {
		*place = readPlaceParts(&r, 0)
	}
	if parts&hasHigh != 0 {
		h.creditedHigh = r.Uint()
	}
	if parts&hasChapter != 0 {
		h.last = &lastChapter{end: readPlaceParts(&r, 0)}
	}
	if parts&hasState != 0 {
		since = int(r.Uint())
		state = r.Rest()
	}
	if err := r.Close(); err != nil {
		return "", 0, fmt.Errorf("account row: %w", err)
	}
	return state, since, nil
}

// append makes the row of what was taken of a spend or hold, version 1:
//
//	version | captured | refunded | released byte
func (s *use) append(b []byte) []byte {
	b = append(b, useRowVersion)
	b = pack.Uint(b, uint64(s.captured))
	b = pack.Uint(b, uint64(s.refunded))
	return append(b, flag(s.released))
}

func (s *use) decode(row string) error {
	r := pack.NewReader(row)
	if v := r.Byte(); v != useRowVersion {
		return fmt.Errorf("use row of version %d: this program reads version %d", v, useRowVersion)
	}
	*s = use{captured: event.Amount(r.Uint()), refunded: event.Amount(r.Uint()), released: r.Byte() == 1}
	if err := r.Close(); err != nil {
		return fmt.Errorf("use row: %w", err)
	}
	return nil
}

// The row of an accepted capture, version 1: version | amount.
const captureRowVersion = 1

func appendCaptureRow(b []byte, amount event.Amount) []byte {
	return pack.Uint(append(b, captureRowVersion), uint64(amount))
}

func readCaptureRow(row string) (event.Amount, error) {
	r := pack.NewReader(row)
	if v := r.Byte(); v != captureRowVersion {
		return 0, fmt.Errorf("capture row of version %d: this program reads version %d", v, captureRowVersion)
	}
	amount := event.Amount(r.Uint())
	if err := r.Close(); err != nil {
		return 0, fmt.Errorf("capture row: %w", err)
	}
	return amount, nil
}

// orderRow is one order now, version 1:
//
//	version | status byte | first time | last end's time, from the first
//	| records | while live: place, from the first time | updated_at, from the
//	place's | currency, quantity, price
type orderRow struct {
	// first is the time of the order's first command, ended that of the last
	// one that ended it, NoTime if none: an order was live at no time outside.
	first, ended event.Time
	records      int64
	state        order.Order
}

func (o *orderRow) append(b []byte) []byte {
	b = append(b, orderRowVersion, byte(o.state.Status))
	b = appendTime(b, o.first, 0)
	b = appendTime(b, o.ended, o.first)
	b = pack.Uint(b, uint64(o.records))
	if o.state.Live() {
		b = appendPlaceParts(b, o.state.Placed, o.first)
		b = appendTime(b, o.state.UpdatedAt, o.state.Placed.Time)
		b = appendTerms(b, o.state.Terms)
	}
	return b
}

func (o *orderRow) decode(row string) error {
	r := pack.NewReader(row)
	if v := r.Byte(); v != orderRowVersion {
		return fmt.Errorf("order row of version %d: this program reads version %d", v, orderRowVersion)
	}
	*o = orderRow{state: order.Order{Status: event.OrderStatus(r.Byte())}}
	o.first = readTime(&r, 0)
	o.ended = readTime(&r, o.first)
	o.records = int64(r.Uint())
	if o.state.Live() {
		o.state.Placed = readPlaceParts(&r, o.first)
		o.state.UpdatedAt = readTime(&r, o.state.Placed.Time)
		o.state.Terms = readTerms(&r)
	}
	if err := r.Close(); err != nil {
		return fmt.Errorf("order row: %w", err)
	}
	return nil
}

// window is one (currency, minute), version 1: version, records, final byte,
// then the tally's nine numbers in their order, the last one as what it is more
// than the one before.
type window struct {
	records int64
	final   bool
	tally   event.Tally
}

func (w *window) append(b []byte) []byte {
	b = append(b, windowRowVersion)
	b = pack.Uint(b, uint64(w.records))
	if w.final {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	t := &w.tally
	for _, n := range [...]int64{t.Placed, t.Paused, t.Resumed, t.Cancelled, t.Ignored, t.LiveOrdersDelta} {
		b = pack.Int(b, n)
	}
	b = appendDecimal(b, t.PlacedAmount)
	b = appendDecimal(b, t.PlacedNotional)
	return appendDecimal(b, t.LiveNotionalDelta.Sub(t.PlacedNotional))
}

func (w *window) decode(row string) error {
	r := pack.NewReader(row)
	if v := r.Byte(); v != windowRowVersion {
		return fmt.Errorf("window row of version %d: this program reads version %d", v, windowRowVersion)
	}
	w.records = int64(r.Uint())
	w.final = r.Byte() == 1
	t := &w.tally
	for _, n := range [...]*int64{&t.Placed, &t.Paused, &t.Resumed, &t.Cancelled, &t.Ignored, &t.LiveOrdersDelta} {
		*n = r.Int()
	}
	t.PlacedAmount, t.PlacedNotional = readDecimal(&r), readDecimal(&r)
	t.LiveNotionalDelta = t.PlacedNotional.Add(readDecimal(&r))
	if err := r.Close(); err != nil {
		return fmt.Errorf("window row: %w", err)
	}
	return nil
}
