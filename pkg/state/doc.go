// Package state keeps one shard's rows: in Pebble what is committed, in memory
// over it what is being computed or on its way to Kafka.
//
// It owns the directory of a shard, the bytes of the batches that go into the
// changelog, the rows that say how far a state has come, the hash chain over
// batches, and the filter in memory that answers for identities and other rows
// that don't exist. [Store] is what is on the disk, [Rows] what the engine sees and
// writes, [Snapshot] what a query reads.
//
// It never talks to Kafka, never knows what the engine's rows mean, and never
// ends the process: it says that it is lost ([Options].OnFatal, [Store.Err]).
// Pebble's own log is off. The changelog is the log: after a crash the state
// stands behind an earlier batch, and goes on from there.
//
// # Batches
//
// A batch is what one transaction changes. Its bytes, which go into the
// changelog ([Batch.Bytes]) and come back from it ([Store.ApplyRecords]), are those
// of a batch of Pebble's from its byte 8 on; Pebble writes its own sequence
// number into the eight before.
//
//	0  count  4  little-endian: how many operations follow
//	4  Set of the meta row
//	   DeleteRange of each deleted range, ascending, apart from each other
//	   Set or Delete of each changed row, ascending, each once
//
// An operation is its kind (Delete 0, Set 1, DeleteRange 15), the key and,
// but for Delete, the value or the end of the range, both with their length
// before them as a varint.
//
// Batches that come back many at a time are applied in groups of [GroupBytes]:
// merged into one, in which each row is what the last of them says, and a row that
// a later one deletes by a range isn't there.
//
// # Rows of the state itself
//
// Keys whose first byte is below 3 are this package's, those below 0x10 the
// shell's, all others the engine's. Integers are big-endian. The meta row, key
// 0x01, is in every batch; version 1:
//
//	 0  version        1  1
//	 1  shard          4
//	 5  seq            8  counts the shard's batches from 1
//	13  previous hash 32  the chain's value before the batch
//	45  positions    5x8  next offset of grants, subtracts, ledger, orders,
//	                      transfers
//	85  watermark      8  microseconds
//	93  processed at   8  microseconds, the clock at the start of the batch
//
// A batch can say neither its own hash nor where in the changelog it will
// stand. That is in the mark row, key 0x02, which is no part of the batch's
// bytes but is applied together with them, in one piece; so a state knows where
// to read on without reading its last batch again. Version 1:
//
//	 0  version        1  1
//	 1  offset         8  of the batch in the changelog, its last chunk's
//	 9  hash          32  the chain's value after the batch
//	41  identities     8  identity rows written since the beginning
//
// The chain begins with 32 zeros and goes on with SHA-256(value before,
// SHA-256(bytes of the batch)). What a released version means never changes; its
// decoder is never edited.
//
// # Invariants
//
//   - I1: batches are applied whole, in the order of their seq, each once, alone
//     or in a group of several; nobody sees the state within a group, and a crash
//     leaves it behind a batch that was applied alone or was the last of its group.
//   - I2: what the engine wrote it reads, whether or not it was sealed or
//     applied, until Abort; nobody else reads it before it was applied.
//   - I3: a batch has no operation but Set, Delete and DeleteRange, begins with
//     its meta row, writes no other row of this package, and changes rows in
//     ascending order, each once, behind all ranges.
//   - I4: two states with the same hash chain value have the same rows.
//   - I5: the filter knows every identity that was applied, and every row of
//     [Options].Sparse; until it has been filled with those that were there when
//     the state was opened, nobody asks it.
//   - I6: nothing that was read wrongly is sealed, and nothing is read from or
//     written to a state that is lost.
//
// Use:
//
//	store, err := state.Open(state.Options{Dir: dir, Shard: 3, Shared: shared, OnFatal: stop})
//	rows := store.Rows()                   // give it to the engine
//	batch, err := rows.Seal(progress)      // batch.Bytes() goes to the changelog
//	err = rows.Apply(batch, offset)        // once committed; else rows.Abort()
//	err = store.Flush(ctx)                 // before a graceful Close
package state
