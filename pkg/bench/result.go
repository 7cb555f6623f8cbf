package bench

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Result are the figures of all runs.
type Result struct {
	Workload string `json:"workload"`
	Settled  bool   `json:"settled"`
	// Compression is that of outputs and changelog.
	Compression string  `json:"compression"`
	Opened      bool    `json:"opened"`
	Seed        uint64  `json:"seed"`
	Partitions  int32   `json:"partitions"`
	Processors  int     `json:"processors"`
	Machine     Machine `json:"machine"`
	// Summary has each figure over all runs.
	Summary []Figure     `json:"summary"`
	Runs    []*RunResult `json:"runs"`
}

// Machine is what the figures were measured on; what the system doesn't tell
// is empty.
type Machine struct {
	Cores  int    `json:"cores"`
	Memory int64  `json:"memory_bytes"`
	CPU    string `json:"cpu"`
	OS     string `json:"os"`
	Go     string `json:"go"`
	// Kafka is the broker's version as its requests tell it.
	Kafka string `json:"kafka"`
}

// Figure is one measure over all runs.
type Figure struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// RunResult are the figures of one run.
type RunResult struct {
	Events      int     `json:"events"`
	Users       int     `json:"users"`
	LoadSeconds float64 `json:"load_seconds"`
	// Pace, and what belongs to it, is nil where another thing was measured.
	*Pace
	Memory  []Memory `json:"memory"`
	Traffic *Traffic `json:"kafka,omitempty"`
	Disk    *Disk    `json:"disk,omitempty"`
	// Floor is the pace of the same protocol with the same bytes, and nothing
	// else; Ratio is this run's events a second, as a share of the floor's.
	Floor *Pace   `json:"floor,omitempty"`
	Ratio float64 `json:"ratio,omitempty"`
	// Against is what the run is compared with, Share its events a second, as a
	// share of that.
	Against *RunResult `json:"against,omitempty"`
	Share   float64    `json:"share,omitempty"`
	// FloorLatency is the floor's, in the order of Latency.
	Latency      []*Latency `json:"latency,omitempty"`
	FloorLatency []*Latency `json:"floor_latency,omitempty"`
	// Restore is what it says, and nil where it wasn't measured.
	Restore *Restore `json:"restore,omitempty"`
	// Takeovers are those of each way.
	Takeovers []*Takeovers `json:"takeovers,omitempty"`
	// Query are reads, and nil where nobody asked.
	Query *Query `json:"query,omitempty"`

	Verification Verification `json:"verification"`

	kafka string
}

// Pace is how fast events were taken, over the stretch that is measured.
type Pace struct {
	// Counted are the events of the stretch.
	Counted               int64   `json:"counted"`
	Seconds               float64 `json:"seconds"`
	EventsPerSecond       float64 `json:"events_per_second"`
	Transactions          int     `json:"transactions"`
	TransactionsPerSecond float64 `json:"transactions_per_second"`
	// CPU is of each process over the stretch; empty where the system doesn't
	// tell.
	CPU []CPU `json:"cpu"`
}

func newPace(s *stretch, w *watch) Pace {
	return Pace{
		Counted: s.events, Seconds: s.seconds(), EventsPerSecond: s.perSecond(),
		Transactions: len(s.counted), TransactionsPerSecond: over(float64(len(s.counted)), s.seconds()),
		CPU: w.between(s.first, s.last, s.events),
	}
}

// CPU is what one process used.
type CPU struct {
	Process           string  `json:"process"`
	Seconds           float64 `json:"seconds"`
	SecondsPerMillion float64 `json:"seconds_per_million_events"`
}

// Memory is what is resident of one process, at most and at the end.
type Memory struct {
	Process  string `json:"process"`
	Peak     int64  `json:"peak_bytes"`
	Resident int64  `json:"resident_bytes"`
}

// Traffic is what is written to Kafka for an event. Bytes are keys, values and
// headers as produced, uncompressed, over the stretch; stored is what the logs
// have, framing and markers included, for each event since the topics began.
type Traffic struct {
	// Partitions is how many were read: the first ones stand for the others.
	Partitions int32   `json:"partitions"`
	Outputs    []Topic `json:"outputs"`
	Changelog  Topic   `json:"changelog"`
	Bytes      float64 `json:"bytes_per_event"`
	Stored     float64 `json:"stored_bytes_per_event"`
}

// Topic is what is written to one topic, for an event.
type Topic struct {
	Topic   string  `json:"topic"`
	Records float64 `json:"records_per_event"`
	Bytes   float64 `json:"bytes_per_event"`
	Stored  float64 `json:"stored_bytes_per_event"`

	keyBytes float64 // of a record
	sample   []byte  // values, one after the other
}

// Disk is what the processors have on disk at the end, and what they had
// written, for each event since they started.
type Disk struct {
	Size            int64   `json:"bytes"`
	Written         int64   `json:"written_bytes"`
	SizePerEvent    float64 `json:"bytes_per_event"`
	WrittenPerEvent float64 `json:"written_bytes_per_event"`
}

// Latency is from when an event was due at the producer to reading its entry.
type Latency struct {
	Rate    int     `json:"rate"`
	Seconds float64 `json:"seconds"`
	Events  int     `json:"events"`
	Quantiles
}

