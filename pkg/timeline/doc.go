// Package timeline keeps an ordered stretch of events under any state
// machine: it applies them in their order with the due items that fall
// between them, keeps copies of the state on the way, and finds what changes
// when an event comes late by stepping two replays against each other.
//
// It owns [Timeline], a stretch of one history with its checkpoints, mostly the
// newest one, and [Walker], the two replays. It never reads or writes rows,
// never decides about an event and doesn't know what a machine's states mean.
//
// A change before the newest stretch is walked stretch by stretch: the caller
// reads older ones, edits the first ([Timeline.Edit]) and goes on through the
// others ([Timeline.EditOn]) until the replays agree. A stretch that it knows to
// do the same in both it leaves out, and brings the walker's states to its end.
//
// Invariants:
//
//   - I1: Ops stand strictly in the order of their places.
//   - I2: a checkpoint's state is that after everything up to and including
//     the op before it, due items included; Checks[0] stands before Ops[0],
//     wherever the stretch in memory begins.
//   - I3: a Walker visits every place at which either replay does something,
//     once, in order, up to where the replays agree for good or the end; also
//     where it goes on from stretch to stretch.
//   - I4: behind each checkpoint lie at most twice as many ops as belong there
//     ([Stride], more behind a large state), up to the next one or the end;
//     behind each that others know, at most three times as many.
//   - I5: checkpoints cost in proportion to the ops between them: those with
//     large states stand so far apart that replaying costs as much as copying.
//
// Use:
//
//	var w timeline.Walker[ledger.Account, *ledger.Account]
//	edits := []timeline.Edit{{Place: late.Place(), New: &late}}
//	_, agreed := w.Walk(base, ops, edits, head, func(s *timeline.Step) {
//		// s.Before and s.After are what is said without and with the edits
//	})
package timeline
