package event

import "strings"

// Placed is an event as a shard keeps it: in its place, with the decision
// made about it, the policy it is replayed under and where it came from. Its
// user and asset are those of the account that holds it. Memory is full of
// them, so what most don't have stands apart, shared by all copies.
type Placed struct {
	ID string
	// Time is the effective time: its time in the order.
	Time Time
	// ArrivedAt is Kafka's append time, ProcessedAt the processor's clock.
	ArrivedAt   Time
	ProcessedAt Time
	Sequence    int64
	Offset      int64
	Amount      Amount
	// details are nil where nothing of them was given.
	details *details
	Marks   Marks
	Kind    Kind
	// Outcome and Code are the decision, where arrival made one; else
	// NoOutcome.
	Outcome Outcome
	Code    Code
}

// Details are what few placed events have.
type Details struct {
	// From is the sender of an incoming transfer.
	From string
	// Ref, To, OccurredAt, EffectiveAt, ExpiresAt and Priority are as in Event.
	Ref         string
	To          string
	OccurredAt  Time
	EffectiveAt Time
	ExpiresAt   Time
	Priority    int32
	// Terms are those of a place; nil for everything else.
	Terms *Terms
	// Incoming is what an incoming transfer brought; nil for everything else.
	Incoming *Incoming
}

// details are Details and what is made of them.
type details struct {
	Details
	// grant is what a grant or an add makes; nil for everything else.
	grant *GrantTerms
}

// GrantTerms are what stays of a grant as long as there is anything of it. They
// are never changed: all states and replays share them.
type GrantTerms struct {
	ID string
	// Origin is the grant that a restored one stands for, "" for any other.
	Origin      string
	EffectiveAt Time
	// ExpiresAt is NoTime for one that never expires.
	ExpiresAt Time
	Priority  int32
}

// noDetails are those of an event at a time with nothing given.
func noDetails(at Time) Details {
	return Details{OccurredAt: at, EffectiveAt: NoTime, ExpiresAt: NoTime}
}

// With is p with these details. They can't be changed any more.
func (p Placed) With(d Details) Placed {
	p.details = nil
	credits := p.Kind == Grant || p.Kind == Add
	if credits || d != noDetails(p.Time) {
		p.details = &details{Details: d}
	}
	if credits {
		p.details.grant = p.newGrant()
	}
	return p
}

// Grant is what never changes of the grant that a grant or an add makes.
func (p *Placed) Grant() *GrantTerms {
	if p.details == nil || p.details.grant == nil {
		return p.newGrant()
	}
	return p.details.grant
}

// newGrant has an id of its own: it outlives the event and what that came with.
func (p *Placed) newGrant() *GrantTerms {
	return &GrantTerms{ID: strings.Clone(p.GrantID()), EffectiveAt: p.UsableFrom(), ExpiresAt: p.ExpiresAt(), Priority: p.Priority()}
}

// Details are what With was told.
func (p *Placed) Details() Details {
	if p.details == nil {
		return noDetails(p.Time)
	}
	return p.details.Details
}

// Incoming is what the receiver's side of a transfer keeps of it.
type Incoming struct {
	// Partition is that of the sender, where the transfer's input stands.
	Partition int32
	Grants    []RemittedGrant
}

// Terms are what an order is about.
type Terms struct {
	Currency string
	Quantity Decimal
	Price    Decimal
}

// Notional is what the order is worth.
func (t *Terms) Notional() Decimal { return t.Quantity.Notional(t.Price) }

// Marks are facts about a placed event, one bit each.
type Marks uint16

// The marks.
const (
	// TimeGivenMark: the producer gave occurred_at.
	TimeGivenMark Marks = 1 << iota
	// LateMark: it came behind something already said.
	LateMark
	// AfterFinalMark: it came behind the watermark.
	AfterFinalMark
	// DebtMark: what it misses is owed.
	DebtMark
	// ForfeitMark: what it gives back to expired grants expires at once.
	ForfeitMark
	// KnownMark: the grant that a revoke names is among the events received.
	KnownMark
	// RefundedMark: a refund of what the spend or hold took was accepted, so
	// that a replay must remember what that was.
	RefundedMark
	// WaitedMark: it waited for the operation it names; its decision is
	// revision 1 of its entry.
	WaitedMark
	// OpenAmountMark: the producer gave no amount; Amount is the one decided.
	OpenAmountMark
)

// Has reports whether all bits of m are set.
func (s Marks) Has(m Marks) bool { return s&m == m }

// Before reports whether the event stands before place q.
func (p *Placed) Before(q Place) bool {
	if p.Time != q.Time {
		return p.Time < q.Time
	}
	return p.Place().Before(q)
}

// Bytes is about how much memory p holds, beside its own place.
func (p *Placed) Bytes() int {
	const detailed, terms, incoming, part, grant = 120, 80, 32, 24, 80
	size := len(p.ID)
	d := p.details
	if d == nil {
		return size
	}
	size += detailed + len(d.From) + len(d.Ref) + len(d.To)
	if d.Terms != nil {
		size += terms + len(d.Terms.Currency)
	}
	if d.Incoming != nil {
		size += incoming + len(d.Incoming.Grants)*part
	}
	if d.grant != nil {
		size += grant
	}
	return size
}

// From is the sender of an incoming transfer.
func (p *Placed) From() string {
	if p.details == nil {
		return ""
	}
	return p.details.From
}

// Ref is as in Event.
func (p *Placed) Ref() string {
	if p.details == nil {
		return ""
	}
	return p.details.Ref
}

// To is as in Event.
func (p *Placed) To() string {
	if p.details == nil {
		return ""
	}
	return p.details.To
}

// OccurredAt is as in Event.
func (p *Placed) OccurredAt() Time {
	if p.details == nil {
		return p.Time
	}
	return p.details.OccurredAt
}

// EffectiveAt is as in Event.
func (p *Placed) EffectiveAt() Time {
	if p.details == nil {
		return NoTime
	}
	return p.details.EffectiveAt
}

// ExpiresAt is as in Event.
func (p *Placed) ExpiresAt() Time {
	if p.details == nil {
		return NoTime
	}
	return p.details.ExpiresAt
}

// Priority is as in Event.
func (p *Placed) Priority() int32 {
	if p.details == nil {
		return 0
	}
	return p.details.Priority
}

// Terms are those of a place; nil for everything else.
func (p *Placed) Terms() *Terms {
	if p.details == nil {
		return nil
	}
	return p.details.Terms
}

// Incoming is what an incoming transfer brought; nil for everything else.
func (p *Placed) Incoming() *Incoming {
	if p.details == nil {
		return nil
	}
	return p.details.Incoming
}

// Place is where the event stands.
func (p *Placed) Place() Place {
	return Place{Time: p.Time, Due: AnEvent, Sequence: p.Sequence, Rank: p.Kind.Rank(), ID: p.ID, From: p.From()}
}

// IsAt reports whether the event stands at place q.
func (p *Placed) IsAt(q Place) bool { return p.Time == q.Time && p.Place() == q }

// UsableFrom is when a grant's credits may first be drawn.
func (p *Placed) UsableFrom() Time {
	if at := p.EffectiveAt(); at != NoTime {
		return at
	}
	return p.OccurredAt()
}

// GrantID is the id of the grant that the event makes.
func (p *Placed) GrantID() string {
	if p.Kind == Grant {
		return p.Ref()
	}
	return p.ID
}
