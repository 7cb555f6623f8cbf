package bench

import (
	"fmt"
	"io"
	"slices"
	"time"

	"highwater/pkg/event"
	"highwater/pkg/plain"
)

// SpendResult are the figures of spends. Times are in milliseconds.
type SpendResult struct {
	Users    int     `json:"users"`
	Rate     int     `json:"rate"`
	Seconds  float64 `json:"seconds"`
	Spends   int     `json:"spends"`
	Accepted int     `json:"accepted"`
	Rejected int     `json:"rejected"`
	// Latency is from sending a request to having its answer.
	Latency Quantiles `json:"latency"`
	// Record, Take and Answer are its parts, by the entry's own times, which
	// are exact to a millisecond where Kafka's clock is in them: until Kafka
	// has the event, until a transaction that takes it begins, and until the
	// answer: that transaction's commit, and ingest reading the entry.
	Record Quantiles `json:"record"`
	Take   Quantiles `json:"take"`
	Answer Quantiles `json:"answer"`

	Ingest    IngestHops    `json:"ingest"`
	Processor ProcessorHops `json:"processor"`

	// Disagreements say which answers can't be, or aren't what was published.
	Disagreements []string `json:"disagreements"`
	// Verified says that the promise holds for the whole installation; who runs
	// this package sets it.
	Verified bool `json:"verified"`
	// Good says that the figures are those of a system that is right.
	Good bool `json:"good"`
}

// Quantiles are in milliseconds.
type Quantiles struct {
	P50  float64 `json:"p50_ms"`
	P90  float64 `json:"p90_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p999_ms"`
	Max  float64 `json:"max_ms"`
}

// IngestHops are means: until Kafka acknowledged, from there to the outcome,
// and the whole request.
type IngestHops struct {
	Produce float64 `json:"produce_ms"`
	Outcome float64 `json:"outcome_ms"`
	Wait    float64 `json:"wait_ms"`
}

// ProcessorHops are means over the transactions of all processors.
type ProcessorHops struct {
	Transactions int64   `json:"transactions"`
	Events       float64 `json:"events"`
	Compute      float64 `json:"compute_ms"`
	Seal         float64 `json:"seal_ms"`
	Produce      float64 `json:"produce_ms"`
	Commit       float64 `json:"commit_ms"`
	Apply        float64 `json:"apply_ms"`
}

func newSpendResult(o *SpendOptions, spends []*spend) *SpendResult {
	r := &SpendResult{Users: o.Users, Rate: o.Rate, Seconds: o.Over.Seconds(), Spends: len(spends), Disagreements: []string{}}
	var all, record, take, answer []time.Duration
	for _, s := range spends {
		arrived, arrivedErr := event.ParseTime(s.answer.ArrivedAt)
		committed, committedErr := event.ParseTime(s.answer.CommittedAt)
		if s.err != nil || arrivedErr != nil || committedErr != nil {
			continue // told as a disagreement
		}
		if s.answer.Outcome == event.Accepted.String() {
			r.Accepted++
		} else {
			r.Rejected++
		}
		all = append(all, s.took)
		record = append(record, arrived.AsTime().Sub(s.sent))
		take = append(take, committed.AsTime().Sub(arrived.AsTime()))
		answer = append(answer, s.sent.Add(s.took).Sub(committed.AsTime()))
	}
	r.Latency, r.Record, r.Take, r.Answer = quantiles(all), quantiles(record), quantiles(take), quantiles(answer)
	return r
}

func quantiles(waits []time.Duration) Quantiles {
	slices.Sort(waits)
	at := func(share float64) float64 {
		if len(waits) == 0 {
			return 0
		}
		return float64(waits[min(len(waits)-1, int(share*float64(len(waits))))].Microseconds()) / 1000
	}
	return Quantiles{P50: at(0.5), P90: at(0.9), P99: at(0.99), P999: at(0.999), Max: at(1)}
}

// Judge says whether the run was good, given whether the promise holds.
func (r *SpendResult) Judge(verified bool) {
	r.Verified = verified
	r.Good = verified && len(r.Disagreements) == 0 && r.Accepted+r.Rejected == r.Spends && r.Spends > 0
}

// maxTold is how many disagreements are printed.
const maxTold = 5

// Print writes the figures for people.
func (r *SpendResult) Print(to io.Writer) {
	line := func(name string, q Quantiles, what string) {
		fmt.Fprintf(to, "%-11s p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, p99.9 %.1f ms, max %.1f ms: %s\n", name, q.P50, q.P90, q.P99, q.P999, q.Max, what)
	}
	fmt.Fprintf(to, "spends      %s at %s a second over %.0f s by %s: %s accepted, %s rejected\n", plain.Number(int64(r.Spends)),
		plain.Number(int64(r.Rate)), r.Seconds, plain.Count(r.Users, "user", "users"), plain.Number(int64(r.Accepted)), plain.Number(int64(r.Rejected)))
	line("latency", r.Latency, "from the request to its answer, over HTTP")
	line("  recorded", r.Record, "until Kafka has it")
	line("  taken", r.Take, "until a transaction that takes it begins")
	line("  answered", r.Answer, "until that is committed, and ingest has read the entry")
	fmt.Fprintf(to, "ingest      produce %.2f ms, outcome %.2f ms, all %.2f ms (means)\n", r.Ingest.Produce, r.Ingest.Outcome, r.Ingest.Wait)
	p := r.Processor
	fmt.Fprintf(to, "processor   %s of %.1f events: compute %.2f ms, seal %.2f ms, produce %.2f ms, commit %.2f ms, apply %.2f ms (means)\n",
		plain.Count(p.Transactions, "transaction", "transactions"), p.Events, p.Compute, p.Seal, p.Produce, p.Commit, p.Apply)
	for i, d := range r.Disagreements {
		if i == maxTold {
			fmt.Fprintf(to, "wrong       and %d more\n", len(r.Disagreements)-maxTold)
			break
		}
		fmt.Fprintf(to, "wrong       %s\n", d)
	}
	verdict := "the run is good: every answer is what was published, and highwater verify agrees"
	if !r.Good {
		verdict = "the run is NOT good: its figures mean nothing"
	}
	fmt.Fprintf(to, "verdict     %s\n", verdict)
}
