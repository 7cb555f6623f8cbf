package state

import (
	"encoding/binary"
	"math/bits"
)

// filter is the set of identities in memory, and of the other keys that are
// often asked for and absent: "absent" is certain, "present" is a maybe. It is
// a blocked Bloom filter (Putze, Sanders, Singler: Cache-, Hash- and
// Space-Efficient Bloom Filters, 2007): all bits of one identity lie in one
// cache line. It grows by generations, each for once or three times as many as
// all before it, so that an answer looks at few of them and nothing is ever
// rehashed.
//
// Identities are hashes already; nothing is gained by who chooses them so that
// they collide but a look at Pebble each. Other keys are hashed with a seed.
type filter struct {
	generations []generation
}

type generation struct {
	blocks []filterBlock
	// room is how many identities it may still take.
	room int
}

type filterBlock [8]uint64

const (
	// bitsPerIdentity gives about one wrong maybe in 700 of a full generation; each
	// costs a look at a block of the last level.
	bitsPerIdentity   = 16
	bitsSetByIdentity = 7
	// minGeneration is how many identities the first generation is for: a
	// state of few costs 64 KiB.
	minGeneration = 1 << 15
	// bigFilter is for how many identities a filter is big: from there on, what
	// a generation takes before it is used weighs more than one look fewer.
	bigFilter = 1 << 20
)

// newFilter is a filter whose first generation is for n identities.
func newFilter(n int) *filter {
	f := &filter{}
	f.extend(n)
	return f
}

func (f *filter) extend(n int) {
	n = max(n, minGeneration)
	blocks := (n*bitsPerIdentity + 511) / 512
	f.generations = append(f.generations, generation{blocks: make([]filterBlock, blocks), room: n})
}

// add adds a key.
func (f *filter) add(key hashed) {
	newest := &f.generations[len(f.generations)-1]
	if newest.room <= 0 {
		f.grow()
		newest = &f.generations[len(f.generations)-1]
	}
	newest.room--
	newest.set(key)
}

func (f *filter) grow() {
	n := f.capacity()
	if n < bigFilter {
		n *= 3
	}
	f.extend(n)
}

// join adds all keys of a filter, which nobody else may use from now on, and
// its room.
func (f *filter) join(older *filter) {
	f.generations = append(f.generations, older.generations...)
}

// maybe reports whether the row with this key may exist.
func (f *filter) maybe(key hashed) bool {
	for i := len(f.generations) - 1; i >= 0; i-- {
		if f.generations[i].block(key.block).has(key.picks) {
			return true
		}
	}
	return false
}

func (g *generation) set(key hashed) {
	block, picks := g.block(key.block), key.picks
	for range bitsSetByIdentity {
		block[picks>>6&7] |= 1 << (picks & 63)
		picks >>= 9
	}
}

func (g *generation) block(h uint64) *filterBlock {
	at, _ := bits.Mul64(h, uint64(len(g.blocks)))
	return &g.blocks[at]
}

func (b *filterBlock) has(picks uint64) bool {
	for range bitsSetByIdentity {
		if b[picks>>6&7]&(1<<(picks&63)) == 0 {
			return false
		}
		picks >>= 9
	}
	return true
}

// capacity is how many identities all generations are for.
func (f *filter) capacity() int {
	n := 0
	for i := range f.generations {
		n += len(f.generations[i].blocks) * 512 / bitsPerIdentity
	}
	return n
}

// size is what the filter takes in memory.
func (f *filter) size() int {
	n := 0
	for i := range f.generations {
		n += len(f.generations[i].blocks) * 64
	}
	return n
}

// hashed says which block and which bits of it are a key's.
type hashed struct{ block, picks uint64 }

// hashIdentity is of an identity row's key: its prefix and sixteen bytes.
// Blocks go in the order of keys, so that a scan of the rows fills them one
// after the other.
func hashIdentity(key []byte) hashed {
	return hashed{binary.BigEndian.Uint64(key[1:]), mix(binary.LittleEndian.Uint64(key[9:]))}
}

func mix(h uint64) uint64 {
	hi, lo := bits.Mul64(h^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return hi ^ lo
}

// known says how the filter knows a row, if it is of those that it knows.
// hash is that of the key with the store's seed.
func (s *Store) known(key []byte, hash uint64) (k hashed, ok bool) {
	switch {
	case s.filter == nil:
		return k, false
	case key[0] == s.prefix && len(key) == identityKeyBytes:
		return hashIdentity(key), true
	case s.sparse[key[0]]:
		return hashed{hash, mix(hash)}, true
	}
	return k, false
}

// isAbsent reports whether a row is surely not there, by the filter alone. hash
// is that of the key with the store's seed.
func (s *Store) isAbsent(key []byte, hash uint64) bool {
	if s.filling != nil {
		return false
	}
	k, ok := s.known(key, hash)
	return ok && !s.filter.maybe(k)
}

// learn adds a key that known spoke of. An identity is written once, another
// key again and again.
func (s *Store) learn(key []byte, k hashed) {
	if key[0] == s.prefix || !s.filter.maybe(k) {
		s.filter.add(k)
	}
}

// identityKeyBytes is the length of an identity row's key. Rows with the
// prefix and another length are no identities.
const identityKeyBytes = 17
