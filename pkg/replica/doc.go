// Package replica follows one shard's changelog into a state, and proves by the
// hash chain that the state is what its owner had. A shard that is taken over, a
// warm standby and the query service are the same follower.
//
// It owns where in the changelog a state stands, the check that each batch
// follows the one before, and waiting until an input position is included.
//
// It never writes to Kafka, never skips a batch, and never changes a row: rows
// come from the changelog alone. The state belongs to whoever made the
// replica, who opens and closes it.
//
// A replica that runs keeps a client open and applies batches as they are
// committed. Where more is committed behind those that it has read, it holds them
// until they are enough for the state to apply them as one
// ([state.Store.Group]), or the rest is there, or two seconds are over; positions
// and metrics count what was applied. To promote a standby, stop Run, fence the
// owner, [Replica.CatchUp], Close, and hand the state's rows to an engine. As long
// as a replica isn't closed nobody else may write to the state; snapshots may be
// taken at any time.
//
// # Invariants
//
//   - I1: a batch is applied only if it is the next one: its seq, its previous
//     hash in the record and in the batch itself, and its own hash are right. A
//     batch that the state stands behind already is skipped, if it is the same.
//   - I2: only whole batches of committed transactions are applied.
//   - I3: what is missing or different stops the replica with an error that
//     names partition, offset and seq, and what a person can do.
//   - I4: CatchUp returns nil only when everything below the changelog's end, as
//     it was when it was called, has been read.
//   - I5: WaitFor returns nil only when a snapshot taken afterwards includes the
//     position; nothing polls.
//   - I6: WaitForEnd returns nil only when a snapshot taken afterwards includes
//     whatever was committed when it was called.
//
// Use:
//
//	r, err := replica.New(replica.Options{Client: common, Names: names, Store: store})
//	defer r.Close()
//	go r.Run(ctx)
//	err = r.WaitFor(ctx, position) // then store.Snapshot()
package replica
