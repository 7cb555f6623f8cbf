package replica

import (
	"errors"
	"fmt"
	"time"

	"highwater/pkg/kafka"
	"highwater/pkg/state"
)

// held are batches that were read and not applied, in their order. While there
// is more to read they are applied several at a time, which costs less.
type held struct {
	records []state.Record
	// events are how many input records the batches took, bytes what they have.
	events, bytes int
	// hash is the chain's value behind the last one.
	hash state.Hash
	// until is when they are applied at the latest.
	until time.Time
}

// holdFor is how long what was read waits for what is committed behind it. That
// is on its way, unless the broker is gone or slow.
const holdFor = 2 * time.Second

// hold takes a whole batch whose bytes have the hash it says (I1).
func (r *Replica) hold(change *kafka.ChangelogRecord, offset int64) error {
	at := r.store.Meta()
	seq, hash := at.Seq, at.Hash
	if n := len(r.held.records); n > 0 {
		seq, hash = seq+int64(n), r.held.hash
	}
	chain := state.Chain(change.PrevHash, change.BatchHash)
	switch {
	case change.Shard != r.partition:
		return r.wrong(offset, change.Seq, fmt.Sprintf("it belongs to shard %d", change.Shard))
	case change.Seq <= seq:
		if change.Seq == seq && chain != hash {
			return r.diverged(offset, change.Seq, fmt.Sprintf("it has the chain hash %s, the state's is %s", chain, hash))
		}
		r.metrics.duplicates.Inc()
		return nil
	case change.Seq > seq+1:
		return r.wrong(offset, change.Seq, fmt.Sprintf("batches %d to %d are missing before it", seq+1, change.Seq-1))
	case state.Hash(change.PrevHash) != hash:
		return r.diverged(offset, change.Seq, fmt.Sprintf("it follows the chain hash %x, the state's is %s", change.PrevHash, hash))
	}
	if len(r.held.records) == 0 {
		r.held.until = time.Now().Add(r.holdFor)
	}
	r.held.records = append(r.held.records, state.Record{Batch: change.Batch, Hash: change.BatchHash, Offset: offset})
	r.held.events += int(change.Events)
	r.held.bytes += len(change.Batch)
	r.held.hash = chain
	return nil
}

// applyHeld applies what is held, and tells who waits for it.
func (r *Replica) applyHeld() error {
	h := r.held
	r.held = held{records: h.records[:0]}
	defer clear(h.records) // they hold what was fetched
	applied, err := r.store.ApplyRecords(h.records)
	r.metrics.batches.Add(float64(applied))
	if err != nil {
		r.next.Store(max(r.next.Load(), r.store.Meta().Offset+1))
	}
	switch {
	case errors.Is(err, state.ErrBatch), errors.Is(err, state.ErrChain), errors.Is(err, state.ErrFormat):
		return r.unreadable(h.records[applied].Offset, r.store.Meta().Seq+1, err)
	case err != nil:
		return fmt.Errorf("replica %d: %w", r.partition, err)
	}
	r.metrics.events.Add(float64(h.events))
	if r.next.Swap(r.read) != r.read {
		r.wake()
	}
	return nil
}
