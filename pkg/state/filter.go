package state

import (
	"encoding/binary"
	"math/bits"
)

// filter is the set of identities in memory: "absent" is certain, "present"
// is a maybe. It is a blocked Bloom filter (Putze, Sanders, Singler: Cache-,
// Hash- and Space-Efficient Bloom Filters, 2007): all bits of one identity lie
// in one cache line. It grows by generations, each for once or twice as many as
// all before it, so that an answer looks at few of them and nothing is ever
// rehashed.
//
// Identities are hashes already; nothing is gained by who chooses them so that
// they collide but a look at Pebble each.
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
	// state of few costs 16 KiB.
	minGeneration = 1 << 13
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

// add adds an identity row's key.
func (f *filter) add(key []byte) {
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
		n *= 2
	}
	f.extend(n)
}

// maybe reports whether the row with this key may exist.
func (f *filter) maybe(key []byte) bool {
	h, picks := filterHash(key)
	for i := len(f.generations) - 1; i >= 0; i-- {
		if f.generations[i].block(h).has(picks) {
			return true
		}
	}
	return false
}

func (g *generation) set(key []byte) {
	h, picks := filterHash(key)
	block := g.block(h)
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

// filterHash makes which block and which bits of an identity row's key: its
// prefix and sixteen bytes. Blocks go in the order of keys, so that a scan of
// the rows fills them one after the other.
func filterHash(key []byte) (block, picks uint64) {
	block = binary.BigEndian.Uint64(key[1:])
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(key[9:])^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return block, hi ^ lo
}

// identityKeyBytes is the length of an identity row's key. Rows with the
// prefix and another length are no identities.
const identityKeyBytes = 17
