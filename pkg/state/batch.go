package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// seqNumBytes is the head of Pebble's batch that says where in the database's
// history it stands. Pebble writes it in place when the batch is applied, so it
// is no part of what the changelog carries.
const (
	seqNumBytes = 8
	countBytes  = 4
)

// ErrBatch says that the bytes of a batch break its rules (I3).
var ErrBatch = errors.New("batch can't be applied")

// A Batch is a sealed layer: what one transaction changes, ready for the
// changelog. It belongs to the Rows that sealed it.
type Batch struct {
	meta  Meta // as of after the batch; Offset is not known yet
	hash  Hash
	rows  int
	layer *layer
	// repr is Pebble's batch. Bytes gives parts of it away, so it isn't used
	// again before the batch has been applied.
	repr []byte
}

// Seq counts the shard's batches from 1.
func (b *Batch) Seq() int64 { return b.meta.Seq }

// PrevHash is the hash chain's value before the batch.
func (b *Batch) PrevHash() Hash { return b.meta.PrevHash }

// Hash is the batch's own hash.
func (b *Batch) Hash() Hash { return b.hash }

// ChainHash is the hash chain's value after the batch.
func (b *Batch) ChainHash() Hash { return b.meta.Hash }

// Progress is what the batch was sealed with.
func (b *Batch) Progress() Progress { return b.meta.Progress }

// Rows is how many changes it makes, its own row left out.
func (b *Batch) Rows() int { return b.rows }

// Bytes is what goes into the changelog: Pebble's batch from its byte 8 on. It
// must not be changed, and is valid until the batch has been applied.
func (b *Batch) Bytes() []byte { return b.repr[seqNumBytes:] }

// seal writes the batch's repr: ranges first, for what follows in a batch goes
// before what precedes it, then the changed rows in ascending order.
func (b *Batch) seal(l *layer) {
	dst := append(b.repr[:0], make([]byte, seqNumBytes+countBytes)...)
	dst = appendOp(dst, pebble.InternalKeyKindSet, metaKey)
	row := appendMeta(make([]byte, 0, metaBytes), &b.meta)
	dst = binary.AppendUvarint(dst, uint64(len(row)))
	dst = append(dst, row...)
	count := uint32(1)
	for i := range l.ranges {
		dst = appendOp(dst, pebble.InternalKeyKindRangeDelete, l.ranges[i].from)
		dst = binary.AppendUvarint(dst, uint64(len(l.ranges[i].to)))
		dst = append(dst, l.ranges[i].to...)
		count++
	}
	for _, it := range l.sorted() {
		e := &l.entries[it.index]
		switch e.change {
		case isSet:
			dst = appendOp(dst, pebble.InternalKeyKindSet, l.key(e))
			dst = binary.AppendUvarint(dst, uint64(e.vlen))
			dst = append(dst, l.value(e)...)
		case isDeleted:
			dst = appendOp(dst, pebble.InternalKeyKindDelete, l.key(e))
		case isCovered:
			continue
		}
		count++
	}
	binary.LittleEndian.PutUint32(dst[seqNumBytes:], count)
	b.repr, b.layer, b.rows = dst, l, int(count)-1
	b.hash = HashBatch(b.Bytes())
	b.meta.Hash = Chain(b.meta.PrevHash, b.hash)
}

func appendOp(dst []byte, kind pebble.InternalKeyKind, key []byte) []byte {
	dst = append(dst, byte(kind))
	dst = binary.AppendUvarint(dst, uint64(len(key)))
	return append(dst, key...)
}

// appendMarkOp adds the mark to a repr that is about to be applied. What
// Bytes gave away is changed by it: the count.
func appendMarkOp(repr []byte, m *Meta) []byte {
	count := binary.LittleEndian.Uint32(repr[seqNumBytes:])
	binary.LittleEndian.PutUint32(repr[seqNumBytes:], count+1)
	repr = appendOp(repr, pebble.InternalKeyKindSet, markKey)
	repr = binary.AppendUvarint(repr, markBytes)
	return appendMark(repr, m)
}

// readBatch checks the bytes of a batch against I3 and reads its meta row into
// m. set is called with the key of each row that it sets.
func readBatch(batch []byte, m *Meta, set func(key []byte)) error {
	if len(batch) < countBytes {
		return fmt.Errorf("%w: %d bytes are too few", ErrBatch, len(batch))
	}
	count := binary.LittleEndian.Uint32(batch)
	ops := opReader{rest: batch[countBytes:]}
	var n uint32
	var before []byte // the key of the row before
	for ; len(ops.rest) > 0; n++ {
		if err := ops.next(); err != nil {
			return fmt.Errorf("%w: operation %d: %w", ErrBatch, n, err)
		}
		if n == 0 {
			if ops.kind != pebble.InternalKeyKindSet || string(ops.key) != string(metaKey) {
				return fmt.Errorf("%w: it doesn't begin with the meta row", ErrBatch)
			}
			if err := decodeMeta(ops.value, m); err != nil {
				return err
			}
			continue
		}
		if ops.key[0] < FirstShellKey {
			return fmt.Errorf("%w: operation %d changes a row of the state itself", ErrBatch, n)
		}
		if before != nil && (ops.kind == pebble.InternalKeyKindRangeDelete || bytes.Compare(before, ops.key) >= 0) {
			return fmt.Errorf("%w: operation %d is out of order", ErrBatch, n)
		}
		if ops.kind == pebble.InternalKeyKindRangeDelete {
			continue
		}
		before = ops.key
		if ops.kind == pebble.InternalKeyKindSet {
			set(ops.key)
		}
	}
	if n != count || n == 0 {
		return fmt.Errorf("%w: it says %d operations and has %d", ErrBatch, count, n)
	}
	return nil
}

// opReader reads the operations of a batch.
type opReader struct {
	rest       []byte
	kind       pebble.InternalKeyKind
	key, value []byte
}

func (r *opReader) next() (err error) {
	r.kind, r.value = pebble.InternalKeyKind(r.rest[0]), nil
	r.rest = r.rest[1:]
	switch r.kind {
	case pebble.InternalKeyKindSet, pebble.InternalKeyKindRangeDelete, pebble.InternalKeyKindDelete:
	default:
		return fmt.Errorf("kind %d isn't one of Set, Delete and DeleteRange", r.kind)
	}
	if r.key, err = r.bytes(); err != nil {
		return fmt.Errorf("its key: %w", err)
	}
	if len(r.key) == 0 {
		return errors.New("its key is empty")
	}
	if r.kind == pebble.InternalKeyKindDelete {
		return nil
	}
	if r.value, err = r.bytes(); err != nil {
		return fmt.Errorf("its value: %w", err)
	}
	return nil
}

func (r *opReader) bytes() ([]byte, error) {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || size > binary.MaxVarintLen32 {
		return nil, errors.New("its length is damaged")
	}
	if n > uint64(len(r.rest)-size) {
		return nil, fmt.Errorf("it is cut short: %d bytes of %d", len(r.rest)-size, n)
	}
	b := r.rest[size : uint64(size)+n]
	r.rest = r.rest[uint64(size)+n:]
	return b, nil
}
