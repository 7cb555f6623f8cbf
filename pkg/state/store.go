package state

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
)

// Store is one shard's Pebble. ApplyRecords and what [Rows] does belong to one
// goroutine at a time; everything else may be called by any.
type Store struct {
	db     *pebble.DB
	dir    string
	shard  int32
	log    *slog.Logger
	own    *Shared // caches that go with the store
	filter *filter // nil where it isn't wanted
	prefix byte
	// filling is what the filter still lacks; nil once it lacks nothing.
	filling *filling
	sparse  [256]bool
	seed    maphash.Seed
	rows    *Rows

	meta     atomic.Pointer[Meta]
	applied  atomic.Uint64 // batches since it was opened
	applying atomic.Uint64 // odd from before a batch is applied until meta says so
	stalls   atomic.Uint64
	filtered atomic.Int64 // size of the filter in bytes

	// groupBytes is GroupBytes, but in tests; groups has room for those who apply
	// in groups, of whom this one is while grouping.
	groupBytes int
	groups     chan struct{}
	grouping   bool
	// repr is what ApplyRecords makes a batch in.
	repr []byte
	// sets are the keys that it found in one and that the filter learns.
	sets [][]byte

	onFatal   func(error)
	fatalOnce sync.Once
	fatalErr  atomic.Pointer[error]
	fatalC    chan struct{}
	closed    bool
}

// ErrWrongShard says that a directory holds another shard's state.
var ErrWrongShard = errors.New("directory holds the state of another shard")

