package event

// Placed is an event as a shard keeps it: in its place, with the decision
// made about it, the policy it is replayed under and where it came from. Its
// user and asset are those of the account that holds it.
type Placed struct {
	ID string
	// From is the sender of an incoming transfer.
	From string
	// Ref and To are as in Event.
	Ref string
	To  string
	// Time is the effective time: its time in the order.
	Time        Time
	OccurredAt  Time
	EffectiveAt Time
	ExpiresAt   Time
	// ArrivedAt is Kafka's append time, ProcessedAt the processor's clock.
	ArrivedAt   Time
	ProcessedAt Time
	Sequence    int64
	Offset      int64
	Amount      Amount
	Priority    int32
	Kind        Kind
	Marks       Marks
	// Outcome and Code are the decision, where arrival made one; else
	// NoOutcome.
	Outcome Outcome
	Code    Code
	// Terms are those of a place; nil for everything else.
	Terms *Terms
	// Incoming is what an incoming transfer brought; nil for everything else.
	Incoming *Incoming
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

// Place is where the event stands.
func (p *Placed) Place() Place {
	return Place{Time: p.Time, Due: AnEvent, Sequence: p.Sequence, Rank: p.Kind.Rank(), ID: p.ID, From: p.From}
}

// IsAt reports whether the event stands at place q.
func (p *Placed) IsAt(q Place) bool { return p.Time == q.Time && p.Place() == q }

// UsableFrom is when a grant's credits may first be drawn.
func (p *Placed) UsableFrom() Time {
	if p.EffectiveAt != NoTime {
		return p.EffectiveAt
	}
	return p.OccurredAt
}

// GrantID is the id of the grant that the event makes.
func (p *Placed) GrantID() string {
	if p.Kind == Grant {
		return p.Ref
	}
	return p.ID
}
