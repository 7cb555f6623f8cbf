package processor

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"

	"highwater/pkg/engine"
	"highwater/pkg/shard"
	"highwater/pkg/state"
)

// worker runs one shard for as long as the group leaves it here.
type worker struct {
	id     int32
	cancel context.CancelCauseFunc
	done   chan struct{}
	// running is the shard; nil while its state is being opened.
	running atomic.Pointer[shard.Shard]
}

func (w *worker) stop(cause error) { w.cancel(cause) }

func (w *worker) status() shard.Status {
	if s := w.running.Load(); s != nil {
		return s.Status()
	}
	return shard.Status{Shard: w.id}
}

// start runs a shard in a goroutine of its own, with the state of its standby
// if it had one. REQUIRES: p.mu.
func (p *Processor) start(id int32, warm *standby) *worker {
	ctx, cancel := context.WithCancelCause(context.Background())
	w := &worker{id: id, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		defer cancel(nil)
		switch err := p.work(ctx, w, p.promote(warm)); {
		case err == nil:
		case ctx.Err() != nil: // it is somebody else's by now
			p.log.Warn("shard was stopped in trouble", "shard", id, "error", err)
		default:
			p.fail(fmt.Errorf("shard %d: %w", id, err)) // I3
		}
	}()
	return w
}

// work runs the shard again and again, each time for a newer word of the
// group, until it is stopped or can't go on.
func (p *Processor) work(ctx context.Context, w *worker, store *state.Store) error {
	for ; ; store = nil {
		err := p.runOnce(ctx, w, store)
		if !errors.Is(err, shard.ErrFenced) {
			return err
		}
		// I1: whoever fenced us was given the shard, or the broker gave up on a
		// transaction. The group knows which.
		if err := p.confirm(ctx); err != nil {
			return err
		}
	}
}

// runOnce opens the state, where it isn't open yet, runs the shard, and closes
// the state.
func (p *Processor) runOnce(ctx context.Context, w *worker, store *state.Store) (err error) {
	if store == nil {
		if store, err = p.openState(w.id); err != nil {
			return err
		}
	}
	s := shard.New(p.cfg.Shard, store)
	w.running.Store(s)
	defer w.running.Store(nil)
	err = s.Run(ctx)
	// What is on the disk needn't be read from the changelog again; it is right
	// also where the shard was lost.
	if flushErr := flush(store); flushErr != nil {
		p.log.Warn("state was not flushed; what it lacks is read from the changelog", "shard", w.id, "error", flushErr)
	}
	return errors.Join(err, store.Close())
}

func (p *Processor) openState(id int32) (*state.Store, error) {
	return state.Open(state.Options{
		Dir: filepath.Join(p.cfg.Dir, fmt.Sprintf("shard-%d", id)), Shard: id,
		FS: p.cfg.FS, Shared: p.shared, Logger: p.log, OnFatal: p.fail, Sparse: engine.Sparse(),
	})
}

func flush(store *state.Store) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	return store.Flush(ctx)
}
