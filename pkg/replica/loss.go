package replica

import (
	"fmt"

	"highwater/pkg/kafka"
)

const (
	restore = "restore the changelog from a mirror or a backup, or start anew with another topic.prefix and application.id and send all events again"
	upgrade = "upgrade this process; if it is the newest, " + restore
)

// lost is about records that the changelog doesn't have any more.
func (r *Replica) lost(offset int64, what string, err error) error {
	return &kafka.LossError{Missing: fmt.Sprintf("%s/%d at offset %d: %s", r.topic, r.partition, offset, what), Action: restore, Err: err}
}

// unreadable is about a record that is there and can't be read.
func (r *Replica) unreadable(offset, seq int64, err error) error {
	return &kafka.LossError{Missing: r.at(offset, seq), Action: upgrade, Err: err}
}

// wrong is about a record that can't follow the ones before it.
func (r *Replica) wrong(offset, seq int64, what string) error {
	return &kafka.LossError{Missing: r.at(offset, seq) + ": " + what, Action: restore}
}

// diverged is about a record that contradicts the state: one of the two is not
// what was written.
func (r *Replica) diverged(offset, seq int64, what string) error {
	return &kafka.LossError{
		Missing: r.at(offset, seq) + ": " + what,
		Action:  fmt.Sprintf("remove %s to have the state rebuilt from the changelog; if the same error comes back, the changelog is damaged: %s", r.store.Dir(), restore),
	}
}

func (r *Replica) at(offset, seq int64) string {
	if seq == 0 {
		return fmt.Sprintf("%s/%d at offset %d", r.topic, r.partition, offset)
	}
	return fmt.Sprintf("%s/%d at offset %d, seq %d", r.topic, r.partition, offset, seq)
}
