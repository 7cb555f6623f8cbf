package ingest

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the service; requests are counted by api, by route and class.
type metrics struct {
	events         map[Status]prometheus.Counter
	produceSeconds prometheus.Histogram
	streams        prometheus.Gauge
	requests       prometheus.Gauge
	overloaded     prometheus.Counter

	// Of waits: the hops, and how they ended.
	waits                                                   map[source]prometheus.Counter
	followSeconds, outcomeSeconds, readSeconds, waitSeconds prometheus.Histogram
	followFailures, readFailures, unreadable                prometheus.Counter
}

// hop is a histogram of times from half a millisecond on.
func hop(name, help string) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(0.0005, 1.6, 24), // to about 25 s
	})
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

// newMetrics registers the metrics.
func newMetrics(registry prometheus.Registerer) *metrics {
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "highwater_ingest_events_total",
		Help: "Events by what was answered about them: recorded, refused or unknown.",
	}, []string{"status"})
	m := &metrics{
		events: make(map[Status]prometheus.Counter),
		produceSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "highwater_ingest_produce_seconds",
			Help:    "From an event's arrival to Kafka's acknowledgement.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15), // to about 8 s
		}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "highwater_ingest_open_streams",
			Help: "NDJSON streams that are open.",
		}),
		requests: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "highwater_ingest_open_requests",
			Help: "Requests that write and are not answered yet; max.requests bounds them.",
		}),
		overloaded:     counter("highwater_ingest_overloaded_total", "Requests refused because too many were open."),
		waits:          make(map[source]prometheus.Counter),
		followSeconds:  hop("highwater_ingest_follow_seconds", "From the first wait on a partition until its outcomes are read."),
		outcomeSeconds: hop("highwater_ingest_outcome_seconds", "From Kafka's acknowledgement of an event until its outcome is known here."),
		readSeconds:    hop("highwater_ingest_query_seconds", "How long the query service took to answer a question."),
		waitSeconds:    hop("highwater_ingest_wait_seconds", "From the receipt of a whole request to its outcome, all hops together; those that were answered without aren't counted."),
		followFailures: counter("highwater_ingest_follow_failures_total", "Times that outcomes couldn't be read from Kafka."),
		readFailures:   counter("highwater_ingest_query_failures_total", "Questions that the query service didn't answer, or not yet."),
		unreadable:     counter("highwater_ingest_unreadable_records_total", "Outcomes that were read from Kafka and couldn't be decoded."),
	}
	waits := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "highwater_ingest_waits_total",
		Help: "Waits for an outcome by how they ended: who told of it, or why there was none.",
	}, []string{"end"})
	for _, end := range []source{fromEntries, fromDeadLetters, fromQuery, timeUp, callerGone, tooManyWait} {
		m.waits[end] = waits.WithLabelValues(string(end))
	}
	for _, s := range []Status{statusRecorded, statusRefused, statusUnknown} {
		m.events[s] = events.WithLabelValues(string(s)) // there from the start, at 0
	}
	registry.MustRegister(events, m.produceSeconds, m.streams, m.requests, m.overloaded, waits,
		m.followSeconds, m.outcomeSeconds, m.readSeconds, m.waitSeconds, m.followFailures, m.readFailures, m.unreadable)
	return m
}

// watch shows how far the service's bounds are used.
func (m *metrics) watch(registry prometheus.Registerer, s *Service) {
	for _, g := range []struct {
		name, help string
		count      func() int
	}{
		{"highwater_ingest_buffered_events", "Events that wait for Kafka; max.buffered.events bounds them.", func() int { return len(s.producer.slots) }},
		{"highwater_ingest_open_waits", "Requests that wait for an outcome; max.waiting.requests bounds them.", func() int { n, _ := s.follower.count(); return n }},
		{"highwater_ingest_followed_partitions", "Partitions whose outcomes are read; max.followed.partitions bounds them.", func() int { _, n := s.follower.count(); return n }},
		{"highwater_ingest_open_queries", "Questions to the query service; max.query.requests bounds those about outcomes, and as many about users of orders.", func() int { return len(s.reads.outcomes) + len(s.reads.users) }},
	} {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: g.name, Help: g.help}, func() float64 { return float64(g.count()) }))
	}
}
