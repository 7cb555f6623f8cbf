package event

// DefaultAsset is the asset of an event that names none.
const DefaultAsset = "credits"

// Event is one thing that happened, as its producer said it. Which of the
// operation's fields mean something depends on Kind; the others hold their
// "not given" value (see [Event.Clear]).
type Event struct {
	ID         string
	User       string
	OccurredAt Time
	// TimeGiven is false where the producer left occurred_at out and it was
	// filled in on the way; such a time isn't compared between two copies.
	TimeGiven bool
	Sequence  int64
	Asset     string
	Source    string
	Metadata  []Pair

	Kind Kind
	// Ref is the grant_id, order_id, spend_id or hold_id that the operation
	// carries.
	Ref string
	// To is a transfer's to_user_id.
	To string
	// Amount is NoAmount where an optional one was not given.
	Amount Amount
	// EffectiveAt and ExpiresAt are NoTime where not given.
	EffectiveAt Time
	ExpiresAt   Time
	Priority    int32
	// Currency, Quantity (the contract's order amount) and Price belong to
	// place.
	Currency string
	Quantity Decimal
	Price    Decimal
}

// Pair is one item of metadata.
type Pair struct{ Key, Value string }

// Clear makes e an event with nothing given.
func (e *Event) Clear() {
	*e = Event{TimeGiven: true, Amount: NoAmount, EffectiveAt: NoTime, ExpiresAt: NoTime}
}

// FillDefaults fills in what the contract says a missing field means.
func (e *Event) FillDefaults() {
	if e.Asset == "" {
		e.Asset = DefaultAsset
	}
	if e.EffectiveAt == e.OccurredAt {
		e.EffectiveAt = NoTime
	}
}

// EffectiveTime is the event's time in the order: occurred_at, or a grant's
// effective_at where that is earlier.
func (e *Event) EffectiveTime() Time {
	if e.EffectiveAt != NoTime && e.EffectiveAt < e.OccurredAt {
		return e.EffectiveAt
	}
	return e.OccurredAt
}

// UsableFrom is when a grant's credits may first be drawn: its effective_at,
// else its occurred_at.
func (e *Event) UsableFrom() Time {
	if e.EffectiveAt != NoTime {
		return e.EffectiveAt
	}
	return e.OccurredAt
}

// Place is where the event stands among its user's.
func (e *Event) Place() Place {
	return Place{Time: e.EffectiveTime(), Due: AnEvent, Sequence: e.Sequence, Rank: e.Kind.Rank(), ID: e.ID}
}

// GrantID is the id of the grant that a grant or an add makes.
func (e *Event) GrantID() string {
	if e.Kind == Add {
		return e.ID
	}
	return e.Ref
}

// SameContent reports whether two events with defaults filled in say the
// same. Source and metadata don't count, nor does occurred_at where one copy
// was not given it; an effective_at left out is then like one left out, and
// like the time it means.
func (e *Event) SameContent(o *Event) bool {
	if e.TimeGiven && o.TimeGiven && e.OccurredAt != o.OccurredAt {
		return false
	}
	return e.ID == o.ID && e.User == o.User && e.Sequence == o.Sequence && e.Asset == o.Asset &&
		e.Kind == o.Kind && e.Ref == o.Ref && e.To == o.To && e.Amount == o.Amount &&
		(e.EffectiveAt == o.EffectiveAt || e.UsableFrom() == o.UsableFrom()) && e.ExpiresAt == o.ExpiresAt && e.Priority == o.Priority &&
		e.Currency == o.Currency && e.Quantity == o.Quantity && e.Price == o.Price
}
