package engine

import (
	"math/big"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
)

// Bucket is where a grant's credits are.
type Bucket uint8

// The buckets. InRestored is where credits went for which another grant of
// the same account stands now.
const (
	Nowhere Bucket = iota
	InAvailable
	InHeld
	InConsumed
	InExpired
	InRevoked
	InSent
	InRestored
	bucketCount
)

var bucketNames = [bucketCount]string{"", "available", "held", "consumed", "expired", "revoked", "sent", "restored"}

// String is the bucket's name in answers; "" for Nowhere.
func (b Bucket) String() string { return bucketNames[b] }

// Buckets are amounts by where they are.
type Buckets [bucketCount]event.Amount

// Use is one thing that happened to a part of a grant.
type Use struct {
	// EventID and Kind are of the event or due item that did it; At is its
	// place, with a number that counts what it did to the grant.
	EventID  string
	Kind     event.Kind
	At       GrantPlace
	Amount   event.Amount
	From, To Bucket
	// Of is the hold or spend that a capture, release, refund or time-out names.
	Of string
	// Repays is the event whose debt it paid.
	Repays string
	// Restored is the grant that stands for it now.
	Restored string
	// Counterparty is who got it.
	Counterparty string
}

// ExplainedGrant is a grant with all that happened to it.
type ExplainedGrant struct {
	ledger.Grant
	// EventID and Kind are of what made it, From who sent it. It came at Place,
	// as the one of this Number.
	EventID string
	Kind    event.Kind
	From    string
	Place   event.Place
	Number  int
	Amount  event.Amount
	In      Buckets
	// Uses are those asked for, in their order; More is how many follow them.
	Uses []Use
	More int
	// Credited is false for one that isn't usable yet, or was revoked before.
	Credited, Revoked bool

	shown bool
	// last is where something last happened to it.
	last GrantPlace
}

// ExplainedDebt is what an event still owes.
type ExplainedDebt struct {
	EventID string
	Kind    event.Kind
	At      event.Time
	// Shortfall is what it missed at its place, Owed what of that is left.
	Shortfall int64
	Owed      event.Amount
}

// Sums are where everything an asset was ever credited has gone. What
// transfers bring is never refused, so they may pass 64 bits.
type Sums struct {
	Credited *big.Int
	In       [bucketCount]*big.Int
}

// Conserved reports whether nothing is missing and nothing too much: what was
// credited is somewhere, and what is available, held and owed is the account's.
func (s *Sums) Conserved(b event.Balances) bool {
	sum := new(big.Int)
	for bucket := InAvailable; bucket < InRestored; bucket++ {
		sum.Add(sum, s.In[bucket])
	}
	available, held := big.NewInt(b.Balance), big.NewInt(b.Held)
	available.Add(available, big.NewInt(b.Debt))
	return sum.Cmp(s.Credited) == 0 && s.In[InAvailable].Cmp(available) == 0 && s.In[InHeld].Cmp(held) == 0
}

// GrantPlace is where a grant stands among all of an account: by what made it,
// and its number there.
type GrantPlace struct {
	Place  event.Place
	Number int
}

func (p GrantPlace) before(q GrantPlace) bool {
	if c := p.Place.Compare(q.Place); c != 0 {
		return c < 0
	}
	return p.Number < q.Number
}

// Wanted says which part of an explanation is asked for: what is behind
// Behind, Limit of it.
type Wanted struct {
	// GrantID asks for one grant, and its uses behind Behind; "" for all
	// grants behind it, with the first MaxUses of the uses of each.
	GrantID string
	Behind  GrantPlace
	Limit   int
	MaxUses int
}

// Explanation is how an asset came to be what it is at one time.
type Explanation struct {
	Standing
	Sums   Sums
	Grants []*ExplainedGrant
	// More is whether grants follow those; GrantCount how many there are.
	More       bool
	GrantCount int
	Debts      []ExplainedDebt
	// Short is how many events ran short at their places, and Missed of how
	// much, whether or not that was owed. A hold's captures count, not itself.
	Short  int
	Missed int64
	// LastAt is the time of the newest thing in it, NoTime for none.
	LastAt event.Time
}

// Explain replays an asset from its first event up to a time, and follows
// every credit through it. It remembers each grant of the account, and what
// open holds and spends with refunds took.
func (v *View) Explain(a *Account, at event.Time, w Wanted) *Explanation {
	t := teller{wanted: w, grants: map[string]*ExplainedGrant{}, holds: map[string][]part{}, draws: map[string]*draws{}, shorts: map[string]short{}}
	r := v.replayKnown(a, event.EndOf(at), always)
	x := &Explanation{LastAt: event.NoTime}
	x.Known, x.end = r.known, r.end
	for future := 0; r.step(); future = len(r.state.Future()) {
		x.Entered, x.LastAt = true, r.place.Time
		if r.did != nil {
			x.Newest = v.position(r.did)
		}
		x.noteRestored(r)
		if err := t.tell(r, future); err != nil {
			v.ok(err)
			return x
		}
	}
	x.State = r.state
	x.Grants, x.More = t.page(&x.State)
	x.Sums, x.GrantCount = t.sums, len(t.grants)
	x.Debts = t.debts(&x.State)
	x.Short, x.Missed = t.short, t.missed
	return x
}
