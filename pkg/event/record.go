package event

import "strconv"

// Stamp is what every published record carries.
type Stamp struct {
	Partition int32
	// Seq counts the records of one partition and topic from 0.
	Seq int64
	// Watermark is the one in force when the record's cause was processed.
	Watermark   Time
	CommittedAt Time
}

// Balances are the three numbers of an account at one place. Balance is what
// is available less what is owed.
type Balances struct {
	Balance int64
	Held    int64
	Debt    int64
}

// Slice is a part of one grant: drawn, given back, granted, expired or
// revoked.
type Slice struct {
	GrantID   string
	Amount    Amount
	ExpiresAt Time
}

// Repayment is a debt that newly usable credits paid: of which event, from
// which grant.
type Repayment struct {
	EventID string
	GrantID string
	Amount  Amount
}

// OrderStatus is the state of an order.
type OrderStatus uint8

// The states; NoOrderStatus is that of an order never placed.
const (
	NoOrderStatus OrderStatus = iota
	Active
	Paused
	Cancelled
)

var orderStatusNames = [...]string{"", "ACTIVE", "PAUSED", "CANCELLED"}

// String is the state's name on the wire.
func (s OrderStatus) String() string { return orderStatusNames[s] }

// OrderChange is what a command did to orders.
type OrderChange struct {
	// OrderID is "" for cancel_all.
	OrderID string
	// Status is the order's state after the command; none for cancel_all and
	// for a command on an unknown order.
	Status OrderStatus
	// Cancelled is how many orders a cancel_all ended.
	Cancelled int64
}

// Result is what a replay says about one event or due item.
type Result struct {
	Outcome Outcome
	Code    Code
	// Amount is NoAmount for orders and where a refused operation gave none.
	Amount    Amount
	Shortfall int64
	// Undone is how much of a shortfall a refund took back.
	Undone int64
	Slices []Slice
	Repaid []Repayment
	// Omitted is what a record that would have been too large was published
	// without.
	Omitted Omitted
	// After is the account at the item's place; meaningless for orders and
	// while pending.
	After Balances
	Order OrderChange
}

// Reset makes r the result of nothing and keeps its memory. Each step of each
// replay begins with it, so it writes only what is there: a Result is large.
func (r *Result) Reset() {
	r.Outcome, r.Code = NoOutcome, NoCode
	r.Amount, r.Shortfall, r.Undone = NoAmount, 0, 0
	r.Slices, r.Repaid = r.Slices[:0], r.Repaid[:0]
	r.Omitted, r.After = Omitted{}, Balances{}
	if r.Order != (OrderChange{}) {
		r.Order = OrderChange{}
	}
}

// Same reports whether two results agree in everything that a correction
// must announce. Balances are announced as stretches instead. One that was
// published without some slices is the same as another without as many.
func (r *Result) Same(o *Result) bool {
	if r.Outcome != o.Outcome || r.Code != o.Code || r.Amount != o.Amount ||
		r.Shortfall != o.Shortfall || r.Order != o.Order || len(r.Slices) != len(o.Slices) || r.Omitted.Slices != o.Omitted.Slices {
		return false
	}
	for i := range r.Slices {
		if r.Slices[i] != o.Slices[i] {
			return false
		}
	}
	return true
}

// Entry says what became of one event, or that a due item happened.
type Entry struct {
	EventID string
	UserID  string
	// Asset is "" for orders and said as null.
	Asset       string
	Kind        Kind
	OccurredAt  Time
	EffectiveAt Time
	// ArrivedAt is NoTime and Input is zero for due items.
	ArrivedAt    Time
	Input        Position
	Counterparty string
	Result
	Late       bool
	AfterFinal bool
	Revision   int32
	Stamp
}

// HasBalances reports whether the entry says anything about credits.
func (e *Entry) HasBalances() bool { return e.Outcome != Pending && !e.Kind.IsOrder() }

// Cause is what a correction blames.
type Cause struct {
	EventID    string
	Kind       Kind
	OccurredAt Time
	Input      Position
	// LateBy is how far behind the newest thing said the cause stands, in
	// microseconds.
	LateBy int64
}

// Stretch is a half-open time over which the balances differ by constant
// amounts from what was said. To is NoTime where it lasts until the next
// thing said.
type Stretch struct {
	From, To Time
	Balances
}

