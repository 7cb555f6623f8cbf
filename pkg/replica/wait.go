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
	name := fmt.Sprintf("%s/%d/%d", position.Topic, position.Partition, position.Offset)
	for {
		if r.store.Meta().Passed(position) {
			return nil
		}
		changed, err := r.subscribe()
		if err != nil {
			return fmt.Errorf("wait for position %s: %w", name, err)
		}
		// What was applied before subscribing doesn't wake.
		if !r.store.Meta().Passed(position) {
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
		r.unsubscribe()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for position %s: %w", name, err)
		}
	}
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
