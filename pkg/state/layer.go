package state

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
)

// A layer is what one batch changes: the newest value of each key it touched,
// and the ranges it deleted. Looking a key up goes through a hash table; order
// is made only when somebody asks for it (see order.go). Nothing in it is a
// pointer, so the garbage collector has nothing to do, and a reset layer keeps
// its memory for the next batch.
type layer struct {
	// arena holds keys and values; entries name them by offset.
	arena   []byte
	entries []entry
	// slots is an open-addressed hash table: the upper half is the upper half
	// of the key's hash, the lower half the entry's index plus one.
	slots []uint64
	// ranges are the deleted ranges, ascending and apart from each other. An
	// entry goes before the layer's own ranges.
	ranges []keyRange
	order  order
	seed   maphash.Seed
}

// maxLayerBytes bounds keys and values of one layer, whose offsets are 32
// bits wide. It is far above what a transaction may be.
const maxLayerBytes = 1 << 30

const (
	firstSlots = 1 << 9
	// idleLayerBytes is what a layer keeps however little was in it.
	idleLayerBytes = 1 << 20
)

type entry struct {
	// prefix is the first eight bytes of the key, zeros after its end, so that
	// most comparisons need no look at the key.
	prefix uint64
	// hash and low are the upper and the lower half of the key's hash.
	hash, low  uint32
	key, val   uint32
	klen, vlen uint32
	capacity   uint32 // what the value's place can hold
	change     change
}

// change is what became of a key.
type change byte

const (
	// isSet: the key has the entry's value.
	isSet change = iota
	// isDeleted: the key is absent.
	isDeleted
	// isCovered: the key is absent, and one of the layer's ranges says so.
	isCovered
)

type keyRange struct{ from, to []byte }

func newLayer(seed maphash.Seed) *layer {
	return &layer{slots: make([]uint64, firstSlots), seed: seed}
}

// reset makes the layer empty. It keeps its memory unless this batch used
// little of it.
func (l *layer) reset() {
	if used := len(l.arena); cap(l.arena) > idleLayerBytes && used < cap(l.arena)/8 {
		l.arena, l.entries, l.slots = nil, nil, make([]uint64, firstSlots)
		l.order = order{}
	}
	l.arena = l.arena[:0]
	l.entries = l.entries[:0]
	// The table starts small again, for clearing what ten events don't need
	// would cost more than the events.
	l.slots = l.slots[:firstSlots]
	clear(l.slots)
	clear(l.ranges)
	l.ranges = l.ranges[:0]
	l.order.reset()
}

func (l *layer) empty() bool { return len(l.entries) == 0 && len(l.ranges) == 0 }

// full reports whether so many more bytes would be too many.
func (l *layer) full(more int) bool { return len(l.arena)+more > maxLayerBytes }

func (l *layer) key(e *entry) []byte   { return l.arena[e.key : e.key+e.klen : e.key+e.klen] }
func (l *layer) value(e *entry) []byte { return l.arena[e.val : e.val+e.vlen : e.val+e.vlen] }

// find is the entry of a key, or where it would go in the table.
func (l *layer) find(key []byte, hash uint64) (e *entry, slot int) {
	mask := len(l.slots) - 1
	for slot = int(hash) & mask; ; slot = (slot + 1) & mask {
		s := l.slots[slot]
		if s == 0 {
			return nil, slot
		}
		if uint32(s>>32) == uint32(hash>>32) {
			e = &l.entries[uint32(s)-1]
			if string(l.arena[e.key:e.key+e.klen]) == string(key) {
				return e, slot
			}
		}
	}
}

// get looks a key up. known is false where the layer says nothing about it.
func (l *layer) get(key []byte, hash uint64) (value []byte, ok, known bool) {
	if e, _ := l.find(key, hash); e != nil {
		if e.change == isSet {
			return l.value(e), true, true
		}
		return nil, false, true
	}
	return nil, false, len(l.ranges) > 0 && l.covering(key) != nil
}

