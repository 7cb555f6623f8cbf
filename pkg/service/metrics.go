package service

import (
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are the frame's own. The label component and check take names that
// stand in code.
type metrics struct {
	up            *prometheus.GaugeVec
	startSeconds  *prometheus.GaugeVec
	stopSeconds   *prometheus.GaugeVec
	stopTimeouts  *prometheus.CounterVec
	checkFailures *prometheus.CounterVec
}

func newMetrics(registry *prometheus.Registry, service string) *metrics {
	m := &metrics{
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "highwater_component_up",
			Help: "1 while the component runs.",
		}, []string{"component"}),
		startSeconds: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "highwater_component_start_seconds",
			Help: "How long the component took to start.",
		}, []string{"component"}),
		stopSeconds: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "highwater_component_stop_seconds",
			Help: "How long the component took to stop.",
		}, []string{"component"}),
		stopTimeouts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "highwater_component_stop_timeouts_total",
			Help: "Stops that missed the component's deadline.",
		}, []string{"component"}),
		checkFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "highwater_readiness_check_failures_total",
			Help: "Times a readiness check was asked and failed.",
		}, []string{"check"}),
	}
	version, revision := buildVersion()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "highwater_build_info",
		Help:        "1; the labels say what was built from which source.",
		ConstLabels: prometheus.Labels{"service": service, "version": version, "revision": revision, "goversion": runtime.Version()},
	})
	build.Set(1)
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		build, m.up, m.startSeconds, m.stopSeconds, m.stopTimeouts, m.checkFailures,
	)
	return m
}

// buildVersion reads what the Go toolchain stamped into the binary.
func buildVersion() (version, revision string) {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown", "unknown"
	}
	version, revision = build.Main.Version, "unknown"
	for _, s := range build.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return version, revision
}
