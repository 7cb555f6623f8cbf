package engine

import (
	"iter"

	"highwater/pkg/event"
)

// Reader gives rows of one shard's state. Keys are ordered bytewise. Slices
// it hands out are valid until the next call and must not be changed.
//
// A Reader that can't read reports the row as absent and remembers the error
// for its owner, who must look for it before anything computed from the rows
// is published.
type Reader interface {
	Get(key []byte) (value []byte, ok bool)
	// Scan yields the rows in [from, to) in ascending order.
	Scan(from, to []byte) iter.Seq2[[]byte, []byte]
	// ScanBack yields the rows in [from, to) in descending order.
	ScanBack(from, to []byte) iter.Seq2[[]byte, []byte]
}

// Rows is a shard's state as the engine sees it: what it writes it reads back
// at once, whether or not it has been committed. Arguments are copied. Rows
// must not be written while a scan is under way.
type Rows interface {
	Reader
	Set(key, value []byte)
	Delete(key []byte)
	// DeleteRange deletes the rows in [from, to).
	DeleteRange(from, to []byte)
}

// FirstEngineKey is the first byte of the smallest key the engine uses. Keys
// below it belong to the shell.
const FirstEngineKey = 0x10

// Sink takes what a transaction publishes. What it is given is valid only
// during the call.
type Sink interface {
	Entry(*event.Entry)
	Settled(*event.Entry)
	Correction(*event.Correction)
	Balance(*event.Balance)
	OrderState(*event.OrderState)
	OrderStats(*event.OrderStats)
	Watermark(*event.Watermark)
	Alert(*event.Alert)
	// Remittance sends a transfer's credits to its receiver's partition.
	Remittance(*event.Remittance)
	// DeadLetter puts the record aside that Process was called with.
	DeadLetter(*Record, *event.DeadLetter)
}

// Record is one input record. Event's strings need to be valid only during
// Process.
type Record struct {
	// Event is nil where the record could not be read; then Refusal says why.
	Event   *event.Event
	Refusal *event.Refusal
	// Remittance is what a transfer brings, in a record of the internal topic;
	// then there is no Event.
	Remittance *event.Remittance
	Input      event.Position
	// ArrivedAt is Kafka's append time.
	ArrivedAt event.Time
}

// Config is what a shard's engine is told once. Durations are microseconds.
type Config struct {
	Partition int32
	Policies  event.Policies
	// Lateness is how far the watermark stays behind the newest event time.
	Lateness int64
	// IdleTimeout is when a topic without news no longer holds the watermark.
	IdleTimeout int64
	// IdleHold keeps the watermark where it is while all topics are idle,
	// instead of following the clock.
	IdleHold bool
	// FutureSkew is how far an event time may be ahead of the clock.
	FutureSkew int64
	// Horizon is how far behind the watermark an event may be; 0 is no bound.
	Horizon int64
	// Settled publishes settled entries.
	Settled bool
	// MaxMoves bounds what the watermark's moves say and settle in one
	// transaction; 0 is no bound.
	MaxMoves int
	// CacheBytes bounds the accounts kept in memory, and the rows kept there of
	// those that left it.
	CacheBytes int
	// KeepFor is how late, in microseconds behind the watermark, an event may be
	// that finds what it comes before in memory; 0 is a day, longer while there
	// is room, or less where that takes more than half of CacheBytes.
	KeepFor int64

	sizes sizes
}
