package state

import (
	"crypto/sha256"
	"encoding/hex"
)

// Hash is a SHA-256: of one batch, of the chain of all batches up to one, or
// of all rows.
type Hash [sha256.Size]byte

// String is the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// HashBatch is the hash of a batch's bytes as [Batch.Bytes] gives them.
func HashBatch(batch []byte) Hash { return sha256.Sum256(batch) }

// Chain is the hash chain's value after a batch (I4).
func Chain(previous, batch Hash) Hash {
	var both [2 * sha256.Size]byte
	copy(both[:sha256.Size], previous[:])
	copy(both[sha256.Size:], batch[:])
	return sha256.Sum256(both[:])
}
