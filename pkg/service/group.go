package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// defaultStopTimeout is the deadline of a component that sets none.
const defaultStopTimeout = 10 * time.Second

// Component is a part of a process with a life of its own. Each of its funcs
// may be nil.
type Component struct {
	// Name is for logs, errors and metrics; it comes from code, not from users.
	Name string
	// Start returns when the component serves; the next one starts after it. Its
	// context ends when the process is told to stop. A Start that fails must
	// leave nothing behind: Stop isn't called then.
	Start func(context.Context) error
	// Run works until its context ends. To return earlier, with an error or
	// without, is a failure (I4).
	Run func(context.Context) error
	// Stop asks for a graceful end; its context is the component's deadline.
	// When it returns, Run's context ends.
	Stop func(context.Context) error
	// StopTimeout bounds Stop and the end of Run together; 0 means 10 s.
	StopTimeout time.Duration
}

// Group starts components in order and stops them in reverse. Add them where
// the process is put together, with the reason for the place beside each line.
type Group struct {
	logger     *slog.Logger
	metrics    *metrics
	components []Component

	mu sync.Mutex
	// phase, guarded by mu: "" once every component runs, else what it waits for.
	phase string
}

// running is a component that has been started.
type running struct {
	Component
	cancel context.CancelFunc
	told   chan struct{} // closed when it may end
	ended  chan struct{} // closed when Run has returned
	// failed is set before ended is closed, if Run failed.
	failed atomic.Pointer[runError]
}

func newGroup(logger *slog.Logger, m *metrics) *Group {
	return &Group{logger: logger, metrics: m, phase: "not started"}
}

// Add appends a component. It must not be called once Run has been.
func (g *Group) Add(c Component) { g.components = append(g.components, c) }

// Ready is nil while every component runs, and says what is missing before that
// and once the group stops.
func (g *Group) Ready() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.phase == "" {
		return nil
	}
	return errors.New(g.phase)
}

func (g *Group) setPhase(phase string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.phase = phase
}

// Run starts every component, waits until ctx ends or one of them fails, and
// stops those that were started. It returns nil after a stop that was asked for
// and that kept the deadlines; else all errors, the first cause first.
func (g *Group) Run(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var started []*running
	var errs []error
	for _, c := range g.components {
		g.setPhase("starting " + c.Name)
		r, err := g.start(ctx, c, fail)
		if err != nil {
			errs = append(errs, err)
			break
		}
		started = append(started, r)
		if ctx.Err() != nil {
			break
		}
	}
	if len(errs) == 0 && ctx.Err() == nil {
		g.setPhase("")
		g.logger.Info("every component is started", "components", len(started))
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		errs = slices.DeleteFunc(errs, onlyCanceled) // a start that was broken off
	}
	cause, _ := context.Cause(ctx).(*runError)
	if cause != nil {
		errs = slices.Insert(errs, 0, error(cause))
	}
	g.setPhase("stopping")
	g.logReason(errs)
	for _, r := range slices.Backward(started) {
		if err := g.stop(r); err != nil {
			errs = append(errs, err)
		}
		if failed := r.failed.Load(); failed != nil && failed != cause {
			errs = append(errs, failed)
		}
	}
	return errors.Join(errs...)
}

func (g *Group) logReason(errs []error) {
	if len(errs) == 0 {
		g.logger.Info("stopping every component")
		return
	}
	g.logger.Warn("stopping every component", "reason", errs[0].Error())
}

func (g *Group) start(ctx context.Context, c Component, fail context.CancelCauseFunc) (*running, error) {
	begin := time.Now()
	if c.Start != nil {
		if err := guard(c.Name, func() error { return c.Start(ctx) }); err != nil {
			return nil, fmt.Errorf("start %s: %w", c.Name, err)
		}
	}
	took := time.Since(begin)
	g.metrics.startSeconds.WithLabelValues(c.Name).Set(took.Seconds())
	g.metrics.up.WithLabelValues(c.Name).Set(1)
	g.logger.Info("component started", "component", c.Name, "seconds", took.Seconds())

	// I3: the components' contexts end one by one, not all with ctx.
	runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{Component: c, cancel: cancel, told: make(chan struct{}), ended: make(chan struct{})}
	if c.Run == nil {
		close(r.ended)
		return r, nil
	}
	go func() {
		defer close(r.ended)
		err := guard(c.Name, func() error { return c.Run(runCtx) })
		g.metrics.up.WithLabelValues(c.Name).Set(0)
		if r.wasTold(ctx) && (err == nil || onlyCanceled(err)) {
			return
		}
		if err == nil { // I4
			err = errors.New("it ended without being told to")
		}
		failed := &runError{component: c.Name, err: err}
		r.failed.Store(failed)
		fail(failed)
	}()
	return r, nil
}

// wasTold is also true once the whole group stops: a component may watch that
// by itself.
func (r *running) wasTold(group context.Context) bool {
	select {
	case <-r.told:
		return true
	case <-group.Done():
		return true
	default:
		return false
	}
}

// runError is a failure of a component's Run. It never counts as a stop that
// was asked for, even where a cancelled context is in it.
type runError struct {
	component string
	err       error
}

func (e *runError) Error() string { return fmt.Sprintf("run %s: %v", e.component, e.err) }

func (e *runError) Unwrap() error { return e.err }

// stop ends one component within its deadline (I3).
func (g *Group) stop(r *running) error {
	timeout := r.StopTimeout
	if timeout == 0 {
		timeout = defaultStopTimeout
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	close(r.told)
	err := g.stopWithin(ctx, r)
	took := time.Since(begin)
	g.metrics.up.WithLabelValues(r.Name).Set(0)
	g.metrics.stopSeconds.WithLabelValues(r.Name).Set(took.Seconds())
	if errors.Is(err, errDeadline) {
		g.metrics.stopTimeouts.WithLabelValues(r.Name).Inc()
		return fmt.Errorf("stop %s: %w of %s", r.Name, err, FormatDuration(timeout))
	}
	g.logger.Info("component stopped", "component", r.Name, "seconds", took.Seconds())
	return err
}

var errDeadline = errors.New("it missed its deadline")

// stopWithin leaves a component behind that misses its deadline: its goroutines
// end with the process.
func (g *Group) stopWithin(ctx context.Context, r *running) error {
	var errs []error
	if r.Stop != nil {
		stopped := make(chan error, 1)
		go func() { stopped <- guard(r.Name, func() error { return r.Stop(ctx) }) }()
		select {
		case err := <-stopped:
			if err != nil {
				errs = append(errs, fmt.Errorf("stop %s: %w", r.Name, err))
			}
		case <-ctx.Done():
			r.cancel()
			return errDeadline
		}
	}
	r.cancel()
	select {
	case <-r.ended:
	case <-ctx.Done():
		errs = append(errs, errDeadline)
	}
	return errors.Join(errs...)
}
