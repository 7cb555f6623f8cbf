package replica

import "github.com/prometheus/client_golang/prometheus"

// Metrics of all replicas of a process. The label shard has as many values as
// there are partitions.
type Metrics struct {
	lag        *prometheus.GaugeVec
	batches    prometheus.Counter
	events     prometheus.Counter
	bytes      prometheus.Counter
	duplicates prometheus.Counter
}

// NewMetrics registers the metrics; nil registers them nowhere.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	const namespace, subsystem = "highwater", "replica"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help})
	}
	m := &Metrics{
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "lag_records",
			Help: "Changelog records, markers included, that are known and not applied.",
		}, []string{"shard"}),
		batches:    counter("batches_total", "Batches applied from changelogs."),
		events:     counter("events_total", "Input records that the applied batches took."),
		bytes:      counter("read_bytes_total", "Bytes of changelog records read."),
		duplicates: counter("duplicates_total", "Batches that a state already stood behind."),
	}
	if registry != nil {
		registry.MustRegister(m.lag, m.batches, m.events, m.bytes, m.duplicates)
	}
	return m
}

func (m *Metrics) forget(shard string) { m.lag.DeleteLabelValues(shard) }
