package state

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// A Record is a batch as it stands in the changelog.
type Record struct {
	// Batch is what [Batch.Bytes] gave, Hash is its hash.
	Batch []byte
	Hash  Hash
	// Offset is where it stands, its last chunk where it has several.
	Offset int64
}

// GroupBytes is from how many bytes on batches are applied as one. Pebble takes
// what is larger than half a memtable as a table in itself, without inserting row
// by row, and flushes it at once. So it should be worth a flush: with half as much
// compactions cost what is saved (docs/decisions/0007).
const GroupBytes = 16 << 20

// merge makes one batch of several that follow each other: of each row what the
// newest of them says.
type merge struct {
	// heap has the batches that aren't at their end, the one whose row comes
	// next on top: the smallest key, the newest batch first.
	heap []*source
	// ranges are all that the batches delete, by their beginnings; those before
	// begun begin at or before the row that comes next, and of these the ones
	// that don't end before it are open.
	ranges []deletedRange
	begun  int
	open   []deletedRange
}

// source is one batch.
type source struct {
	// op is the operation that comes next, ops what is behind it.
	ops    opReader
	op     []byte
	prefix uint64 // of its key
	age    int    // 0 is the oldest batch
}

type deletedRange struct {
	keyRange
	age int // of the batch that deletes it
}

// merged makes a batch of Pebble's, in memory that may be used, that leaves
// behind what the batches do one after the other, and after's mark. REQUIRES:
// readBatch has read the batches.
func merged(free []byte, records []Record, after *Meta) []byte {
	var m merge
	var meta []byte
	size := seqNumBytes + countBytes + 2*markBytes
	for age := range records {
		size += len(records[age].Batch)
	}
	dst := append(slices.Grow(free[:0], size), make([]byte, seqNumBytes+countBytes)...)
	for age := range records {
		r := &source{ops: opReader{rest: records[age].Batch[countBytes:]}, age: age}
		r.next()
		meta = r.op
		for r.next() {
			if r.ops.kind != pebble.InternalKeyKindRangeDelete {
				m.heap = append(m.heap, r)
				break
			}
			m.ranges = append(m.ranges, deletedRange{keyRange{r.ops.key, r.ops.value}, age})
		}
	}
	slices.SortFunc(m.ranges, func(a, b deletedRange) int { return bytes.Compare(a.from, b.from) })
	dst = appendMarkOp(append(dst, meta...), after)
	count := uint32(2)
	// Ranges go before all rows: those that they delete are left out, and the
	// others came with them or later. Batches delete side by side.
	for i := 0; i < len(m.ranges); count++ {
		joined := m.ranges[i].keyRange
		for i++; i < len(m.ranges) && bytes.Compare(m.ranges[i].from, joined.to) <= 0; i++ {
			if bytes.Compare(m.ranges[i].to, joined.to) > 0 {
				joined.to = m.ranges[i].to
			}
		}
		dst = appendOp(dst, pebble.InternalKeyKindRangeDelete, joined.from)
		dst = binary.AppendUvarint(dst, uint64(len(joined.to)))
		dst = append(dst, joined.to...)
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
	var last []byte
	for len(m.heap) > 0 {
		top := m.heap[0]
		// Of the batches that change a row the newest comes first.
		if key := top.ops.key; !bytes.Equal(key, last) {
			last = key
			if !m.deleted(key, top.age) {
				dst = append(dst, top.op...)
				count++
			}
		}
		if !top.next() {
			n := len(m.heap) - 1
			m.heap[0] = m.heap[n]
			m.heap = m.heap[:n]
		}
		m.sink(0)
	}
	binary.LittleEndian.PutUint32(dst[seqNumBytes:], count)
	return dst
}

// deleted reports whether a batch newer than age deletes the row by a range.
// REQUIRES: keys ascend from call to call.
func (m *merge) deleted(key []byte, age int) bool {
	for ; m.begun < len(m.ranges) && bytes.Compare(m.ranges[m.begun].from, key) <= 0; m.begun++ {
		m.open = append(m.open, m.ranges[m.begun])
	}
	if len(m.open) == 0 {
		return false
	}
	m.open = slices.DeleteFunc(m.open, func(r deletedRange) bool { return bytes.Compare(r.to, key) <= 0 })
	return slices.ContainsFunc(m.open, func(r deletedRange) bool { return r.age > age })
}

// sink puts a batch where it belongs among those below it.
func (m *merge) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(m.heap) {
			return
		}
		if right := child + 1; right < len(m.heap) && m.heap[right].before(m.heap[child]) {
			child = right
		}
		if !m.heap[child].before(m.heap[i]) {
			return
		}
		m.heap[i], m.heap[child] = m.heap[child], m.heap[i]
		i = child
	}
}

func (r *source) before(o *source) bool {
	if r.prefix != o.prefix {
		return r.prefix < o.prefix
	}
	if c := bytes.Compare(r.ops.key, o.ops.key); c != 0 {
		return c < 0
	}
	return r.age > o.age
}

// next goes on to the next operation, if there is one.
func (r *source) next() bool {
	from := r.ops.rest
	if len(from) == 0 {
		return false
	}
	if err := r.ops.next(); err != nil {
		panic("state: I3: a batch that was read can't be: " + err.Error())
	}
	r.op = from[:len(from)-len(r.ops.rest)]
	r.prefix = prefixAt(r.ops.key, 0)
	return true
}