// covering is the deleted range that a key lies in.
func (l *layer) covering(key []byte) *keyRange {
	i, _ := slices.BinarySearchFunc(l.ranges, key, func(r keyRange, key []byte) int {
		if bytes.Compare(r.to, key) <= 0 {
			return -1
		}
		return 1
	})
	if i < len(l.ranges) && bytes.Compare(l.ranges[i].from, key) <= 0 {
		return &l.ranges[i]
	}
	return nil
}

func (l *layer) set(key, value []byte, hash uint64) {
	e, slot := l.find(key, hash)
	if e == nil {
		e = l.insert(key, hash, slot)
	}
	if len(value) > int(e.capacity) {
		e.val = uint32(len(l.arena))
		e.capacity = uint32(len(value))
		l.arena = append(l.arena, value...)
	} else {
		copy(l.arena[e.val:], value)
	}
	e.vlen = uint32(len(value))
	e.change = isSet
}

func (l *layer) delete(key []byte, hash uint64) {
	e, slot := l.find(key, hash)
	covered := len(l.ranges) > 0 && l.covering(key) != nil
	if e == nil {
		if covered {
			return
		}
		e = l.insert(key, hash, slot)
	}
	e.change = isDeleted
	if covered {
		e.change = isCovered
	}
}

func (l *layer) insert(key []byte, hash uint64, slot int) *entry {
	if 2*len(l.entries) >= len(l.slots) {
		slot = l.grow(hash)
	}
	at := len(l.arena)
	l.arena = append(l.arena, key...)
	l.entries = append(l.entries, entry{
		prefix: prefixAt(key, 0), hash: uint32(hash >> 32), low: uint32(hash),
		key: uint32(at), klen: uint32(len(key)), val: uint32(len(l.arena)),
	})
	l.slots[slot] = hash&^(1<<32-1) | uint64(len(l.entries))
	return &l.entries[len(l.entries)-1]
}

// grow doubles the table, and finds the place in it for one more hash.
func (l *layer) grow(hash uint64) (slot int) {
	n := 2 * len(l.slots)
	l.slots = slices.Grow(l.slots[:0], n)[:n]
	clear(l.slots)
	mask := n - 1
	for i := range l.entries {
		e := &l.entries[i]
		at := int(e.low) & mask
		for l.slots[at] != 0 {
			at = (at + 1) & mask
		}
		l.slots[at] = uint64(e.hash)<<32 | uint64(i+1)
	}
	slot = int(uint32(hash)) & mask
	for l.slots[slot] != 0 {
		slot = (slot + 1) & mask
	}
	return slot
}

// deleteRange deletes the keys in [from, to). REQUIRES: from < to.
func (l *layer) deleteRange(from, to []byte) {
	for _, run := range l.within(from, to) {
		for _, it := range run {
			l.entries[it.index].change = isCovered
		}
	}
	joined := keyRange{bytes.Clone(from), bytes.Clone(to)}
	// Ranges that touch or overlap [from, to) lie together.
	first := slices.IndexFunc(l.ranges, func(r keyRange) bool { return bytes.Compare(r.to, from) >= 0 })
	if first < 0 {
		first = len(l.ranges)
	}
	end := first
	for end < len(l.ranges) && bytes.Compare(l.ranges[end].from, to) <= 0 {
		end++
	}
	if end > first {
		joined.from = slices.MinFunc([][]byte{joined.from, l.ranges[first].from}, bytes.Compare)
		joined.to = slices.MaxFunc([][]byte{joined.to, l.ranges[end-1].to}, bytes.Compare)
	}
	l.ranges = slices.Replace(l.ranges, first, end, joined)
}

// prefixAt is the eight bytes of a key from depth on, zeros after its end.
func prefixAt(key []byte, depth int) uint64 {
	if len(key) >= depth+8 {
		return binary.BigEndian.Uint64(key[depth:])
	}
	var p uint64
	for i := depth; i < len(key); i++ {
		p |= uint64(key[i]) << (56 - 8*(i-depth))
	}
	return p
}
