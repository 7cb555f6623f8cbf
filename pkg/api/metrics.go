package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count and time requests. The label route is a pattern from code, or
// "none"; class is that of the status, or "cut" for an answer that was broken
// off.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(registry prometheus.Registerer, service string) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "highwater_" + service + "_requests_total",
			Help: "HTTP requests by route and class of status.",
		}, []string{"route", "class"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "highwater_" + service + "_request_seconds",
			Help:    "How long HTTP requests took until the end of their answer.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 11), // to about 5 s
		}, []string{"route"}),
	}
	if registry != nil {
		registry.MustRegister(m.requests, m.seconds)
	}
	return m
}

func (m *metrics) count(pattern string, status int, begin time.Time) {
	if pattern == "" {
		pattern = "none"
	}
	m.requests.WithLabelValues(pattern, class(status)).Inc()
	m.seconds.WithLabelValues(pattern).Observe(time.Since(begin).Seconds())
}

func class(status int) string {
	if status < http.StatusContinue {
		return "cut"
	}
	return strconv.Itoa(status/100) + "xx"
}
