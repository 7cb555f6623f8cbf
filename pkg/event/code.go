package event

// Outcome says what became of an event.
type Outcome uint8

// The outcomes.
const (
	NoOutcome Outcome = iota
	Applied
	Accepted
	Rejected
	Ignored
	Pending
	outcomes
)

var outcomeNames = [outcomes]string{"", "applied", "accepted", "rejected", "ignored", "pending"}

// String is the outcome's name on the wire.
func (o Outcome) String() string { return outcomeNames[o] }

// ParseOutcome finds an outcome by its name.
func ParseOutcome(name string) (Outcome, bool) {
	for o := Applied; o < outcomes; o++ {
		if outcomeNames[o] == name {
			return o, true
		}
	}
	return NoOutcome, false
}

// Code says why an event was refused, ignored or put aside. Codes stand in
// their order of precedence: when several apply, the earliest is given.
type Code uint8

// The codes: first those of dead letters, then those of decisions, then those
// of ignored order commands, then those that only HTTP answers.
const (
	NoCode Code = iota
	Malformed
	Invalid
	WrongPartition
	FromTheFuture
	TooOld
	EventConflict
	GrantExists
	AmountOverflow
	UnknownReference
	NotASpend
	BeforeReference
	HoldResolved
	HoldIsExpired
	ExceedsHeld
	AlreadyRefunded
	ExceedsRefundable
	RiskLimited
	InsufficientFunds
	UnknownOrder
	NotActive
	NotPaused
	DuplicateOrder
	AmbiguousOrder
	Quarantined
	UnknownSchema
	codes
)

var codeNames = [codes]string{
	"", "malformed", "invalid", "wrong_partition", "from_the_future", "too_old", "event_conflict",
	"grant_exists", "amount_overflow", "unknown_reference", "not_a_spend", "before_reference",
	"hold_resolved", "hold_expired", "exceeds_held", "already_refunded", "exceeds_refundable",
	"risk_limited", "insufficient_funds", "unknown_order", "not_active", "not_paused",
	"duplicate_order", "ambiguous_order", "quarantined", "unknown_schema",
}

// String is the code's name on the wire; "" for none.
func (c Code) String() string { return codeNames[c] }

// ParseCode finds a code by its name.
func ParseCode(name string) (Code, bool) {
	for c := range codes {
		if codeNames[c] == name {
			return c, true
		}
	}
	return NoCode, false
}

// Refusal is why an event can't be taken: a code, the field at fault and what
// to do about it.
type Refusal struct {
	Code    Code
	Field   string
	Message string
}

// Error is the refusal in one line.
func (r *Refusal) Error() string {
	if r.Field == "" {
		return r.Code.String() + ": " + r.Message
	}
	return r.Code.String() + ": " + r.Field + ": " + r.Message
}
