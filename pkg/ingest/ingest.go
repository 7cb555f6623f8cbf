package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/api"
	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/service"
)

// maxLargeBodies bounds arrays above [codec.MaxEventBytes] that are in memory
// at a time (I4).
const maxLargeBodies = 8

// Config is what a Service needs.
type Config struct {
	Names kafka.Names
	// Client are the options common to every client of Highwater.
	Client []kgo.Opt
	// Encoder frames the events; nil is Avro's single-object encoding.
	Encoder *codec.Encoder
	// SchemaByID finds the registry's schemas, which outcomes may be written
	// with; nil where there is no registry.
	SchemaByID func(context.Context, uint32) (string, error)
	// ProduceTimeout is how long a write waits for Kafka.
	ProduceTimeout time.Duration
	// StreamIdleTimeout is how long a stream may bring nothing.
	StreamIdleTimeout time.Duration
	// MaxRequests bounds requests that write, MaxBuffered events that wait for
	// Kafka, MaxInFlight those of them that belong to one stream.
	MaxRequests int
	MaxBuffered int
	MaxInFlight int
	// QueryURL is where the query service is.
	QueryURL string
	// OutcomeTimeout is how long an outcome is waited for where a request
	// doesn't say, MaxWait how long it may say.
	OutcomeTimeout time.Duration
	MaxWait        time.Duration
	// MaxWaiting bounds requests that wait for an outcome, MaxFollowed the
	// partitions that are read for them, MaxReads their questions to the query
	// service at a time, of each kind.
	MaxWaiting  int
	MaxFollowed int
	MaxReads    int
	// Stopping is closed when no stream and no wait should go on; nil is never.
	Stopping <-chan struct{}
	Logger   *slog.Logger
	Registry prometheus.Registerer
}

// Service is the write API.
type Service struct {
	cfg      Config
	producer *producer
	topics   *topics
	follower *follower
	reads    *reads
	recent   *recent
	targets  *targets
	metrics  *metrics
	api      *api.API
	// askAfter is how long nothing is heard before the query service is asked;
	// tests of what is heard set it.
	askAfter time.Duration
	requests chan struct{}
	large    chan struct{}
}

// New is a service that isn't connected yet. Its component closes it.
func New(cfg Config) (*Service, error) {
	if cfg.Encoder == nil {
		cfg.Encoder = codec.SingleObject()
	}
	m := newMetrics(cfg.Registry)
	p, err := newProducer(&cfg, m)
	if err != nil {
		return nil, fmt.Errorf("make a client for Kafka: %w", err)
	}
	f, err := newFollower(&cfg, m)
	if err != nil {
		p.client.Close()
		return nil, fmt.Errorf("make a client for outcomes: %w", err)
	}
	s := &Service{
		cfg: cfg, producer: p, topics: p.topics, follower: f, metrics: m,
		reads: newReads(&cfg, m), recent: newRecent(), targets: newTargets(), askAfter: askAfter,
		requests: make(chan struct{}, cfg.MaxRequests),
		large:    make(chan struct{}, maxLargeBodies),
	}
	m.watch(cfg.Registry, s)
	s.api = api.New(about, s.routes(), schemas(), cfg.Logger, cfg.Registry)
	return s, nil
}

// Component keeps the connections to Kafka. It must start before the server
// that serves [Service.Handler], and so stops after it: by then every request
// is answered, and what is left to hand over nobody waits for.
func (s *Service) Component() service.Component {
	return service.Component{
		Name: "producer",
		Run: func(ctx context.Context) error {
			var following sync.WaitGroup
			following.Go(func() { s.follower.run(ctx) })
			defer following.Wait()
			return s.topics.run(ctx)
		},
		Stop: func(ctx context.Context) error {
			s.reads.close()
			if err := s.producer.close(ctx); err != nil {
				return fmt.Errorf("hand the last events to Kafka: %w", err)
			}
			return nil
		},
	}
}

// Ready is nil where events can be written now: Kafka answers, and its topics
// are as they must be.
func (s *Service) Ready(ctx context.Context) error { return s.topics.look(ctx) }

// Handler serves the API and what the mux has already.
func (s *Service) Handler(mux *http.ServeMux) http.Handler {
	inner := s.api.Handler(mux)
	// A page of another site must not write with the rights of whoever looks at
	// it: browsers say where a request comes from, other clients don't.
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w, r = answerEarly(w, r)
		if err := crossOrigin.Check(r); err != nil {
			api.Problemf(http.StatusForbidden, "cross_origin", "Origin", "a page of another site can't write here").WriteTo(w)
			return
		}
		inner.ServeHTTP(w, r)
	})
}

// serving is what a route does.
type serving = func(http.ResponseWriter, *http.Request, *api.Params) error

// writing wraps what a route does with the bound on requests.
func (s *Service) writing(serve serving) serving {
	return func(w http.ResponseWriter, r *http.Request, p *api.Params) error {
		leave, err := s.enter()
		if err != nil {
			return err
		}
		defer leave()
		return serve(w, r, p)
	}
}

// enter takes a request's slot until leave is called; calls after the first do
// nothing.
func (s *Service) enter() (leave func(), err error) {
	select {
	case s.requests <- struct{}{}:
	default:
		s.metrics.overloaded.Inc()
		return nil, unavailable("too many requests are open; nothing of this one was recorded: send it again later")
	}
	s.metrics.requests.Inc()
	return sync.OnceFunc(func() {
		s.metrics.requests.Dec()
		<-s.requests
	}), nil
}

// answer waits for what became of a write, and counts it.
func (s *Service) answer(w *write) Result {
	r := w.result()
	s.metrics.events[r.Status].Inc()
	return r
}

// given is what a request knows of an event before its body is read.
func given(key string) codec.Given {
	now := time.Now()
	g := codec.Given{Now: event.TimeOf(now), SpareID: key}
	if key == "" {
		g.SpareID = newEventID(now)
	}
	return g
}
