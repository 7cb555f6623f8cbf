package kafka

import (
	"crypto/sha256"
	"fmt"
)

// Assembler joins the chunks of batches. The zero Assembler is ready. It is
// for one partition's records in their order, those of committed transactions
// only.
type Assembler struct {
	// open is the batch whose chunks are being joined; its Chunks is 0 where
	// there is none. joined are its bytes so far.
	open   ChangelogRecord
	joined []byte
}

// Add takes the next chunk. Where it completes a batch, whole is true and r
// becomes that batch (chunk 0 of 1), whose bytes have the hash the record says
// they have. They alias value, or are memory of their own.
//
// An error means that the changelog is damaged.
func (a *Assembler) Add(r *ChangelogRecord) (whole bool, err error) {
	if r.Chunks > 1 {
		if whole, err = a.join(r); !whole {
			return false, err
		}
	} else if a.open.Chunks != 0 {
		return false, fmt.Errorf("%w: seq %d ends after chunk %d of %d", ErrChangelogFormat, a.open.Seq, a.open.Chunk, a.open.Chunks)
	}
	if sum := sha256.Sum256(r.Batch); sum != r.BatchHash {
		return false, fmt.Errorf("%w: seq %d: its batch has the hash %x, not %x as it says", ErrChangelogFormat, r.Seq, sum, r.BatchHash)
	}
	return true, nil
}

// Reset forgets a batch that was begun.
func (a *Assembler) Reset() {
	a.open = ChangelogRecord{}
	a.joined = nil
}

func (a *Assembler) join(r *ChangelogRecord) (whole bool, err error) {
	if r.Chunk == 0 && a.open.Chunks == 0 {
		a.open = *r
		a.joined = append(a.joined[:0], r.Batch...)
		return false, nil
	}
	o := &a.open
	if r.Seq != o.Seq || r.Chunks != o.Chunks || r.Chunk != o.Chunk+1 || r.BatchHash != o.BatchHash || r.PrevHash != o.PrevHash {
		return false, fmt.Errorf("%w: chunk %d of %d of seq %d follows chunk %d of %d of seq %d",
			ErrChangelogFormat, r.Chunk, r.Chunks, r.Seq, o.Chunk, o.Chunks, o.Seq)
	}
	// I3: the number of chunks was checked, their size was not.
	if len(a.joined)+len(r.Batch) > MaxBatchBytes {
		return false, fmt.Errorf("%w: seq %d has more than %d bytes", ErrChangelogFormat, r.Seq, MaxBatchBytes)
	}
	o.Chunk = r.Chunk
	a.joined = append(a.joined, r.Batch...)
	if r.Chunk+1 < r.Chunks {
		return false, nil
	}
	r.Batch, a.joined = a.joined, nil
	r.Chunk, r.Chunks = 0, 1
	a.open = ChangelogRecord{}
	return true, nil
}