func newLatency(rate int, over time.Duration, waits []time.Duration) *Latency {
	return &Latency{Rate: rate, Seconds: over.Seconds(), Events: len(waits), Quantiles: quantiles(waits)}
}

// Verification says whether the promise was proved for what a run published.
type Verification struct {
	// Verified is false where nobody looked, and Reason says why.
	Verified bool   `json:"verified"`
	Reason   string `json:"reason,omitempty"`
	Good     bool   `json:"good"`
	// Said are the lines that tell what was found.
	Said string `json:"said,omitempty"`
}

// Refused reports whether what some run published breaks the promise: the
// figures then mean nothing.
func (r *Result) Refused() bool {
	return slices.ContainsFunc(r.Runs, func(run *RunResult) bool {
		return run.refused() || run.Against != nil && run.Against.refused()
	})
}

func (r *RunResult) refused() bool {
	return r.Verification.Verified && !r.Verification.Good || r.Query != nil && r.Query.refused()
}

// figures are a run's measures by name.
func (r *RunResult) figures() []Figure {
	var all figures
	if r.Pace != nil {
		all.pace("", r.Pace)
	}
	if r.Floor != nil {
		all.pace("floor: ", r.Floor)
		all.add(r.Ratio, "of the floor", "ratio")
	}
	for _, m := range r.Memory {
		all.add(float64(m.Peak)/(1<<20), "MiB", "peak memory of %s", m.Process)
		all.add(float64(m.Resident)/(1<<20), "MiB", "memory of %s at the end", m.Process)
	}
	if t := r.Traffic; t != nil {
		for _, o := range append(slices.Clone(t.Outputs), t.Changelog) {
			if o.Records > 0 {
				all.add(o.Bytes, "B/event", "to Kafka, %s", o.Topic)
				all.add(o.Stored, "B/event", "stored in Kafka, %s", o.Topic)
			}
		}
		all.add(t.Bytes, "B/event", "to Kafka")
		all.add(t.Stored, "B/event", "stored in Kafka")
	}
	if d := r.Disk; d != nil {
		all.add(d.SizePerEvent, "B/event", "on disk")
		all.add(d.WrittenPerEvent, "B/event", "written to disk")
	}
	for _, l := range r.Latency {
		all.latency("", l)
	}
	for _, l := range r.FloorLatency {
		all.latency("floor: ", l)
	}
	if a := r.Against; a != nil {
		all.add(a.EventsPerSecond, "events/s", "throughput of %d events, %d users", a.Events, a.Users)
		all.add(r.Share, "of that", "share")
	}
	if r.Restore != nil {
		all.restarts("restart", r.Restore.Restarts)
		all.restarts("rebuild", r.Restore.Rebuilds)
	}
	for _, t := range r.Takeovers {
		all.takeovers(t)
	}
	if r.Query != nil {
		for _, reads := range r.Query.Phases {
			all.reads(reads)
		}
	}
	return all
}

// figures are added one after the other.
type figures []Figure

func (f *figures) add(value float64, unit, format string, args ...any) {
	*f = append(*f, Figure{Name: fmt.Sprintf(format, args...), Unit: unit, Median: value})
}

func (f *figures) pace(of string, p *Pace) {
	f.add(p.EventsPerSecond, "events/s", "%sthroughput", of)
	for _, c := range p.CPU {
		f.add(c.SecondsPerMillion, "CPU-s/M events", "%scpu of %s", of, c.Process)
	}
	f.add(p.TransactionsPerSecond, "transactions/s", "%stransactions", of)
}

func (f *figures) latency(of string, l *Latency) {
	for _, q := range []struct {
		name  string
		value float64
	}{{"p50", l.P50}, {"p90", l.P90}, {"p99", l.P99}, {"p99.9", l.P999}, {"max", l.Max}} {
		f.add(q.value, "ms", "%slatency at %d/s, %s", of, l.Rate, q.name)
	}
}

// rounds are the median and the worst of what was measured several times: the
// largest, or where more is better the smallest.
func (f *figures) rounds(unit, name string, moreIsBetter bool, values []float64) {
	if len(values) == 0 {
		return
	}
	slices.Sort(values)
	f.add(median(values), unit, "%s, p50", name)
	if moreIsBetter {
		f.add(values[0], unit, "%s, min", name)
	} else {
		f.add(values[len(values)-1], unit, "%s, max", name)
	}
}

// valuesOf are one measure of each round.
func valuesOf[T any](rounds []T, measure func(T) float64) []float64 {
	values := make([]float64, len(rounds))
	for i := range rounds {
		values[i] = measure(rounds[i])
	}
	return values
}

// summarize gives each figure's median, and how far it spreads.
func summarize(runs []*RunResult) []Figure {
	var order []Figure
	values := make(map[string][]float64)
	for _, run := range runs {
		for _, f := range run.figures() {
			if values[f.Name] == nil {
				order = append(order, f)
			}
			values[f.Name] = append(values[f.Name], f.Median)
		}
	}
	for i := range order {
		of := values[order[i].Name]
		slices.SortFunc(of, cmp.Compare[float64])
		order[i].Min, order[i].Max = of[0], of[len(of)-1]
		order[i].Median = median(of)
	}
	return order
}

// median is that of numbers in order.
func median(of []float64) float64 { return (of[(len(of)-1)/2] + of[len(of)/2]) / 2 }
