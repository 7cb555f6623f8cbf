// Package shard runs one partition: it reads the partition's four inputs and
// what transfers send to its users, lets the engine compute over the shard's
// rows, and makes what comes of it true with one Kafka transaction, exactly
// once.
//
// It owns the shard's client, the takeover from whoever had the shard before,
// the transaction cycle, and what happens when a commit's fate is unknown. It
// never decides whether the shard is ours (the processor asks the group), what
// an event means (that is engine), or how rows are stored (that is state).
//
// # The cycle
//
// Two goroutines. The owner polls, decodes, processes, seals and applies; it
// alone touches the engine, the rows and the positions. The committer carries
// one sealed batch at a time to Kafka:
//
//	owner      [poll decode engine .. seal]  [poll decode engine ......] [apply seal]  [..
//	                                      \                             /           \
//	committer                              [begin produce flush commit]              [begin ..
//
// So the next batch is computed, but not produced, while a commit is on its
// way, on top of the batch that flies. A batch grows until the one before it
// has landed and the pace allows the next (see [Pacer]), up to
// [Config.MaxEvents] and [Config.MaxBytes]; on an idle shard it leaves at once.
// Where as many records wait as another batch takes, it grows to a full one, or
// for a second: what a transaction costs the broker doesn't depend on what it
// carries. The clock that a batch's events see is that of its beginning.
//
// Records of one poll are processed in the order of their append time, then of
// their topic (grants, subtracts, ledger, orders, transfers), each partition's
// in its own order. Where the broker has more of a topic than was fetched,
// younger records of the others wait for it, though not long, and aren't fetched
// for ever more: what was appended first is seen first also in a backlog. The
// result doesn't depend on it, but decisions and late entries do.
//
// # Fate of a commit
//
// A commit that returned without error happened. Anything else leaves its fate
// open: the shard aborts what it can, makes sure that it is still the owner
// (ProducerID returns without error only to the owner), and reads the
// changelog to its high watermark. The batch's record is there: it happened,
// and is applied from there. It isn't: it never will, and its records are
// processed again. Either way the engine is thrown away with everything that
// was computed on top.
//
// # Invariants
//
//   - I1: at any time at most one owner's transactions can commit; an owner
//     that was replaced learns of it before it commits anything.
//   - I2: what a batch of the changelog says, its output records say, and the
//     other way round: they are one transaction.
//   - I3: the changelog's positions alone say where to go on.
//   - I4: a transaction is committed only if every one of its records was
//     written.
//   - I5: an aborted batch leaves no trace in memory.
//   - I6: records of one partition are taken in the order of their offsets,
//     each exactly once, or put aside as dead letters, or they stop the shard.
//
// Use:
//
//	s := shard.New(cfg, store)
//	err := s.Run(ctx) // until ctx is cancelled, nil; or until it can't go on
package shard
