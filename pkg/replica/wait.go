package replica

import (
	"context"
	"fmt"

	"highwater/pkg/event"
)

// WaitFor waits until the state includes the input record at a position, which
// must be of the replica's partition. It fails when the replica stops with an
// error, or is closed.
func (r *Replica) WaitFor(ctx context.Context, position event.Position) error {
	if position.Partition != r.partition {
		return fmt.Errorf("wait for a position of partition %d: this is the replica of partition %d", position.Partition, r.partition)
	}
	if position.Topic < event.Grants || position.Topic > event.Transfers {
		return fmt.Errorf("wait for a position: no shard reads topic number %d", position.Topic)
	}
	if err := r.waitUntil(ctx, func() bool { return r.store.Meta().Passed(position) }); err != nil {
		return fmt.Errorf("wait for position %s/%d/%d: %w", position.Topic, position.Partition, position.Offset, err)
	}
	return nil
}

// WaitForEnd waits until the state includes whatever is committed in the
// changelog when it is called. It fails like WaitFor.
func (r *Replica) WaitForEnd(ctx context.Context) error {
	end, err := r.askEnd(ctx)
	if err == nil {
		err = r.waitUntil(ctx, func() bool { return r.next.Load() >= end })
	}
	if err != nil {
		return fmt.Errorf("wait for the changelog's end: %w", err)
	}
	return nil
}

// waitUntil waits until something holds that only this replica's reading makes
// true.
func (r *Replica) waitUntil(ctx context.Context, holds func() bool) error {
	for !holds() {
		changed, err := r.subscribe()
		if err != nil {
			return err
		}
		// What was read before subscribing doesn't wake.
		if !holds() {
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
		r.unsubscribe()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (r *Replica) subscribe() (<-chan struct{}, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil {
		return nil, r.failed
	}
	r.waiters++
	return r.changed, nil
}

func (r *Replica) unsubscribe() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiters--
}

// wake wakes who waits: once a poll, whatever the number of batches in it.
func (r *Replica) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiters > 0 {
		close(r.changed)
		r.changed = make(chan struct{})
	}
}

func (r *Replica) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// fail tells who waits that nothing comes any more.
func (r *Replica) fail(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.failed = err
	}
	close(r.changed)
	r.changed = make(chan struct{})
}
