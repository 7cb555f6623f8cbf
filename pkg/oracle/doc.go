// Package oracle is the second, simple implementation of what Highwater
// computes. It is slow, keeps everything, and recomputes whole timelines from
// zero; its only virtue is that a reader can hold each part against the
// contract and see that it is right. Tests hold the engine against it, and
// `highwater verify` holds published topics against it.
//
// It owns four things:
//
//   - the replay: [Replay], [ReplayCredits] and [ReplayOrders] sort everything
//     one user did by place and say what each item did. What arrival decided
//     is given to it, in [Taken];
//   - the [Model] of one partition: told the clock and the records one by one,
//     it makes those decisions, by trying the replay with and without, and says
//     every record that must be published, by comparing the replay before a
//     record with the replay after it;
//   - the [Fold] of published entries and corrections back into timelines;
//   - [Diff], which says where two sets of published records differ.
//
// It never shares a line of logic with ledger, order, timeline, watermark or
// engine: it imports only event. It does no I/O and reads no clock. It isn't
// bounded and must not be used to serve.
//
// Invariants:
//
//   - I1: a replay depends on the set of what was taken, not on its order.
//   - I2: at every item, credited = available + held + consumed + expired +
//     revoked + sent, in 128 bits; debt above zero means that nothing is
//     available.
//   - I3: the newest thing said about an account never goes back, and every
//     due item at or before it, or at or before the watermark, was said.
//   - I4: the fold of what a Model published equals its replay up to the
//     newest thing said, after every transaction.
//   - I5: every event and due item is settled once, when the watermark has
//     reached its time; a pending operation when it is decided.
//   - I6: a decision never changes: whatever arrives later, the outcome, code
//     and amount of a conditional operation stay.
//
// Use:
//
//	m := oracle.NewModel(oracle.Config{Policies: policies, Lateness: 10_000_000})
//	m.Begin(now)
//	m.Receive(oracle.Arrival{Event: e, Input: position, ArrivedAt: appended})
//	want := m.Commit()
//	if d := oracle.Diff(want, got); d != "" { ... }
package oracle
