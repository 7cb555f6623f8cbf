package bench

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"highwater/pkg/plain"
)

// Result are the figures.
type Result struct {
	Seed       uint64 `json:"seed"`
	Partitions int32  `json:"partitions"`
	Processors int    `json:"processors"`
	Users      int    `json:"users"`

	Events          int64   `json:"events"`
	LoadSeconds     float64 `json:"load_seconds"`
	Seconds         float64 `json:"seconds"`
	EventsPerSecond float64 `json:"events_per_second"`
	Transactions    int64   `json:"transactions"`
	// CPU is of each process over the stretch measured; empty where the system
	// doesn't tell.
	CPU []CPU `json:"cpu"`

	Latency []*Latency `json:"latency,omitempty"`
}

// CPU is what one process used.
type CPU struct {
	Process           string  `json:"process"`
	Seconds           float64 `json:"seconds"`
	SecondsPerMillion float64 `json:"seconds_per_million_events"`
}

// Latency is from handing an event to the producer to reading its entry.
type Latency struct {
	Rate    int     `json:"rate"`
	Seconds float64 `json:"seconds"`
	Events  int     `json:"events"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	P999    float64 `json:"p999_ms"`
	Max     float64 `json:"max_ms"`
}

func newLatency(rate int, over time.Duration, waits []time.Duration) *Latency {
	q := quantiles(waits)
	return &Latency{Rate: rate, Seconds: over.Seconds(), Events: len(waits), P50: q.P50, P99: q.P99, P999: q.P999, Max: q.Max}
}

// Print writes the figures for people.
func (r *Result) Print(to io.Writer) {
	fmt.Fprintf(to, "load        %s of %s in %.1f s, seed %d\n",
		plain.Count(r.Events, "event", "events"), plain.Count(r.Users, "user", "users"), r.LoadSeconds, r.Seed)
	fmt.Fprintf(to, "throughput  %s events/s: %s, %s, %.2f s, %s\n", plain.Number(int64(r.EventsPerSecond)),
		plain.Count(r.Processors, "processor", "processors"), plain.Count(r.Partitions, "partition", "partitions"), r.Seconds,
		plain.Count(r.Transactions, "transaction", "transactions"))
	for _, c := range slices.SortedFunc(slices.Values(r.CPU), func(a, b CPU) int { return cmp.Compare(a.Process, b.Process) }) {
		fmt.Fprintf(to, "cpu         %-12s %.2f s for a million events (%.2f s)\n", c.Process, c.SecondsPerMillion, c.Seconds)
	}
	for _, l := range r.Latency {
		fmt.Fprintf(to, "latency     p50 %.1f ms, p99 %.1f ms, p99.9 %.1f ms, max %.1f ms: %s at %s a second, from produce to entry, read committed\n",
			l.P50, l.P99, l.P999, l.Max, plain.Count(l.Events, "event", "events"), plain.Number(int64(l.Rate)))
	}
}
