package kafka

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"highwater/pkg/event"
)

const (
	changelogMagic   = "HWCL"
	changelogVersion = 1
	// ChangelogHeaderBytes is what a chunk has before its part of the batch.
	ChangelogHeaderBytes = 152
	// ChunkBytes is the most of a batch that one chunk carries. With its
	// header and Kafka's framing it stays below the changelog topic's
	// max.message.bytes and the producer's largest batch.
	ChunkBytes = 4 << 20
	// MaxBatchBytes bounds one batch, and so what an Assembler holds.
	MaxBatchBytes = 1 << 30
	// ReadTopics is how many topics a shard reads, and so how many positions a
	// changelog record has.
	ReadTopics = 5
)

const maxChunks = MaxBatchBytes / ChunkBytes

// ErrChangelogFormat says that a record of the changelog topic can't be read:
// it is damaged, or a newer Highwater wrote it.
var ErrChangelogFormat = errors.New("changelog record can't be read")

// Positions are the next offsets of the topics a shard reads.
type Positions [ReadTopics]int64

// Next is the offset to read next.
func (p Positions) Next(t event.Topic) int64 { return p[t-event.Grants] }

// Advance moves on behind an offset that was taken.
func (p *Positions) Advance(t event.Topic, offset int64) { p[t-event.Grants] = offset + 1 }

// ChangelogRecord is one chunk of one batch with what the batch is about; a
// whole batch where Chunks is 1.
type ChangelogRecord struct {
	Shard int32
	// Seq counts the shard's batches from 1.
	Seq int64
	// PrevHash is the hash chain's value before the batch.
	PrevHash [32]byte
	// BatchHash is the SHA-256 of the whole batch.
	BatchHash   [32]byte
	Positions   Positions
	Watermark   event.Time
	ProcessedAt event.Time
	// Events is how many input records the batch took.
	Events        int32
	Chunk, Chunks int32
	Batch         []byte
}

// ChainHash is the hash chain's value after a batch.
func ChainHash(previous, batch [32]byte) [32]byte {
	var both [64]byte
	copy(both[:32], previous[:])
	copy(both[32:], batch[:])
	return sha256.Sum256(both[:])
}

// ChunkCount is how many chunks a batch of so many bytes is cut into.
func ChunkCount(batchBytes int) int32 {
	return int32(max(1, (batchBytes+ChunkBytes-1)/ChunkBytes))
}

// AppendChangelogChunk appends the value of one of the chunks that whole is
// cut into. REQUIRES: whole.Batch is the whole batch, at most MaxBatchBytes;
// 0 <= chunk < ChunkCount(len(whole.Batch)). whole.Chunk and whole.Chunks don't
// matter.
func AppendChangelogChunk(dst []byte, whole *ChangelogRecord, chunk int32) []byte {
	part := *whole
	part.Chunk = chunk
	part.Chunks = ChunkCount(len(whole.Batch))
	from := int(chunk) * ChunkBytes
	part.Batch = whole.Batch[from:min(from+ChunkBytes, len(whole.Batch))]
	return AppendChangelogRecord(dst, &part)
}

// AppendChangelogRecord appends the record's value.
func AppendChangelogRecord(dst []byte, r *ChangelogRecord) []byte {
	dst = append(dst, changelogMagic...)
	dst = append(dst, changelogVersion, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.Shard))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Seq))
	dst = append(dst, r.PrevHash[:]...)
	dst = append(dst, r.BatchHash[:]...)
	for _, p := range r.Positions {
		dst = binary.BigEndian.AppendUint64(dst, uint64(p))
	}
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Watermark))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.ProcessedAt))
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.Events))
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.Chunk))
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.Chunks))
	return append(dst, r.Batch...)
}

// DecodeChangelogRecord reads a record's value. Batch aliases value. It checks
// the form only; the hashes are for who joins the chunks.
func DecodeChangelogRecord(value []byte) (ChangelogRecord, error) {
	if len(value) < len(changelogMagic)+1 || !bytes.Equal(value[:len(changelogMagic)], []byte(changelogMagic)) {
		return ChangelogRecord{}, fmt.Errorf("%w: it doesn't begin with %q", ErrChangelogFormat, changelogMagic)
	}
	switch version := value[len(changelogMagic)]; version {
	case 1:
		return decodeChangelogV1(value)
	default:
		return ChangelogRecord{}, fmt.Errorf("%w: version %d, known are 1 to %d; upgrade this process", ErrChangelogFormat, version, changelogVersion)
	}
}

// decodeChangelogV1 is frozen: version 1 was released.
func decodeChangelogV1(value []byte) (ChangelogRecord, error) {
	var r ChangelogRecord
	if len(value) < 152 {
		return r, fmt.Errorf("%w: %d bytes, its header alone has 152", ErrChangelogFormat, len(value))
	}
	if value[5] != 0 || value[6] != 0 || value[7] != 0 {
		return r, fmt.Errorf("%w: reserved bytes are set", ErrChangelogFormat)
	}
	u32 := func(at int) int32 { return int32(binary.BigEndian.Uint32(value[at:])) }
	u64 := func(at int) int64 { return int64(binary.BigEndian.Uint64(value[at:])) }
	r.Shard = u32(8)
	r.Seq = u64(12)
	copy(r.PrevHash[:], value[20:52])
	copy(r.BatchHash[:], value[52:84])
	for i := range r.Positions {
		r.Positions[i] = u64(84 + 8*i)
	}
	r.Watermark = event.Time(u64(124))
	r.ProcessedAt = event.Time(u64(132))
	r.Events = u32(140)
	r.Chunk = u32(144)
	r.Chunks = u32(148)
	r.Batch = value[152:]
	switch {
	case r.Shard < 0 || r.Seq < 1 || r.Events < 0:
		return r, fmt.Errorf("%w: shard %d, seq %d, %d events", ErrChangelogFormat, r.Shard, r.Seq, r.Events)
	case r.Chunks < 1 || r.Chunks > maxChunks || r.Chunk < 0 || r.Chunk >= r.Chunks:
		return r, fmt.Errorf("%w: chunk %d of %d", ErrChangelogFormat, r.Chunk, r.Chunks)
	}
	for i, p := range r.Positions {
		if p < 0 {
			return r, fmt.Errorf("%w: position %d of %s", ErrChangelogFormat, p, event.Grants+event.Topic(i))
		}
	}
	return r, nil
}
