package state

import (
	"encoding/binary"
	"errors"
	"fmt"

	"highwater/pkg/event"
)

// Topics is how many topics a shard reads: Grants to Transfers.
const Topics = 5

// Progress is how far a shard has come, as of the end of a batch.
type Progress struct {
	// Positions are the next offsets to read, by topic from Grants on.
	Positions [Topics]int64
	Watermark event.Time
	// ProcessedAt is the clock at the start of the batch.
	ProcessedAt event.Time
}

// Next is the offset of topic t that comes next.
func (p Progress) Next(t event.Topic) int64 { return p.Positions[t-event.Grants] }

// Passed reports whether the record at pos has been processed.
func (p Progress) Passed(pos event.Position) bool {
	return pos.Topic >= event.Grants && pos.Topic <= event.Transfers && p.Next(pos.Topic) > pos.Offset
}

// Meta is what a state says of itself: which batch it stands behind.
type Meta struct {
	Shard int32
	// Seq counts batches from 1; 0 is the empty state.
	Seq int64
	// PrevHash and Hash are the chain's values before and after the batch.
	PrevHash, Hash Hash
	// Offset is where the batch stands in the changelog, its last chunk where
	// it has several; NoOffset for the empty state.
	Offset int64
	// Identities is how many identity rows have been written since the
	// beginning.
	Identities uint64
	Progress
}

// NoOffset is the changelog offset of the empty state: everything comes after
// it.
const NoOffset = -1

// The rows that belong to this package, and the first of those that belong to
// the rest of the shell (below engine.FirstEngineKey).
var (
	metaKey = []byte{0x01}
	markKey = []byte{0x02}
)

// FirstShellKey is the first byte of the smallest key that [Rows] takes.
const FirstShellKey = 0x03

// Versions of the rows, and their sizes. What a released version means never
// changes.
const (
	metaVersion = 1
	metaBytes   = 101
	markVersion = 1
	markBytes   = 49
)

// ErrFormat says that a row of the state itself can't be read: it is damaged,
// or a newer version wrote it.
var ErrFormat = errors.New("state has a format this process doesn't know; upgrade it, or remove the directory to have the state rebuilt from the changelog")

// appendMeta appends the row that goes into the batch.
func appendMeta(dst []byte, m *Meta) []byte {
	dst = append(dst, metaVersion)
	dst = binary.BigEndian.AppendUint32(dst, uint32(m.Shard))
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.Seq))
	dst = append(dst, m.PrevHash[:]...)
	for _, p := range m.Positions {
		dst = binary.BigEndian.AppendUint64(dst, uint64(p))
	}
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.Watermark))
	return binary.BigEndian.AppendUint64(dst, uint64(m.ProcessedAt))
}

// decodeMeta reads a row that appendMeta of any version wrote. It leaves what
// is in the mark as it was.
func decodeMeta(row []byte, m *Meta) error {
	if len(row) == 0 {
		return fmt.Errorf("%w: meta row is empty", ErrFormat)
	}
	switch row[0] {
	case 1:
		return decodeMetaV1(row, m)
	}
	return fmt.Errorf("%w: meta row of version %d, known is %d", ErrFormat, row[0], metaVersion)
}

// decodeMetaV1 is frozen.
func decodeMetaV1(row []byte, m *Meta) error {
	if len(row) != 101 {
		return fmt.Errorf("%w: meta row of version 1 has %d bytes instead of 101", ErrFormat, len(row))
	}
	m.Shard = int32(binary.BigEndian.Uint32(row[1:]))
	m.Seq = int64(binary.BigEndian.Uint64(row[5:]))
	copy(m.PrevHash[:], row[13:45])
	for i := range m.Positions {
		m.Positions[i] = int64(binary.BigEndian.Uint64(row[45+8*i:]))
	}
	m.Watermark = event.Time(binary.BigEndian.Uint64(row[85:]))
	m.ProcessedAt = event.Time(binary.BigEndian.Uint64(row[93:]))
	return nil
}

// appendMark appends the row that is added when the batch is applied.
func appendMark(dst []byte, m *Meta) []byte {
	dst = append(dst, markVersion)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.Offset))
	dst = append(dst, m.Hash[:]...)
	return binary.BigEndian.AppendUint64(dst, m.Identities)
}

func decodeMark(row []byte, m *Meta) error {
	if len(row) == 0 {
		return fmt.Errorf("%w: mark row is empty", ErrFormat)
	}
	switch row[0] {
	case 1:
		return decodeMarkV1(row, m)
	}
	return fmt.Errorf("%w: mark row of version %d, known is %d", ErrFormat, row[0], markVersion)
}

// decodeMarkV1 is frozen.
func decodeMarkV1(row []byte, m *Meta) error {
	if len(row) != 49 {
		return fmt.Errorf("%w: mark row of version 1 has %d bytes instead of 49", ErrFormat, len(row))
	}
	m.Offset = int64(binary.BigEndian.Uint64(row[1:]))
	copy(m.Hash[:], row[9:41])
	m.Identities = binary.BigEndian.Uint64(row[41:])
	return nil
}