// EntryChange is an entry that no longer stands as it was said. Before is nil
// where a due item appears behind what was said, After where one vanishes.
type EntryChange struct {
	EventID     string
	Kind        Kind
	EffectiveAt Time
	Before      *Result
	After       *Result
}

// Correction says what a late event changed in what was said before.
type Correction struct {
	Cause  Cause
	UserID string
	// Asset is "" for orders and said as null.
	Asset      string
	AfterFinal bool
	Changes    []Stretch
	Entries    []EntryChange
	// Part counts from 1 to Parts.
	Part, Parts int32
	Stamp
}

// Balance is the newest balance of one (user, asset).
type Balance struct {
	UserID string
	Asset  string
	Balances
	// AsOf is the newest thing said.
	AsOf Time
	// NextChangeAt is when something already known will change it; NoTime if
	// nothing will.
	NextChangeAt Time
	Final        bool
	Revision     int64
	Stamp
}

// OrderState is the newest state of one order.
type OrderState struct {
	UserID    string
	OrderID   string
	Currency  string
	Quantity  Decimal
	Price     Decimal
	Status    OrderStatus
	PlacedAt  Time
	UpdatedAt Time
	Revision  int64
	// Gone marks a tombstone: the order is no longer live.
	Gone bool
	Stamp
}

// Tally counts what happened to orders of one currency in one window.
type Tally struct {
	Placed, Paused, Resumed, Cancelled, Ignored int64
	PlacedAmount, PlacedNotional                Decimal
	LiveOrdersDelta                             int64
	LiveNotionalDelta                           Decimal
}

// OrderStats is this partition's share of one (currency, minute) window.
type OrderStats struct {
	Currency    string
	WindowStart Time
	Tally
	Revision int64
	Final    bool
	Stamp
}

// Watermark says that events up to At are expected to be complete.
type Watermark struct {
	At Time
	Stamp
}

// AlertKind says what an alert is about.
type AlertKind uint8

// The kinds of alerts.
const (
	NoAlert AlertKind = iota
	ShortfallAlert
	SpendAmountLimit
	SpendCountLimit
	LiveOrdersLimit
	OrderNotionalLimit
	OverflowAlert
)

var alertNames = [...]string{"", "shortfall", "spend_amount_limit", "spend_count_limit", "live_orders_limit", "order_notional_limit", "overflow"}

// String is the kind's name on the wire.
func (k AlertKind) String() string { return alertNames[k] }

// Alert is something a person may want to look at.
type Alert struct {
	UserID  string
	Asset   string
	Kind    AlertKind
	EventID string
	Message string
	// Value is what was found and Limit what it was held against, as decimal
	// text.
	Value string
	Limit string
	Stamp
}

// Remittance is a transfer on its way from the sender's partition to the
// receiver's: what was drawn when it was accepted, which no later replay
// changes.
type Remittance struct {
	From, To string
	EventID  string
	Asset    string
	// OccurredAt and Sequence are the transfer's: its grants are effective
	// there.
	OccurredAt Time
	Sequence   int64
	// ArrivedAt and Input are those of the transfer's record.
	ArrivedAt Time
	Input     Position
	// Grants are the slices drawn, in the order they were.
	Grants []RemittedGrant
}

// RemittedGrant is one slice of a transfer: the receiver's grant.
type RemittedGrant struct {
	Amount    Amount
	ExpiresAt Time
	Priority  int32
}

// GrantID is the id of the receiver's grant number n.
func (r *Remittance) GrantID(n int) string {
	return RemittedID(r.From, r.EventID, n)
}

// RemittedID is the id of the grant number n that a transfer brings.
func RemittedID(from, eventID string, n int) string {
	return from + "/" + eventID + "/" + strconv.Itoa(n)
}

// Amount is what the transfer brings.
func (r *Remittance) Amount() Amount {
	sum := Amount(0)
	for i := range r.Grants {
		sum += r.Grants[i].Amount
	}
	return sum
}

// Place is where the credit stands among the receiver's events.
func (r *Remittance) Place() Place {
	return Place{Time: r.OccurredAt, Due: AnEvent, Sequence: r.Sequence, Rank: Received.Rank(), ID: r.EventID, From: r.From}
}

// DeadLetter says why an input record was put aside. Its bytes are kept by
// whoever read them.
type DeadLetter struct {
	Refusal
	Stamp
}
