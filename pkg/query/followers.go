package query

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/kafka"
	"highwater/pkg/replica"
	"highwater/pkg/service"
	"highwater/pkg/state"
)

// followers keep a replica of every partition.
type followers struct {
	service    *Service
	names      kafka.Names
	client     []kgo.Opt
	dir        string
	cacheBytes int64
	log        *slog.Logger
	states     *state.Metrics
	replicas   *replica.Metrics

	shared  *state.Shared
	stores  []*state.Store
	follow  []*replica.Replica
	lost    chan error // a state that can't go on
	onceEnd sync.Once
}

const (
	// drainWithin bounds the wait for reads that were cut off.
	drainWithin = 5 * time.Second
	// flushWithin bounds the flush of all states at a stop.
	flushWithin = 15 * time.Second
)

func (f *followers) component() service.Component {
	return service.Component{Name: "replicas", Start: f.start, Run: f.run, StopTimeout: drainWithin + flushWithin + 5*time.Second}
}

// start opens the states of all partitions and lets the service read them.
func (f *followers) start(ctx context.Context) (err error) {
	n, err := f.count(ctx)
	if err != nil {
		return err
	}
	f.lost = make(chan error, 1)
	f.shared = state.NewShared(f.cacheBytes, 0)
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	partitions := make([]Partition, n)
	for i := range n {
		if partitions[i], err = f.openOne(i); err != nil {
			return err
		}
	}
	f.service.Serve(partitions)
	return nil
}

// count asks Kafka how many partitions there are.
func (f *followers) count(ctx context.Context) (int32, error) {
	client, err := kgo.NewClient(f.client...)
	if err != nil {
		return 0, fmt.Errorf("client: %w", err)
	}
	defer client.Close()
	return kafka.PartitionCount(ctx, client, f.names)
}

func (f *followers) openOne(partition int32) (Partition, error) {
	store, err := state.Open(state.Options{
		Dir: filepath.Join(f.dir, fmt.Sprintf("shard-%d", partition)), Shard: partition,
		Shared: f.shared, Logger: f.log, OnFatal: f.lose, NoFilter: true,
	})
	if err != nil {
		return Partition{}, err
	}
	f.stores = append(f.stores, store)
	f.states.Add(store)
	r, err := replica.New(replica.Options{Client: f.client, Names: f.names, Store: store, Logger: f.log, Metrics: f.replicas})
	if err != nil {
		return Partition{}, err
	}
	f.follow = append(f.follow, r)
	return Partition{Store: store, WaitFor: r.WaitFor, WaitForEnd: r.WaitForEnd, Lag: r.Lag, Ready: r.Ready()}, nil
}

func (f *followers) lose(err error) {
	select {
	case f.lost <- err:
	default: // one is enough
	}
}

// run follows every changelog until it is told to stop or one can't go on;
// then it closes the states.
func (f *followers) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(f.follow))
	for _, r := range f.follow {
		go func() { ended <- r.Run(ctx) }()
	}
	var errs []error
	for left := len(f.follow); left > 0; {
		select {
		case err := <-ended:
			left--
			errs = append(errs, err)
			cancel() // all go together
		case err := <-f.lost:
			errs = append(errs, err)
			cancel()
		}
	}
	return errors.Join(append(errs, f.close())...)
}

// close waits for the last reads, flushes what was applied, so that it needn't
// be read again, and closes the states.
func (f *followers) close() (err error) {
	f.onceEnd.Do(func() {
		draining, cancel := context.WithTimeout(context.Background(), drainWithin)
		defer cancel()
		if drainErr := f.service.Drain(draining); drainErr != nil {
			// A state mustn't be closed under a read; it ends with the process.
			err = drainErr
			return
		}
		flushing, cancel := context.WithTimeout(context.Background(), flushWithin)
		defer cancel()
		for _, r := range f.follow {
			r.Close()
		}
		var errs []error
		for _, store := range f.stores {
			if flushErr := store.Flush(flushing); flushErr != nil {
				f.log.Warn("state was not flushed; what it lacks is read from the changelog", "shard", store.Shard(), "error", flushErr)
			}
			f.states.Remove(store)
			errs = append(errs, store.Close())
		}
		f.shared.Close()
		err = errors.Join(errs...)
	})
	return err
}
