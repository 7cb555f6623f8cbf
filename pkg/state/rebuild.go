package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"math/bits"
	"runtime"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// buildFilter makes the filter from the identity rows. It is made with room
// for half as many more, so that a restart also joins the generations that the
// last run needed. Blocks go in the order of keys, so that several goroutines
// can each fill their own.
func buildFilter(db *pebble.DB, prefix byte, identities uint64) (*filter, error) {
	f := newFilter(int(min(identities, maxFilterIdentities) * 3 / 2))
	g := &f.generations[0]
	workers := min(runtime.GOMAXPROCS(0), maxFilterWorkers)
	if identities < minGeneration {
		workers = 1
	}
	found, errs := make([]int, workers), make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			found[w], errs[w] = g.fill(db, g.firstKey(prefix, w, workers), g.firstKey(prefix, w+1, workers))
		})
	}
	wg.Wait()
	for _, n := range found {
		g.room -= n
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("read identities: %w", err)
	}
	return f, nil
}

// learnSparse adds the keys of the other rows that the filter knows.
func (s *Store) learnSparse(prefixes []byte) error {
	for _, prefix := range prefixes {
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefix}, UpperBound: []byte{prefix + 1}})
		if err != nil {
			return err
		}
		for ok := it.First(); ok; ok = it.Next() {
			if k, ok := s.known(it.Key(), maphash.Bytes(s.seed, it.Key())); ok {
				s.filter.add(k)
			}
		}
		if err := errors.Join(it.Error(), it.Close()); err != nil {
			return fmt.Errorf("read rows %x: %w", prefix, err)
		}
	}
	return nil
}

const (
	// maxFilterWorkers leaves something for the other shards that open.
	maxFilterWorkers = 4
	// maxFilterIdentities bounds what a damaged count can make us take.
	maxFilterIdentities = 1 << 32
)

// firstKey is the smallest key in the part-th of so many parts of the
// generation's blocks; nil behind the last one where no key is greater.
func (g *generation) firstKey(prefix byte, part, parts int) []byte {
	if part == parts {
		if prefix == 0xff {
			return nil
		}
		return []byte{prefix + 1}
	}
	block := uint64(len(g.blocks) * part / parts)
	// generation.block is floor(h * blocks / 2^64).
	h, rest := bits.Div64(block, 0, uint64(len(g.blocks)))
	if rest > 0 {
		h++
	}
	return binary.BigEndian.AppendUint64([]byte{prefix}, h)
}

// fill adds the identity rows in [from, to).
func (g *generation) fill(db *pebble.DB, from, to []byte) (n int, err error) {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return 0, err
	}
	for ok := it.First(); ok; ok = it.Next() {
		if key := it.Key(); len(key) == identityKeyBytes {
			g.set(hashIdentity(key))
			n++
		}
	}
	return n, errors.Join(it.Error(), it.Close())
}
