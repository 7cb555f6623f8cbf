package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/kafka"
)

const (
	// askEvery is how often the topics are looked at, askAgain how soon after
	// a look that didn't go well, askTimeout how long one may take.
	askEvery   = 10 * time.Second
	askAgain   = 500 * time.Millisecond
	askTimeout = 5 * time.Second
)

// errNotAsked is what is known before Kafka was asked.
var errNotAsked = errors.New("the topics have not been looked at yet")

// topics knows how many partitions the topics have, and whether they still
// agree on it (I3).
type topics struct {
	client *kgo.Client
	names  kafka.Names
	logger *slog.Logger

	// known is closed once partitions is set, which then doesn't change: a
	// producer that followed a new number would move users.
	known      chan struct{}
	partitions int32

	mu sync.Mutex
	// wrong, guarded by mu, is why nothing may be written; nil if it may.
	wrong error
	// away, guarded by mu, is why the last look failed; nil if it didn't.
	away error
	// looks and judged, guarded by mu, count the looks begun, and up to which
	// of them what is known goes.
	looks, judged int
}

func newTopics(client *kgo.Client, names kafka.Names, logger *slog.Logger) *topics {
	return &topics{client: client, names: names, logger: logger, known: make(chan struct{}), away: errNotAsked}
}

// run looks at the topics again and again.
func (t *topics) run(ctx context.Context) error {
	for {
		wait := askEvery
		if t.look(ctx) != nil {
			wait = askAgain
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// look asks Kafka once. Its error says why nothing can be written, if so.
func (t *topics) look(ctx context.Context) error {
	t.mu.Lock()
	t.looks++
	look := t.looks
	t.mu.Unlock()
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	lineage, err := kafka.ReadLineage(asking, t.client, t.names)
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err() // whoever asked has gone: that says nothing of Kafka
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if look < t.judged { // a later look has told more
		return errors.Join(t.wrong, t.away)
	}
	t.judged = look
	wrong, away := t.judge(lineage.Partitions, err)
	t.log(wrong, away)
	t.wrong, t.away = wrong, away
	return errors.Join(wrong, away)
}

// judge tells topics that are wrong from a Kafka that is away: while it is
// away, what was known about them stands. REQUIRES: t.mu.
func (t *topics) judge(partitions int32, err error) (wrong, away error) {
	if err != nil {
		// Topics that are missing, or don't agree.
		if _, ok := errors.AsType[interface {
			error
			PersonMustDecide() (string, string)
		}](err); ok {
			return err, nil
		}
		return t.wrong, fmt.Errorf("ask Kafka for the topics: %w", err)
	}
	if !t.isKnown() {
		t.partitions = partitions
		close(t.known)
	}
	if partitions != t.partitions {
		return fmt.Errorf("the topics had %d partitions and have %d now: users would move; use other topics (topic.prefix), or restart where there are no events yet", t.partitions, partitions), nil
	}
	return nil, nil
}

// log says once what changed. REQUIRES: t.mu.
func (t *topics) log(wrong, away error) {
	switch {
	case wrong != nil && (t.wrong == nil || t.wrong.Error() != wrong.Error()):
		t.logger.Error("events are not taken", "error", wrong)
	case away != nil && (t.away == nil || errors.Is(t.away, errNotAsked)):
		t.logger.Warn("kafka can't be reached", "error", away)
	case wrong == nil && away == nil && (t.wrong != nil || t.away != nil):
		t.logger.Info("events are taken", "partitions", t.partitions)
	}
}

func (t *topics) isKnown() bool {
	select {
	case <-t.known:
		return true
	default:
		return false
	}
}

// wait waits until the number of partitions is known, or ctx ends. Its error
// is why events can't be written.
func (t *topics) wait(ctx context.Context) error {
	if err := t.why(); err != nil || t.isKnown() {
		return err
	}
	select {
	case <-t.known:
		return t.why()
	case <-ctx.Done():
		t.mu.Lock()
		defer t.mu.Unlock()
		return errors.Join(t.wrong, t.away)
	}
}

// why is what keeps events from being written; nil if nothing does.
func (t *topics) why() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wrong
}
