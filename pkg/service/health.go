package service

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTimeout bounds all readiness checks of one request together.
const checkTimeout = 2 * time.Second

// Health answers whether the process lives and whether it is ready for work.
type Health struct {
	metrics *metrics

	mu sync.Mutex
	// checks, guarded by mu, in the order they were added.
	checks []check
}

type check struct {
	name  string
	ready func(context.Context) error
}

func newHealth(m *metrics) *Health { return &Health{metrics: m} }

// Add names a condition of readiness. It is asked at every request for /readyz,
// must be quick, and must heed its context; its error is shown to whoever asks.
func (h *Health) Add(name string, ready func(context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, check{name, ready})
	h.metrics.checkFailures.WithLabelValues(name) // there from the start, at 0
}

// Readiness is the answer of /readyz.
type Readiness struct {
	Ready  bool              `json:"ready"`
	Checks map[string]string `json:"checks"` // by name: ok, or what is wrong
}

// Ready asks every check.
func (h *Health) Ready(ctx context.Context) Readiness {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	h.mu.Lock()
	checks := slices.Clip(h.checks)
	h.mu.Unlock()
	answer := Readiness{Ready: true, Checks: map[string]string{}}
	for _, c := range checks {
		err := guard("check "+c.name, func() error { return c.ready(ctx) })
		if err != nil {
			answer.Ready = false
			answer.Checks[c.name] = err.Error()
			h.metrics.checkFailures.WithLabelValues(c.name).Inc()
			continue
		}
		answer.Checks[c.name] = "ok"
	}
	return answer
}

// Mount adds /healthz, /readyz and /metrics to a service's own mux, and returns
// it. A live process answers /healthz with 200, whatever else is the matter.
func (p *Process) Mount(mux *http.ServeMux) *http.ServeMux {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]bool{"alive": true})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		answer := p.Health.Ready(r.Context())
		status := http.StatusOK
		if !answer.Ready {
			status = http.StatusServiceUnavailable
		}
		writeJSON(w, status, answer)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.Metrics, promhttp.HandlerOpts{
		Registry:            p.Metrics,
		MaxRequestsInFlight: maxScrapes,
		Timeout:             10 * time.Second,
	}))
	return mux
}

// maxScrapes bounds concurrent requests for /metrics.
const maxScrapes = 4

func writeJSON(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The only error left is a caller who has gone.
	_ = json.NewEncoder(w).Encode(answer)
}