// Open opens the state in a directory, or begins an empty one.
func Open(o Options) (*Store, error) {
	s := &Store{
		dir: o.Dir, shard: o.Shard, log: o.Logger, prefix: o.IdentityPrefix,
		onFatal: o.OnFatal, fatalC: make(chan struct{}), seed: maphash.MakeSeed(), groupBytes: cmp.Or(o.groupBytes, GroupBytes),
	}
	for _, prefix := range o.Sparse {
		s.sparse[prefix] = true
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.log = s.log.With("shard", o.Shard)
	if s.prefix == 0 {
		s.prefix = DefaultIdentityPrefix
	}
	shared := o.Shared
	if shared == nil {
		s.own = NewShared(ownCacheBytes, ownOpenFiles)
		shared = s.own
	}
	s.groups = shared.groups
	if err := s.open(&o, shared); err != nil {
		if s.own != nil {
			s.own.Close()
		}
		return nil, fmt.Errorf("open state in %s: %w", o.Dir, err)
	}
	s.rows = newRows(s)
	return s, nil
}

func (s *Store) open(o *Options, shared *Shared) (err error) {
	defer catch(&err)
	if s.db, err = pebble.Open(o.Dir, o.pebble(s, shared)); err != nil {
		// What the lock of a file says when another process has it.
		if errors.Is(err, syscall.EAGAIN) {
			return fmt.Errorf("another process has it open; stop that one, or give each a data.dir of its own (%w)", err)
		}
		return err
	}
	meta, err := readMeta(s.db, s.shard)
	if err == nil && meta.Shard != s.shard {
		err = fmt.Errorf("%w: %d instead of %d", ErrWrongShard, meta.Shard, s.shard)
	}
	if err == nil && !o.NoFilter {
		err = s.fillFilter(o, meta.Identities, shared)
	}
	if err != nil {
		return errors.Join(err, s.db.Close())
	}
	s.meta.Store(&meta)
	s.noteFilter()
	return nil
}

// readMeta reads what a state says of itself.
func readMeta(r pebble.Reader, shard int32) (Meta, error) {
	m := Meta{Shard: shard, Offset: NoOffset}
	row, closer, err := r.Get(metaKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return m, nil
	}
	if err != nil {
		return m, fmt.Errorf("read meta row: %w", err)
	}
	err = decodeMeta(row, &m)
	if err = errors.Join(err, closer.Close()); err != nil {
		return m, err
	}
	if row, closer, err = r.Get(markKey); err != nil {
		return m, fmt.Errorf("read mark row: %w", err)
	}
	return m, errors.Join(decodeMark(row, &m), closer.Close())
}

// Dir is the directory the state lives in.
func (s *Store) Dir() string { return s.dir }

// Shard is whose state it is.
func (s *Store) Shard() int32 { return s.shard }

// Meta says which batch the state stands behind.
func (s *Store) Meta() Meta { return *s.meta.Load() }

// Rows is the state as the engine sees and writes it. There is one.
func (s *Store) Rows() *Rows { return s.rows }

// Err is why the state is lost for this process; nil while it isn't.
func (s *Store) Err() error {
	if err := s.fatalErr.Load(); err != nil {
		return *err
	}
	return nil
}

// Fatal is closed when Err begins to return an error.
func (s *Store) Fatal() <-chan struct{} { return s.fatalC }

func (s *Store) fatal(err error) {
	s.fatalOnce.Do(func() {
		err = fmt.Errorf("state in %s can't go on: %w", s.dir, err)
		s.fatalErr.Store(&err)
		close(s.fatalC)
		if s.onFatal != nil {
			s.onFatal(err)
		}
	})
}

// maxReprBytes bounds the memory that is kept for the next batch.
const maxReprBytes = 4 << 20

// ErrChain says that a batch doesn't follow the one the state stands behind.
var ErrChain = errors.New("batch doesn't follow this state")

// ApplyRecords applies batches read from the changelog, in their order. A batch
// that breaks I3 or that isn't the next one is refused with ErrBatch, ErrFormat
// or ErrChain, and changes nothing; applied says how many before it were applied.
// Where they have as many bytes as Group says, several are applied as one, and
// nobody sees the state between them. The bytes are copied.
//
// REQUIRES: nothing is sealed in Rows.
func (s *Store) ApplyRecords(records []Record) (applied int, err error) {
	if len(s.rows.sealed) > 0 || !s.rows.current.empty() {
		panic("state: a batch from the changelog while the overlay holds changes: abort them first")
	}
	left := 0
	for i := range records {
		left += len(records[i].Batch)
	}
	defer s.stopGrouping()
	for len(records) > 0 {
		n, size := 1, len(records[0].Batch)
		if left >= s.groupBytes && s.Group() > 0 {
			// What is left and too little for a group is part of the last one.
			for ; n < len(records) && (size < s.groupBytes || left-size < s.groupBytes); n++ {
				size += len(records[n].Batch)
			}
		}
		done, err := s.applyGroup(records[:n])
		applied += done
		if err != nil {
			return applied, err
		}
		records, left = records[n:], left-size
	}
	return applied, nil
}

// Group is how many bytes of batches ApplyRecords applies as one: [GroupBytes], or
// 0 where others do so and memory is not for more at a time. What it says holds
// until ApplyRecords returns.
func (s *Store) Group() int {
	if !s.grouping {
		select {
		case s.groups <- struct{}{}:
			s.grouping = true
		default:
			return 0
		}
	}
	return s.groupBytes
}

func (s *Store) stopGrouping() {
	if s.grouping {
		s.grouping = false
		<-s.groups
	}
}

// applyGroup applies batches as one, up to the first that is refused.
func (s *Store) applyGroup(records []Record) (applied int, err error) {
	after := s.Meta()
	n, refused := 0, error(nil)
	for ; n < len(records) && refused == nil; n++ {
		refused = s.readRecord(&records[n], &after)
	}
	if refused != nil {
		n--
	}
	switch n {
	case 0:
		return 0, refused
	case 1:
		s.repr = append(append(s.repr[:0], make([]byte, seqNumBytes)...), records[0].Batch...)
		s.repr = appendMarkOp(s.repr, &after)
	default:
		s.repr = merged(s.repr, records[:n], &after)
	}
	if s.repr, err = s.apply(s.repr, &after); err != nil {
		return 0, err
	}
	if cap(s.repr) > maxReprBytes {
		s.repr = nil
	}
	s.noteFilter()
	return n, refused
}

// readRecord checks that a batch can be applied behind meta, takes meta behind
// it, and has the filter learn its rows (I5).
func (s *Store) readRecord(r *Record, meta *Meta) error {
	if len(r.Batch) > math.MaxUint32/2 {
		return fmt.Errorf("%w: %d bytes", ErrBatch, len(r.Batch))
	}
	next := Meta{Identities: meta.Identities, Offset: r.Offset}
	s.sets = s.sets[:0]
	err := readBatch(r.Batch, &next, func(key []byte) {
		if key[0] == s.prefix {
			next.Identities++
		}
		if s.filter != nil && (key[0] == s.prefix || s.sparse[key[0]]) {
			s.sets = append(s.sets, key)
		}
	})
	switch {
	case err != nil:
		return fmt.Errorf("batch at changelog offset %d: %w", r.Offset, err)
	case next.Shard != s.shard:
		return fmt.Errorf("%w: it is shard %d's, this state is shard %d's", ErrChain, next.Shard, s.shard)
	case next.Seq != meta.Seq+1:
		return fmt.Errorf("%w: seq %d after %d", ErrChain, next.Seq, meta.Seq)
	case next.PrevHash != meta.Hash:
		return fmt.Errorf("%w: seq %d follows hash %s, this state's is %s", ErrChain, next.Seq, next.PrevHash, meta.Hash)
	case r.Offset <= meta.Offset:
		return fmt.Errorf("%w: offset %d after %d", ErrChain, r.Offset, meta.Offset)
	}
	next.Hash = Chain(next.PrevHash, r.Hash)
	*meta = next
	for _, key := range s.sets {
		if k, ok := s.known(key, maphash.Bytes(s.seed, key)); ok {
			s.learn(key, k)
		}
	}
	clear(s.sets) // they are the caller's
	return nil
}

// apply applies a whole batch, mark included, and returns the memory that may
// be used again.
func (s *Store) apply(repr []byte, after *Meta) (free []byte, err error) {
	if err := s.Err(); err != nil {
		return nil, err
	}
	defer catch(&err)
	// A batch of Pebble's keeps no memory of ours when it goes back to its pool.
	b := s.db.NewBatch(pebble.WithMaxRetainedSizeBytes(1))
	if err := b.SetRepr(repr); err != nil {
		return nil, fmt.Errorf("apply batch %d: %w", after.Seq, err)
	}
	s.applying.Add(1)
	if err := s.db.Apply(b, pebble.NoSync); err != nil {
		return nil, fmt.Errorf("apply batch %d: %w", after.Seq, err)
	}
	if !b.Empty() {
		free = repr[:0]
	} // else it was so large that Pebble took it for a memtable
	if err := b.Close(); err != nil {
		return nil, fmt.Errorf("apply batch %d: %w", after.Seq, err)
	}
	s.applied.Add(uint64(after.Seq - s.Meta().Seq))
	s.meta.Store(after)
	s.applying.Add(1)
	s.rows.stale()
	return free, nil
}

// Flush brings everything applied to the disk.
func (s *Store) Flush(ctx context.Context) (err error) {
	if err := s.Err(); err != nil {
		return err
	}
	defer catch(&err)
	done, err := s.db.AsyncFlush()
	if err != nil {
		return fmt.Errorf("flush state in %s: %w", s.dir, err)
	}
	select {
	case <-done:
		return nil
	case <-s.fatalC: // Pebble would try for ever
		return s.Err()
	case <-ctx.Done():
		return fmt.Errorf("flush state in %s: %w", s.dir, ctx.Err())
	}
}

// Checkpoint flushes, then makes a copy of the state in a directory that must
// not exist; where it can, of hard links.
func (s *Store) Checkpoint(ctx context.Context, dir string) (err error) {
	if err := s.Flush(ctx); err != nil {
		return err
	}
	defer catch(&err)
	if err := s.db.Checkpoint(dir); err != nil {
		return fmt.Errorf("checkpoint state in %s to %s: %w", s.dir, dir, err)
	}
	return nil
}

// Close closes the state as it is on the disk: what was not flushed is read
// from the changelog again. Snapshots must be closed before.
func (s *Store) Close() (err error) {
	if s.closed {
		return nil
	}
	s.closed = true
	s.stopFilling()
	s.stopGrouping()
	if s.Err() == nil {
		defer catch(&err)
		s.rows.close()
		if err := s.db.Close(); err != nil {
			return fmt.Errorf("close state in %s: %w", s.dir, err)
		}
	} // else entering Pebble might not return; it ends with the process
	if s.own != nil {
		s.own.Close()
	}
	return nil
}

// ContentHash is the hash of all rows but the mark, of what was applied: equal
// for two states that stand behind the same batch, however they came there.
func (s *Store) ContentHash() (Hash, error) {
	snap, err := s.Snapshot()
	if err != nil {
		return Hash{}, err
	}
	h := sha256.New()
	var lengths [8]byte
	for key, value := range snap.Scan(nil, nil) {
		if string(key) == string(markKey) {
			continue
		}
		binary.BigEndian.PutUint32(lengths[:], uint32(len(key)))
		binary.BigEndian.PutUint32(lengths[4:], uint32(len(value)))
		h.Write(lengths[:])
		h.Write(key)
		h.Write(value)
	}
	return Hash(h.Sum(nil)), snap.Close() // which says also why a read failed
}
