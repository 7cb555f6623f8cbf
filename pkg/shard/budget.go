package shard

import "sync/atomic"

// Budget is memory for hot accounts that the shards running in a process
// share evenly: what one that leaves had goes to the others. It is safe for
// concurrent use.
type Budget struct {
	bytes  int
	shards atomic.Int64
}

// NewBudget is a budget of so many bytes.
func NewBudget(bytes int) *Budget { return &Budget{bytes: bytes} }

// share is what each shard that runs may take now.
func (b *Budget) share() int { return b.bytes / int(max(b.shards.Load(), 1)) }
