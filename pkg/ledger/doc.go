// Package ledger is one account as a state machine: what one user has of one
// asset, as a list of grants that are drawn, set aside, given back, expire and
// are revoked.
//
// It owns the rules of credits: in which order grants are drawn, what a
// shortfall is and when it is owed, what repays a debt, when a grant is born
// revoked, what a hold has set aside, where a refund, a release or a time-out
// gives back to, and which due items (time-outs, expiries, activations) a
// state brings with it. It applies events strictly in the order of their
// places; finding that order, and doing it again when an event comes late, is
// timeline's work.
//
// It never refuses an event: whether a spend, hold, capture, release, refund
// or transfer is accepted was decided when it was processed, and is taken as
// given. It never looks at a clock and never remembers an event that no longer
// matters to what follows: what a spend drew is remembered only where a refund
// of it is known ([event.RefundedMark]), and only until nothing of it is left.
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
//     available or held, was consumed, sent, expired or was revoked.
//   - I5: every due item that NextDue names changes the account.
//   - I6: a copy and its original share nothing that either changes.
//   - I7: an accepted capture or release finds its hold with at least its
//     amount left, an accepted refund what it gives back: the decision saw to
//     it, wherever later events put them.
//   - I8: a stretch of history whose [Digest] allows a [Shift] says the same
//     after it, and the shift is the difference at each of its places. So what
//     a late event changes can be carried past events that nobody reads.
//
// # Shifts and digests
//
// What a late debit changes is, nearly always, what remains of one or two
// grants, and it stays that for as long as each draw that reaches such a grant
// also ends in it. [Account.ShiftTo] finds the difference of two accounts where
// it is nothing but that. A Digest remembers of a stretch what decides whether
// it goes on: of which grants the remainder moved and how low it got, how far
// down the order of drawing anything was drawn, and whether anything ran
// short. A grant that only one of the accounts has is harmless where no
// draw comes as far as it. What came about within the stretch can't be part of
// a difference from before it, and is left out.
package ledger
