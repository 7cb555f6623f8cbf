package engine

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// rowCache keeps the rows of accounts that left memory, as bytes: a tenth of
// what the accounts took, and nothing for the garbage collector to look at. It
// has no row of an account in memory. Who comes back takes his row out; what was
// put in first is dropped first.
type rowCache struct {
	// room is how many bytes it may take, in segments of so many.
	room, segmentBytes int
	// segments are logs of entries: a length of the key, with the mark stands in
	// its lowest bit, a length of the row, key, row. The first one is number
	// first; only the last one grows.
	segments [][]byte
	first    uint64
	// at is where the entry of a key stands, by the key's hash: the number of its
	// segment times 2^32, and its place there. Of two keys with one hash the
	// earlier is forgotten.
	at   map[uint64]uint64
	seed maphash.Seed
}

// Of what accounts may take in memory, rows of others take up to a rowsShare'th.
const (
	rowsShare    = 4
	segmentBytes = 256 << 10
	// What the index takes for an entry.
	atBytes = 32
)

func newRowCache(segmentBytes int) rowCache {
	return rowCache{segmentBytes: segmentBytes, at: map[uint64]uint64{}, seed: maphash.MakeSeed()}
}

func (c *rowCache) hash(key []byte) uint64 { return maphash.Bytes(c.seed, key) }

// bytes is how much memory it takes.
func (c *rowCache) bytes() int { return len(c.segments)*c.segmentBytes + len(c.at)*atBytes }

// put puts in the row of a key that isn't there. It reports false where there
// is no room for it at all. What must go for it is given to dropped, but for
// rows that stand on the disk as they are.
func (c *rowCache) put(key, row []byte, stands bool, dropped func(key, row []byte)) bool {
	size := len(key) + len(row) + 2*binary.MaxVarintLen32
	if size > c.segmentBytes || c.segmentBytes+atBytes > c.room {
		return false
	}
	last := len(c.segments) - 1
	if last < 0 || len(c.segments[last])+size > c.segmentBytes {
		c.segments = append(c.segments, c.makeSegment(dropped))
		last = len(c.segments) - 1
	}
	s := c.segments[last]
	c.at[c.hash(key)] = (c.first+uint64(last))<<32 | uint64(len(s))
	mark := uint64(0)
	if stands {
		mark = 1
	}
	s = binary.AppendUvarint(s, uint64(len(key))<<1|mark)
	s = binary.AppendUvarint(s, uint64(len(row)))
	c.segments[last] = append(append(s, key...), row...)
	return true
}

// makeSegment is an empty segment, in the memory of the oldest where there is no
// room for another one.
func (c *rowCache) makeSegment(dropped func(key, row []byte)) []byte {
	if c.bytes()+c.segmentBytes <= c.room {
		return make([]byte, 0, c.segmentBytes)
	}
	segment := c.drop(dropped)
	c.shrink(c.room-c.segmentBytes, dropped)
	return segment
}

// take takes out the row of a key, and tells whether it stands on the disk as it
// is. It is valid until the next put.
func (c *rowCache) take(key []byte) (row []byte, stands, ok bool) {
	if len(c.at) == 0 {
		return nil, false, false
	}
	h := c.hash(key)
	at, ok := c.at[h]
	if !ok {
		return nil, false, false
	}
	found, row, stands, _ := readCached(c.segments[at>>32-c.first], int(at&(1<<32-1)))
	if !bytes.Equal(found, key) {
		return nil, false, false
	}
	delete(c.at, h)
	return row, stands, true
}

// shrink drops what takes more than so many bytes.
func (c *rowCache) shrink(room int, dropped func(key, row []byte)) {
	for len(c.segments) > 0 && c.bytes() > room {
		c.drop(dropped)
	}
}

// drop drops the oldest segment, and returns its memory.
func (c *rowCache) drop(dropped func(key, row []byte)) []byte {
	oldest := c.segments[0]
	for from := 0; from < len(oldest); {
		key, row, stands, end := readCached(oldest, from)
		h := c.hash(key)
		if at, ok := c.at[h]; ok && at == c.first<<32|uint64(from) {
			delete(c.at, h)
			if !stands {
				dropped(key, row)
			}
		}
		from = end
	}
	n := copy(c.segments, c.segments[1:])
	c.segments[n] = nil
	c.segments = c.segments[:n]
	c.first++
	return oldest[:0]
}

// readCached reads the entry at a place of a segment.
func readCached(segment []byte, from int) (key, row []byte, stands bool, end int) {
	keyBytes, n := binary.Uvarint(segment[from:])
	from += n
	rowBytes, n := binary.Uvarint(segment[from:])
	from += n
	middle := from + int(keyBytes>>1)
	end = middle + int(rowBytes)
	return segment[from:middle], segment[middle:end], keyBytes&1 == 1, end
}
