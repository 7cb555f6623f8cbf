package shard

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// The phases of the cycle, whose seconds are counted.
const (
	phasePoll    = "poll"    // waiting for records, or for time to pass
	phaseCompute = "compute" // decode and engine
	phaseSeal    = "seal"
	phaseProduce = "produce" // until every record was acknowledged
	phaseCommit  = "commit"
	phaseApply   = "apply"
)

// Metrics of all shards of a process. The label shard has as many values as
// there are partitions.
type Metrics struct {
	events       *prometheus.CounterVec // by topic
	deadLetters  prometheus.Counter
	records      *prometheus.CounterVec // by output topic
	inputBytes   prometheus.Counter
	outputBytes  prometheus.Counter
	transactions *prometheus.CounterVec // by result
	phases       map[string]prometheus.Counter
	batchEvents  prometheus.Histogram
	takeovers    prometheus.Counter
	takeover     prometheus.Histogram
	fenced       prometheus.Counter
	fetchErrors  *prometheus.CounterVec // by class
	owned        prometheus.Gauge
	watermark    *prometheus.GaugeVec
	seq          *prometheus.GaugeVec
	lag          *prometheus.GaugeVec // by shard and topic

	eventsOf  [kafka.ReadTopics]prometheus.Counter
	recordsOf [kafka.OutputCount]prometheus.Counter
}

// Results of a transaction.
const (
	committed = "committed"
	recovered = "recovered" // unconfirmed, and found in the changelog
	aborted   = "aborted"
)

// NewMetrics registers the metrics; nil registers them nowhere.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	const namespace, subsystem = "highwater", "shard"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels)
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, Buckets: buckets})
	}
	phases := counters("phase_seconds_total", "Seconds spent in each phase of the cycle, summed over shards.", "phase")
	m := &Metrics{
		events:       counters("events_total", "Input records of committed transactions.", "topic"),
		deadLetters:  counter("dead_letters_total", "Input records that were put aside."),
		records:      counters("records_total", "Output records of committed transactions.", "topic"),
		inputBytes:   counter("input_bytes_total", "Bytes of input values of committed transactions."),
		outputBytes:  counter("output_bytes_total", "Bytes of keys and values of committed transactions, the changelog's included."),
		transactions: counters("transactions_total", "Transactions by what became of them: committed, recovered (unconfirmed, then found), aborted.", "result"),
		batchEvents:  histogram("transaction_events", "Input records of a transaction.", []float64{0, 1, 3, 10, 30, 100, 300, 1000, 3000, 5000}),
		takeovers:    counter("takeovers_total", "How often a shard was taken over, successful or not."),
		takeover:     histogram("takeover_seconds", "From fencing the owner before to reading inputs.", prometheus.ExponentialBuckets(0.005, 2, 14)),
		fenced:       counter("fenced_total", "How often a shard found that it had been taken over."),
		fetchErrors:  counters("fetch_errors_total", "Errors of polls, by class.", "class"),
		owned:        prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: "owned", Help: "Shards that run here."}),
		watermark:    gauges("watermark_seconds", "The shard's watermark, in seconds since 1970.", "shard"),
		seq:          gauges("seq", "The shard's newest applied batch.", "shard"),
		lag:          gauges("lag_records", "Input records between the shard's position and the end of the partition, as of the newest fetch.", "shard", "topic"),
		phases:       make(map[string]prometheus.Counter),
	}
	for _, phase := range []string{phasePoll, phaseCompute, phaseSeal, phaseProduce, phaseCommit, phaseApply} {
		m.phases[phase] = phases.WithLabelValues(phase)
	}
	for i := range m.eventsOf {
		m.eventsOf[i] = m.events.WithLabelValues((event.Grants + event.Topic(i)).String())
	}
	for _, o := range kafka.Outputs() {
		m.recordsOf[o] = m.records.WithLabelValues(o.String())
	}
	if registry != nil {
		registry.MustRegister(m.events, m.deadLetters, m.records, m.inputBytes, m.outputBytes, m.transactions, phases,
			m.batchEvents, m.takeovers, m.takeover, m.fenced, m.fetchErrors, m.owned, m.watermark, m.seq, m.lag)
	}
	return m
}

func (m *Metrics) spent(phase string, since time.Time) {
	m.phases[phase].Add(time.Since(since).Seconds())
}

// landed counts a transaction that happened.
func (m *Metrics) landed(f *flight, result string) {
	m.transactions.WithLabelValues(result).Inc()
	for i, n := range f.taken {
		m.eventsOf[i].Add(float64(n))
	}
	for o, n := range f.out.said {
		m.recordsOf[o].Add(float64(n))
	}
	m.deadLetters.Add(float64(f.out.said[kafka.DeadLetters]))
	m.inputBytes.Add(float64(f.inputBytes))
	m.outputBytes.Add(float64(f.out.size))
	m.batchEvents.Observe(float64(f.events))
}

// forget drops what is said about a shard that runs here no longer.
func (m *Metrics) forget(shard int32) {
	label := prometheus.Labels{"shard": strconv.Itoa(int(shard))}
	m.watermark.DeletePartialMatch(label)
	m.seq.DeletePartialMatch(label)
	m.lag.DeletePartialMatch(label)
}
