package event

// Kind says what an event does, or what a due item says. The names are the
// contract's operations.
type Kind uint8

// The operations, the incoming side of a transfer, and the due items.
const (
	NoKind Kind = iota
	Grant
	Revoke
	Subtract
	Add
	Spend
	Refund
	Hold
	Capture
	Release
	Transfer
	Received
	PlaceOrder
	Pause
	Resume
	Cancel
	CancelAll
	HoldExpired
	Expired
	Activated
	kinds
)

var kindNames = [kinds]string{
	"", "grant", "revoke", "subtract", "add", "spend", "refund", "hold", "capture", "release",
	"transfer", "received", "place", "pause", "resume", "cancel", "cancel_all",
	"hold_expired", "expired", "activated",
}

var kindRanks = [kinds]uint8{
	PlaceOrder: 0,
	Grant:      1, Add: 1, Received: 1,
	Refund: 2, Release: 2,
	Revoke:   3,
	Subtract: 4, Spend: 4, Hold: 4, Capture: 4, Transfer: 4,
	Pause: 5, Resume: 5,
	Cancel:    6,
	CancelAll: 7,
}

var kindTopics = [kinds]Topic{
	Grant: Grants, Revoke: Grants,
	Subtract: Subtracts,
	Add:      Ledger, Spend: Ledger, Refund: Ledger, Hold: Ledger, Capture: Ledger, Release: Ledger, Transfer: Ledger,
	Received:   Ledger,
	PlaceOrder: Orders, Pause: Orders, Resume: Orders, Cancel: Orders, CancelAll: Orders,
}

// String is the operation's name in the contract, such as "cancel_all".
func (k Kind) String() string { return kindNames[k] }

// Rank is the kind's part of the order of events at one time and sequence.
func (k Kind) Rank() uint8 { return kindRanks[k] }

// Topic is the input topic that carries the kind; for what a transfer brings,
// the one that carries the transfer.
func (k Kind) Topic() Topic { return kindTopics[k] }

// IsOrder reports whether the kind is a command on orders.
func (k Kind) IsOrder() bool { return k >= PlaceOrder && k <= CancelAll }

// IsDue reports whether the kind is a due item, which no event carries.
func (k Kind) IsDue() bool { return k >= HoldExpired }

// IsDebit reports whether the kind takes credits out of what is available.
func (k Kind) IsDebit() bool {
	switch k {
	case Subtract, Spend, Hold, Transfer:
		return true
	}
	return false
}

// IsConditional reports whether the kind is accepted or rejected once and for
// all when it is first processed.
func (k Kind) IsConditional() bool {
	switch k {
	case Spend, Refund, Hold, Capture, Release, Transfer:
		return true
	}
	return false
}

// ParseKind finds an operation by its name. Due items and "received" are not
// operations and are not found.
func ParseKind(name string) (Kind, bool) {
	for k := Grant; k < HoldExpired; k++ {
		if kindNames[k] == name && k != Received {
			return k, true
		}
	}
	return NoKind, false
}

// ParseEntryKind finds any kind an entry may have, due items included.
func ParseEntryKind(name string) (Kind, bool) {
	for k := Grant; k < kinds; k++ {
		if kindNames[k] == name {
			return k, true
		}
	}
	return NoKind, false
}

// Topic is one of the topics that a shard reads.
type Topic uint8

// The input topics, and the internal one that carries transfers' credits.
const (
	NoTopic Topic = iota
	Grants
	Subtracts
	Ledger
	Orders
	Transfers
	topics
)

// Inputs are the four public input topics.
var Inputs = [4]Topic{Grants, Subtracts, Ledger, Orders}

var topicNames = [topics]string{"", "grants", "subtracts", "ledger", "orders", "transfers"}

// String is the topic's name without any prefix.
func (t Topic) String() string { return topicNames[t] }

// ParseTopic finds an input topic by its name without any prefix.
func ParseTopic(name string) (Topic, bool) {
	for t := Grants; t < topics; t++ {
		if topicNames[t] == name {
			return t, true
		}
	}
	return NoTopic, false
}

// Position is where an event stands in Kafka. The zero Position means none.
type Position struct {
	Topic     Topic
	Partition int32
	Offset    int64
}
