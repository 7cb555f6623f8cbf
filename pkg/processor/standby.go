package processor

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"slices"
	"strconv"
	"sync/atomic"

	"highwater/pkg/replica"
	"highwater/pkg/state"
)

// standby follows the changelog of a shard that runs elsewhere, so that it can
// be taken over without reading all of it.
type standby struct {
	id     int32
	cancel context.CancelFunc
	done   chan struct{}
	// promoted asks for the state instead of having it closed at the end.
	promoted atomic.Bool
	// store may be read once done is closed; nil where it was closed.
	store *state.Store
}

// arrange follows as many shards of others as it should, and no others.
// REQUIRES: p.mu.
func (p *Processor) arrange() {
	wanted := p.wantedStandbys()
	for id, s := range p.standbys {
		if !slices.Contains(wanted, id) {
			s.cancel()
		}
	}
	for _, id := range wanted {
		if p.standbys[id] == nil {
			p.standbys[id] = p.follow(id)
		}
	}
}

// wantedStandbys chooses among the shards that don't run here, each processor
// in an order of its own that lasts over restarts. REQUIRES: p.mu.
func (p *Processor) wantedStandbys() []int32 {
	if p.stopping || p.cfg.Standbys == 0 {
		return nil
	}
	var others []int32
	for id := range p.partitions {
		if p.workers[id] == nil {
			others = append(others, id)
		}
	}
	weight := func(id int32) uint64 {
		h := fnv.New64a()
		// A hash never fails.
		_, _ = h.Write([]byte(p.cfg.InstanceID + "\x00" + p.cfg.Dir + "\x00" + strconv.Itoa(int(id))))
		return h.Sum64()
	}
	slices.SortFunc(others, func(a, b int32) int { return cmp.Compare(weight(a), weight(b)) })
	return others[:min(p.cfg.Standbys, len(others))]
}

// follow runs a standby in a goroutine of its own. REQUIRES: p.mu.
func (p *Processor) follow(id int32) *standby {
	ctx, cancel := context.WithCancel(context.Background())
	s := &standby{id: id, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		defer p.ended(s)
		defer cancel()
		if err := p.runStandby(ctx, s); err != nil {
			// Its owner, or whoever takes it over, comes to the same end if it
			// must; a standby stops nothing.
			p.log.Error("standby ended", "shard", id, "error", err)
			<-ctx.Done()
		}
	}()
	return s
}

// ended lets another standby take the place.
func (p *Processor) ended(s *standby) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.standbys[s.id] == s {
		delete(p.standbys, s.id)
	}
	p.arrange()
}

func (p *Processor) runStandby(ctx context.Context, s *standby) error {
	store, err := p.openState(s.id)
	if err != nil {
		return err
	}
	r, err := replica.New(replica.Options{
		Client: p.cfg.Shard.Client, Names: p.names, Store: store, Logger: p.log, Metrics: p.cfg.Shard.Replica,
	})
	if err != nil {
		return errors.Join(err, store.Close())
	}
	err = r.Run(ctx)
	r.Close()
	if s.promoted.Load() {
		s.store = store
		return err
	}
	if flushErr := flush(store); flushErr != nil {
		p.log.Warn("state was not flushed; what it lacks is read from the changelog", "shard", s.id, "error", flushErr)
	}
	return errors.Join(err, store.Close())
}

// promote ends a shard's standby, if it has one, and returns its state; nil
// where there is none.
func (p *Processor) promote(s *standby) *state.Store {
	if s == nil {
		return nil
	}
	s.promoted.Store(true)
	s.cancel()
	<-s.done
	return s.store
}
