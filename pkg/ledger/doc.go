// Package ledger is one account as a state machine: what one user has of one
// asset, as a list of grants that are drawn, expire and are revoked.
//
// It owns the rules of credits: in which order grants are drawn, what a
// shortfall is and when it is owed, what repays a debt, when a grant is born
// revoked, and which due items (expiries, activations) a state brings with
// it. It applies events strictly in the order of their places; finding that
// order, and doing it again when an event comes late, is timeline's work.
//
// It never refuses an event, never looks at a clock and never remembers an
// event that no longer matters to what follows: two states that behave the
// same from here on are Equal, whatever brought them there.
//
// The caller performs every due item whose place is before an event's before
// it applies the event:
//
//	for at, ok := a.NextDue(); ok && at.Before(op.Place()); at, ok = a.NextDue() {
//		a.Due(&result)
//	}
//	a.Apply(op, &result)
//
// Invariants:
//
//   - I1: what is available is the sum of what remains of the usable grants.
//   - I2: no usable grant is empty; they stand in the order they are drawn.
//   - I3: while anything is owed nothing is available.
//   - I4: credits are conserved by every step: what it credited is what became
//     available, was consumed, expired or was revoked.
//   - I5: every due item that NextDue names changes the account.
//   - I6: a copy and its original share nothing that either changes.
package ledger
