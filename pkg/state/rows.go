package state

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
)

// Rows is a state as the engine sees it: what was applied, what was sealed and
// is on its way, and what the batch that is being computed has changed. It
// belongs to one goroutine.
//
// An empty bound of a scan is no bound.
type Rows struct {
	reader
	current *layer
	sealed  []*Batch // oldest first
	// tip is what the next batch follows: the newest sealed one, or what was
	// applied last.
	tip Meta

	idleLayers  []*layer
	idleBatches []*Batch
	seed        maphash.Seed
}

// MaxSealed is how many batches may be sealed and not yet applied: one is on
// its way to Kafka, one waits for it.
const MaxSealed = 4

// ErrTooManySealed says that MaxSealed batches are waiting already.
var ErrTooManySealed = errors.New("too many batches sealed and not applied")

// ErrBatchTooLarge says that a batch took more memory than its bound.
var ErrBatchTooLarge = fmt.Errorf("batch changes more than %d bytes", maxLayerBytes)

func newRows(s *Store) *Rows {
	r := &Rows{reader: reader{store: s, db: s.db}, seed: s.seed, tip: s.Meta()}
	r.current = newLayer(r.seed)
	return r
}

// Get reads a row.
func (r *Rows) Get(key []byte) (value []byte, ok bool) {
	hash := maphash.Bytes(r.seed, key)
	if value, ok, known := r.current.get(key, hash); known {
		return value, ok
	}
	for _, v := range slices.Backward(r.sealed) {
		if value, ok, known := v.layer.get(key, hash); known {
			return value, ok
		}
	}
	if r.store.isAbsent(key, hash) {
		return nil, false
	}
	return r.read(key)
}

// Set sets a row.
func (r *Rows) Set(key, value []byte) {
	r.mine(key)
	if r.current.full(len(key) + len(value)) {
		r.fail(ErrBatchTooLarge)
		return
	}
	r.current.set(key, value, maphash.Bytes(r.seed, key))
}

// Delete deletes a row.
func (r *Rows) Delete(key []byte) {
	r.mine(key)
	if r.current.full(len(key)) {
		r.fail(ErrBatchTooLarge)
		return
	}
	r.current.delete(key, maphash.Bytes(r.seed, key))
}

// DeleteRange deletes the rows in [from, to). Ranges that one batch after the
// other deletes should lie side by side: where they are nested, reads cost the
// square of their number until they are compacted.
func (r *Rows) DeleteRange(from, to []byte) {
	r.mine(from)
	if bytes.Compare(from, to) < 0 {
		r.current.deleteRange(from, to)
	}
}

func (r *Rows) mine(key []byte) {
	if len(key) == 0 || key[0] < FirstShellKey {
		panic(fmt.Sprintf("state: I2: key %x is not for writing through Rows", key))
	}
}

// Empty reports whether nothing has been changed since the last Seal.
func (r *Rows) Empty() bool { return r.current.empty() }

// Size is how many bytes of keys and values the batch being computed has.
func (r *Rows) Size() int { return len(r.current.arena) }

// Sealed is how many batches are sealed and not yet applied.
func (r *Rows) Sealed() int { return len(r.sealed) }

// Seal ends the batch being computed and begins the next one on top of it. It
// fails where a read failed, so that nothing computed from a wrong row goes on
// its way.
func (r *Rows) Seal(p Progress) (*Batch, error) {
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("seal batch %d: %w", r.tip.Seq+1, err)
	}
	if len(r.sealed) == MaxSealed {
		return nil, fmt.Errorf("seal batch %d: %w: %d", r.tip.Seq+1, ErrTooManySealed, MaxSealed)
	}
	b := &Batch{}
	if n := len(r.idleBatches); n > 0 {
		b, r.idleBatches = r.idleBatches[n-1], r.idleBatches[:n-1]
	}
	b.meta = Meta{Shard: r.store.shard, Seq: r.tip.Seq + 1, PrevHash: r.tip.Hash, Offset: NoOffset, Progress: p}
	b.seal(r.current)
	r.tip = b.meta
	r.sealed = append(r.sealed, b)
	if n := len(r.idleLayers); n > 0 {
		r.current, r.idleLayers = r.idleLayers[n-1], r.idleLayers[:n-1]
	} else {
		r.current = newLayer(r.seed)
	}
	return b, nil
}

// Apply applies the oldest sealed batch, which is committed and stands at an
// offset of the changelog, its last chunk where it has several. After it b and
// its bytes belong to Rows again, so nobody may be reading them: where that
// isn't sure, as after a commit that was never confirmed, Abort and read the
// batch from the changelog.
func (r *Rows) Apply(b *Batch, offset int64) error {
	if len(r.sealed) == 0 || r.sealed[0] != b {
		panic(fmt.Sprintf("state: I1: batch %d applied out of order", b.meta.Seq))
	}
	if err := r.Err(); err != nil {
		return fmt.Errorf("apply batch %d: %w", b.meta.Seq, err)
	}
	before := r.store.meta.Load()
	after := b.meta
	after.Offset = offset
	after.Identities = before.Identities
	if offset <= before.Offset {
		return fmt.Errorf("%w: offset %d after %d", ErrChain, offset, before.Offset)
	}
	l := b.layer
	for i := range l.entries {
		e := &l.entries[i]
		first := byte(e.prefix >> 56)
		if e.change != isSet || first != r.store.prefix && !r.store.sparse[first] {
			continue
		}
		if first == r.store.prefix {
			after.Identities++
		}
		// I5: the filter knows the key before the layer that has it goes.
		if k, ok := r.store.known(l.key(e), uint64(e.hash)<<32|uint64(e.low)); ok {
			r.store.learn(l.key(e), k)
		}
	}
	free, err := r.store.apply(appendMarkOp(b.repr, &after), &after)
	if err != nil {
		r.fail(err)
		return err
	}
	r.store.noteFilter()
	copy(r.sealed, r.sealed[1:])
	r.sealed = r.sealed[:len(r.sealed)-1]
	l.reset()
	r.idleLayers = append(r.idleLayers, l)
	*b = Batch{repr: free}
	r.idleBatches = append(r.idleBatches, b)
	return nil
}

// Abort drops everything that was not applied, and with it the memory of
// failed reads. The bytes of batches that were sealed stay as they are.
func (r *Rows) Abort() {
	for _, b := range r.sealed {
		b.layer.reset()
		r.idleLayers = append(r.idleLayers, b.layer)
		b.layer = nil
	}
	clear(r.sealed)
	r.sealed = r.sealed[:0]
	r.current.reset()
	r.tip = r.store.Meta()
	r.forget()
}

// Err is why a read failed since the last Abort, or why the state is lost.
func (r *Rows) Err() error {
	if err := r.store.Err(); err != nil {
		return err
	}
	return r.reader.err
}

// stale is told when the database has changed under the iterators.
func (r *Rows) stale() {
	r.closeIterators()
	if len(r.sealed) == 0 {
		r.tip = r.store.Meta()
	}
}

func (r *Rows) close() { r.closeIterators() }

// Scan yields the rows in [from, to) in ascending order.
func (r *Rows) Scan(from, to []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) { r.scan(from, to, false, r, yield) }
}

// ScanBack yields the rows in [from, to) in descending order.
func (r *Rows) ScanBack(from, to []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) { r.scan(from, to, true, r, yield) }
}

// layers is how many lie over the database.
func (r *Rows) layers() int { return 1 + len(r.sealed) }

// layer is one of them, from the newest on.
func (r *Rows) layer(i int) *layer {
	if i == 0 {
		return r.current
	}
	return r.sealed[len(r.sealed)-i].layer
}
