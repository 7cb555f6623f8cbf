package query

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"highwater/pkg/api"
	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/state"
)

// Config is what a Service is made with; zero bounds are the defaults.
type Config struct {
	// WaitTimeout is how long a read waits for its min_position.
	WaitTimeout time.Duration
	// ReadTimeout is how long a read may take in all.
	ReadTimeout time.Duration
	// MaxReads is how many reads have a snapshot open at once, MaxWaits how
	// many wait for a position.
	MaxReads, MaxWaits int
	// MaxOrigins is of how many grants is remembered how they came to be, all
	// partitions together; about 250 bytes each.
	MaxOrigins int
	// Logger may be nil.
	Logger   *slog.Logger
	Registry prometheus.Registerer

	// now is the clock, for tests.
	now func() time.Time
}

// The bounds' defaults.
const (
	defaultWaitTimeout = 2 * time.Second
	defaultReadTimeout = 10 * time.Second
	defaultMaxReads    = 256
	defaultMaxWaits    = 4096
	defaultMaxOrigins  = 1 << 16
)

// Partition is one shard's state as it is read. Nothing in it waits but
// the functions that say so.
type Partition struct {
	Store *state.Store
	// WaitFor returns when a snapshot includes a position, WaitForEnd when it
	// includes whatever is committed when it is called.
	WaitFor    func(context.Context, event.Position) error
	WaitForEnd func(context.Context) error
	// Lag is how many records of the changelog are not applied.
	Lag func() int64
	// Ready is closed when what was there at the start is applied.
	Ready <-chan struct{}

	origins *origins
}

func (p *Partition) isReady() bool {
	select {
	case <-p.Ready:
		return true
	default:
		return false
	}
}

// Service is the read API.
type Service struct {
	cfg     Config
	metrics *metrics
	api     *api.API
	// partitions by number; nil before Serve.
	partitions atomic.Pointer[[]Partition]
	reads      chan struct{}
	waits      chan struct{}
}

