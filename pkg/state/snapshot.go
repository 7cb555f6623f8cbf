package state

import (
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"
)

// Snapshot is a state as it was at one moment, behind one whole batch. It
// belongs to one goroutine; any number of them may be open. Close it soon: it
// holds back what could be deleted.
type Snapshot struct {
	reader
	snapshot *pebble.Snapshot
	meta     Meta
	closed   bool
}

// Snapshot takes one of what was applied.
func (s *Store) Snapshot() (snap *Snapshot, err error) {
	if err := s.Err(); err != nil {
		return nil, err
	}
	defer catch(&err)
	began, meta := s.applying.Load(), *s.meta.Load()
	p := s.db.NewSnapshot()
	// Where no batch was being applied meanwhile, the snapshot stands behind
	// the one whose meta is in memory. Else its own row tells.
	if began%2 == 1 || s.applying.Load() != began {
		if meta, err = readMeta(p, s.shard); err != nil {
			return nil, errors.Join(fmt.Errorf("snapshot of state in %s: %w", s.dir, err), p.Close())
		}
	}
	return &Snapshot{reader: reader{store: s, db: p}, snapshot: p, meta: meta}, nil
}

// Meta says which batch the snapshot stands behind.
func (s *Snapshot) Meta() Meta { return s.meta }

// Get reads a row.
func (s *Snapshot) Get(key []byte) (value []byte, ok bool) { return s.read(key) }

// Scan yields the rows in [from, to) in ascending order.
func (s *Snapshot) Scan(from, to []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) { s.scan(from, to, false, nil, yield) }
}

// ScanBack yields the rows in [from, to) in descending order.
func (s *Snapshot) ScanBack(from, to []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) { s.scan(from, to, true, nil, yield) }
}

// Err is why a read failed. Look before believing what was read.
func (s *Snapshot) Err() error { return s.err }

// Close gives the snapshot back. It returns what Err does, and more.
func (s *Snapshot) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	s.closeIterators()
	return errors.Join(s.err, s.snapshot.Close())
}
