package query

import "github.com/prometheus/client_golang/prometheus"

// metrics are the read API's own, beside those of requests, replicas and
// states.
type metrics struct {
	waitSeconds  prometheus.Histogram
	waitTimeouts prometheus.Counter
	timeouts     prometheus.Counter
	originHits   prometheus.Counter
	originMisses prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		waitSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "highwater_query_wait_seconds",
			Help:    "How long reads waited for their min_position, or for current; those that needn't aren't counted.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 10), // to about 4 s
		}),
		waitTimeouts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "highwater_query_wait_timeouts_total",
			Help: "Reads whose min_position, or what was current, wasn't included in time.",
		}),
		timeouts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "highwater_query_read_timeouts_total",
			Help: "Reads that took longer than read.timeout.",
		}),
	}
	origins := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "highwater_query_grant_origins_total",
		Help: "Grants shown, by whether how they came to be was in memory.",
	}, []string{"found"})
	m.originHits, m.originMisses = origins.WithLabelValues("memory"), origins.WithLabelValues("state")
	if registry != nil {
		registry.MustRegister(m.waitSeconds, m.waitTimeouts, m.timeouts, origins)
	}
	return m
}
