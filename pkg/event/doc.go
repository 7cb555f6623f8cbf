// Package event is Highwater's vocabulary: what can happen to a user's credits
// and orders, how such events are named, counted, timed and ordered, and how
// the answers about them are said.
//
// It owns the types that every other package speaks in: [Event] and its
// [Kind], ids, [Amount], [Decimal], [Time], [Place] (where an event stands in
// the order of a user's events), [Outcome] and [Code], the policies in force,
// and the records that are published ([Entry], [Correction], [Balance], ...).
//
// It never reads a clock, never encodes bytes for a wire or a disk (that is
// codec and engine) and never decides what an event does (that is ledger and
// order).
//
// Invariants:
//
//   - I1: an Event that passed [Event.Check] obeys every rule of the contract
//     that can be told from the event alone.
//   - I2: [Place.Compare] is a total order; two different events of one user
//     never compare equal.
//   - I3: [Event.SameContent] is reflexive and symmetric, and blind to source
//     and metadata.
//   - I4: a Decimal is exact: adding and then subtracting gives the same bits.
//
// Use:
//
//	e := event.Event{ID: "e1", User: "alice", OccurredAt: at, Kind: event.Subtract, Amount: 5}
//	e.FillDefaults()
//	if p := e.Check(); p != nil {
//		return p // names the field and what to do
//	}
//	place := e.Place()
package event
