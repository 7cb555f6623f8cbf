package engine

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// rowCache keeps the rows of accounts that left memory, as bytes: a tenth of
// what the accounts took, and nothing for the garbage collector to look at. It
// has no row of an account in memory. Who comes back takes his row out. What is
// in the oldest segment is dropped first.
type rowCache struct {
	// room is how many bytes it may take, in segments of so many. Where it has
	// room for less than two it keeps nothing.
	room, segmentBytes int
	// segments are logs of entries: a length of the key, with the mark stands in
	// its lowest bit, a length of the row, key, row. The first one is number
	// first; only the last one grows. spare is memory for one more.
	segments [][]byte
	spare    []byte
	first    uint64
	// at is where the entry of a key stands, by the key's hash: the number of its
	// segment times 2^32, and its place there. Of two keys with one hash the
	// earlier is forgotten. live is the size of all entries that it knows.
	at   map[uint64]uint64
	live int
	seed maphash.Seed
	// hits counts rows that were taken out, drops those that were dropped.
	hits, drops int
}

// At most a rowsShare'th of what accounts may take in memory is for rows of those
// that left it.
const (
	rowsShare    = 2
	segmentBytes = 256 << 10
	// What the index takes for an entry.
	atBytes = 32
)

func newRowCache(segmentBytes int) rowCache {
	return rowCache{segmentBytes: segmentBytes, at: map[uint64]uint64{}, seed: maphash.MakeSeed()}
}

func (c *rowCache) hash(key []byte) uint64 { return maphash.Bytes(c.seed, key) }

// bytes is how much memory it takes.
func (c *rowCache) bytes() int {
	if len(c.segments) == 0 {
		return 0
	}
	return (len(c.segments)+1)*c.segmentBytes + len(c.at)*atBytes
}

// put puts in the row of a key that isn't there. It reports false where there
// is no room for it at all. What must go for it is given to dropped, but for
// rows that stand on the disk as they are.
func (c *rowCache) put(key, row []byte, stands bool, dropped func(key, row []byte)) bool {
	if entryBytes(key, row) > c.segmentBytes/2 || 2*c.segmentBytes+atBytes > c.room {
		return false
	}
	for n := len(c.segments); n == 0 || len(c.segments[n-1])+entryBytes(key, row) > c.segmentBytes; n = len(c.segments) {
		c.addSegment(dropped)
	}
	c.append(key, row, stands)
	return true
}

// entryBytes is the size of an entry, or a little more.
func entryBytes(key, row []byte) int { return len(key) + len(row) + 2*binary.MaxVarintLen16 }

// append puts an entry behind all.
func (c *rowCache) append(key, row []byte, stands bool) {
	last := len(c.segments) - 1
	s := c.segments[last]
	c.at[c.hash(key)] = (c.first+uint64(last))<<32 | uint64(len(s))
	c.live += entryBytes(key, row)
	mark := uint64(0)
	if stands {
		mark = 1
	}
	s = binary.AppendUvarint(s, uint64(len(key))<<1|mark)
	s = binary.AppendUvarint(s, uint64(len(row)))
	c.segments[last] = append(append(s, key...), row...)
}

// addSegment adds a segment behind the last one. Where more than half of what
// there are have is what was taken out, the rest of the oldest goes into it, so
// that there aren't more of them: an entry of half a segment finds room after
// some such rounds. Where there is no room for one more, the oldest are dropped.
func (c *rowCache) addSegment(dropped func(key, row []byte)) {
	clean := len(c.segments) > 1 && 2*c.live < len(c.segments)*c.segmentBytes && c.bytes() <= c.room
	if !clean {
		c.shrink(c.room-c.segmentBytes, dropped)
	}
	s := c.spare
	if c.spare = nil; s == nil {
		s = make([]byte, 0, c.segmentBytes)
	}
	c.segments = append(c.segments, s)
	if clean {
		c.empty(c.append)
	}
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
	found, row, stands, _ := readCached(c.segments[at>>32-c.first], int(uint32(at)))
	if !bytes.Equal(found, key) {
		return nil, false, false
	}
	delete(c.at, h)
	c.live -= entryBytes(key, row)
	c.hits++
	return row, stands, true
}

// shrink drops what takes more than so many bytes.
func (c *rowCache) shrink(room int, dropped func(key, row []byte)) {
	for len(c.segments) > 0 && c.bytes() > room {
		c.empty(func(key, row []byte, stands bool) {
			if c.drops++; !stands {
				dropped(key, row)
			}
		})
	}
	if len(c.segments) == 0 {
		c.spare, c.at = nil, map[uint64]uint64{} // a map never shrinks
	}
}

// empty takes the oldest segment away, and gives away what is in it.
func (c *rowCache) empty(take func(key, row []byte, stands bool)) {
	oldest := c.segments[0]
	for from := 0; from < len(oldest); {
		key, row, stands, end := readCached(oldest, from)
		h := c.hash(key)
		if at, ok := c.at[h]; ok && at == c.first<<32|uint64(from) {
			delete(c.at, h)
			c.live -= entryBytes(key, row)
			take(key, row, stands)
		}
		from = end
	}
	n := copy(c.segments, c.segments[1:])
	c.segments[n] = nil
	c.segments = c.segments[:n]
	c.first++
	c.spare = oldest[:0]
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
