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
		overloaded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "highwater_ingest_overloaded_total",
			Help: "Requests refused because too many were open.",
		}),
	}
	for _, s := range []Status{statusRecorded, statusRefused, statusUnknown} {
		m.events[s] = events.WithLabelValues(string(s)) // there from the start, at 0
	}
	registry.MustRegister(events, m.produceSeconds, m.streams, m.requests, m.overloaded)
	return m
}

// watchSlots shows how many events wait for Kafka.
func (m *metrics) watchSlots(registry prometheus.Registerer, slots chan struct{}) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "highwater_ingest_buffered_events",
		Help: "Events that wait for Kafka; max.buffered.events bounds them.",
	}, func() float64 { return float64(len(slots)) }))
}
