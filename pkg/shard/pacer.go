package shard

import (
	"math"
	"sync"
	"time"
)

// Pacer leaves room between a commit's return and the next produce. The broker
// still writes the markers of the transaction just committed; one that follows
// at once meets them and waits 20 ms (add.partitions.to.txn.retry.backoff.ms).
// And each transaction costs the broker about a millisecond of its time
// whatever it carries, so that under load fewer and larger ones do more.
//
// A Pacer is shared by the shards of a process.
type Pacer struct {
	least time.Duration

	mu   sync.Mutex
	rate float64 // commits a second, smoothed
	last time.Time
}

const (
	// LeastGap keeps clear of the markers.
	LeastGap = time.Millisecond
	// The gap grows with the rate: at busyRate commits a second it is busyGap.
	busyRate = 1000
	busyGap  = 5 * time.Millisecond
	maxGap   = 20 * time.Millisecond
	// rateMemory is how far back the rate looks.
	rateMemory = time.Second
)

// NewPacer is a Pacer that has seen nothing and never allows less than a gap;
// 0 is LeastGap.
func NewPacer(least time.Duration) *Pacer {
	if least == 0 {
		least = LeastGap
	}
	return &Pacer{least: least}
}

// Committed takes note of a commit and says how long to wait from now on
// before the next produce.
func (p *Pacer) Committed(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = p.decayed(now) + 1/rateMemory.Seconds()
	p.last = now
	return max(p.least, min(time.Duration(float64(busyGap)*p.rate/busyRate), maxGap))
}

// Rate is how many commits a second there have been lately.
func (p *Pacer) Rate(now time.Time) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.decayed(now)
}

// REQUIRES: p.mu.
func (p *Pacer) decayed(now time.Time) float64 {
	elapsed := max(now.Sub(p.last), 0)
	return p.rate * math.Exp(-float64(elapsed)/float64(rateMemory))
}