// New is a service that has nothing to read yet.
func New(cfg Config) *Service {
	if cfg.WaitTimeout == 0 {
		cfg.WaitTimeout = defaultWaitTimeout
	}
	if cfg.ReadTimeout == 0 {
		cfg.ReadTimeout = defaultReadTimeout
	}
	if cfg.MaxReads == 0 {
		cfg.MaxReads = defaultMaxReads
	}
	if cfg.MaxWaits == 0 {
		cfg.MaxWaits = defaultMaxWaits
	}
	if cfg.MaxOrigins == 0 {
		cfg.MaxOrigins = defaultMaxOrigins
	}
	if cfg.now == nil {
		cfg.now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{
		cfg: cfg, metrics: newMetrics(cfg.Registry),
		reads: make(chan struct{}, cfg.MaxReads), waits: make(chan struct{}, cfg.MaxWaits),
	}
	s.api = api.New(info, s.routes(), schemas(), cfg.Logger, cfg.Registry)
	return s
}

// Serve makes the service answer from these partitions, which are all there
// are, by number.
func (s *Service) Serve(partitions []Partition) {
	own := slices.Clone(partitions)
	for i := range own {
		own[i].origins = newOrigins(s.cfg.MaxOrigins/len(own), s.metrics)
	}
	s.partitions.Store(&own)
}

// Handler adds the routes and the page to a mux and returns what serves it.
func (s *Service) Handler(mux *http.ServeMux) http.Handler {
	mux.Handle("GET /{$}", statusPage())
	return s.api.Handler(mux)
}

// Ready is nil once every partition has caught up.
func (s *Service) Ready(context.Context) error {
	all := s.partitions.Load()
	if all == nil {
		return errors.New("the states aren't open yet")
	}
	behind, records := 0, int64(0)
	for i := range *all {
		if p := &(*all)[i]; !p.isReady() {
			behind++
			records += p.Lag()
		}
	}
	if behind > 0 {
		return fmt.Errorf("%d of %d partitions are catching up, %d records of the changelog to go", behind, len(*all), records)
	}
	return nil
}

// Drain waits until no read has a snapshot open, and lets none begin: then
// the states may be closed.
func (s *Service) Drain(ctx context.Context) error {
	for range cap(s.reads) {
		select {
		case s.reads <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("wait for open reads: %w", ctx.Err())
		}
	}
	return nil
}

// now is the time that a question about now is about.
func (s *Service) now() event.Time { return event.TimeOf(s.cfg.now()) }

// answer is what a read gives back.
type answer struct {
	body []byte
	// text makes it plain text instead of JSON.
	text bool
	// link is the Link header, if there is one.
	link string
}

// reading makes a route's Serve of a read, which must heed its context.
func (s *Service) reading(read func(context.Context, *api.Params) (answer, error)) func(http.ResponseWriter, *http.Request, *api.Params) error {
	return func(w http.ResponseWriter, r *http.Request, p *api.Params) error {
		ctx, cancel := context.WithTimeout(r.Context(), s.cfg.ReadTimeout)
		defer cancel()
		a, err := read(ctx, p)
		if err != nil {
			return s.tooLong(ctx, r, err)
		}
		if a.link != "" {
			w.Header().Set("Link", a.link)
		}
		if a.text {
			api.WriteText(w, http.StatusOK, a.body)
		} else {
			api.WriteJSON(w, http.StatusOK, a.body)
		}
		return nil
	}
}

// tooLong tells a read that used up its time from other failures.
func (s *Service) tooLong(ctx context.Context, r *http.Request, err error) error {
	if _, isProblem := errors.AsType[*api.Problem](err); isProblem || ctx.Err() == nil || r.Context().Err() != nil {
		return err
	}
	s.metrics.timeouts.Inc()
	return unavailable("", "the read took longer than %s; ask for less at once", s.cfg.ReadTimeout)
}

// retryAfter is when it is worth to ask again.
const retryAfter = time.Second

func unavailable(field, format string, args ...any) *api.Problem {
	p := api.Problemf(http.StatusServiceUnavailable, api.Unavailable, field, format, args...)
	p.RetryAfter = retryAfter
	return p
}

// open are the partitions, where they are there.
func (s *Service) open() ([]Partition, error) {
	all := s.partitions.Load()
	if all == nil {
		return nil, unavailable("", "not ready: the states aren't open yet")
	}
	return *all, nil
}

// ofUser finds the partition of a user, and waits for the min_position that
// the request names.
func (s *Service) ofUser(ctx context.Context, p *api.Params, user string) (*Partition, error) {
	position := minPosition(p)
	if err := p.Err(); err != nil {
		return nil, err
	}
	all, err := s.open()
	if err != nil {
		return nil, err
	}
	own := kafka.PartitionOf(user, int32(len(all)))
	if !all[own].isReady() {
		return nil, catchingUp(&all[own])
	}
	if position.Topic != event.NoTopic && position.Partition != own {
		return nil, api.Invalid("min_position", "is of partition %d, but this user's is %d", position.Partition, own)
	}
	return &all[own], s.wait(ctx, &all[own], position)
}

// ofEveryone gives all partitions, and waits for the min_position that the
// request names.
func (s *Service) ofEveryone(ctx context.Context, p *api.Params) ([]Partition, error) {
	position := minPosition(p)
	if err := p.Err(); err != nil {
		return nil, err
	}
	all, err := s.open()
	if err != nil {
		return nil, err
	}
	for i := range all {
		if !all[i].isReady() {
			return nil, catchingUp(&all[i])
		}
	}
	if position.Topic == event.NoTopic {
		return all, nil
	}
	if int(position.Partition) >= len(all) {
		return nil, api.Invalid("min_position", "is of partition %d, but there are only %d", position.Partition, len(all))
	}
	return all, s.wait(ctx, &all[position.Partition], position)
}

// catchingUp is why a partition that is far behind isn't shown.
func catchingUp(p *Partition) error {
	return unavailable("", "not ready: partition %d is catching up, %d records of the changelog to go", p.Store.Shard(), p.Lag())
}

// minPosition is the parameter min_position; a zero one where it isn't given.
func minPosition(p *api.Params) event.Position {
	if !p.Given("min_position") {
		return event.Position{}
	}
	position, err := kafka.ParsePosition(p.Text("min_position"))
	if err != nil {
		p.Refuse(&event.Refusal{Code: event.Invalid, Field: "min_position", Message: "want topic/partition/offset, such as grants/3/1024, as the answer to a write gives it"})
	}
	return position
}

// wait waits until a partition includes a position (I3).
func (s *Service) wait(ctx context.Context, p *Partition, position event.Position) error {
	if position.Topic == event.NoTopic || p.Store.Meta().Passed(position) {
		return nil
	}
	return s.waiting(ctx, "min_position", kafka.FormatPosition(position)+" isn't included yet; try again", func(ctx context.Context) error {
		return p.WaitFor(ctx, position)
	})
}

// waitForEnds waits until all partitions include what is committed now (I6).
func (s *Service) waitForEnds(ctx context.Context, partitions []Partition) error {
	return s.waiting(ctx, "current", "what was committed when you asked isn't included yet; try again", func(ctx context.Context) error {
		ended := make(chan error, len(partitions))
		for i := range partitions {
			go func() { ended <- partitions[i].WaitForEnd(ctx) }()
		}
		var errs []error
		for range partitions {
			errs = append(errs, <-ended)
		}
		return errors.Join(errs...)
	})
}

// waiting bounds a wait that a parameter asks for, and says late past the
// bound (I4).
func (s *Service) waiting(ctx context.Context, field, late string, wait func(context.Context) error) error {
	select {
	case s.waits <- struct{}{}:
		defer func() { <-s.waits }()
	default:
		return unavailable(field, "too many reads wait already; try again")
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, s.cfg.WaitTimeout)
	defer cancel()
	err := wait(ctx)
	s.metrics.waitSeconds.Observe(time.Since(begin).Seconds())
	if err != nil && ctx.Err() != nil {
		s.metrics.waitTimeouts.Inc()
		return unavailable(field, "%s", late)
	}
	return err
}

// view is what a read sees of one partition.
type view struct {
	*engine.View
	meta    state.Meta
	origins *origins
}

// look opens a snapshot of each partition, lets read see them, and makes sure
// that what was read is right before anybody believes it (I1, I2).
func (s *Service) look(ctx context.Context, partitions []Partition, read func([]view) error) (err error) {
	select {
	case s.reads <- struct{}{}:
		defer func() { <-s.reads }()
	case <-ctx.Done():
		return unavailable("", "too many reads are open; try again")
	}
	views := make([]view, 0, len(partitions))
	readers := make([]*heeding, 0, len(partitions))
	for i := range partitions {
		snapshot, openErr := partitions[i].Store.Snapshot()
		if openErr != nil {
			return openErr
		}
		defer func() {
			if closeErr := snapshot.Close(); err == nil {
				err = closeErr
			}
		}()
		reader := &heeding{Snapshot: snapshot, ctx: ctx}
		v, openErr := engine.NewView(reader, partitions[i].Store.Shard())
		if openErr != nil {
			return openErr
		}
		views, readers = append(views, view{v, snapshot.Meta(), partitions[i].origins}), append(readers, reader)
	}
	err = read(views)
	for i := range views {
		// What a read found is only as good as the rows it was shown.
		if failed := errors.Join(readers[i].failed, readers[i].Err(), views[i].Err()); failed != nil {
			return failed
		}
	}
	return err
}

// lookAt is look at one partition.
func (s *Service) lookAt(ctx context.Context, p *Partition, read func(view) error) error {
	return s.look(ctx, []Partition{*p}, func(views []view) error { return read(views[0]) })
}
