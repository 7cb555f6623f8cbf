package state

import (
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"

	"highwater/pkg/event"
)

// BenchmarkCrowd is one subtract on time of one of so many users, drawn by
// Zipf's law, each with an account that was opened before: an engine over a store
// on the disk, with the memory that a processor has by default, but for what
// Kafka's client takes. CPU is the process's, compactions and collections of
// garbage included.
func BenchmarkCrowd(b *testing.B) {
	const heap, percent = 600 << 20, 400
	defer debug.SetGCPercent(debug.SetGCPercent(percent))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(heap))
	for _, users := range []int{100_000, 3_000_000} {
		h := newDriven(b, false)
		h.e.Begin(h.now)
		names := make([]string, users)
		for i := range names {
			names[i] = "user-" + strconv.Itoa(10_000_000+i*7919%users)
			h.send(event.Event{User: names[i], Kind: event.Add, Amount: 1 << 40}, h.now)
			h.step(b)
		}
		runtime.GC()
		draw := rand.New(rand.NewPCG(1, 2))
		b.Run("users="+strconv.Itoa(users), func(b *testing.B) {
			since := cpuTime()
			for range b.N {
				// The inverse of the integral of 1/x.
				rank := int(math.Exp(draw.Float64() * math.Log(float64(users))))
				h.send(event.Event{User: names[min(rank, users)-1], Kind: event.Subtract, Amount: 5}, h.now)
				h.now += 10
				h.step(b)
			}
			b.ReportMetric(float64((cpuTime()-since).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

// step commits where a transaction is full.
func (d *driven) step(b *testing.B) {
	b.Helper()
	if d.offset%benchEvents == 0 {
		d.commit(b)
		d.e.Begin(d.now)
	}
}
