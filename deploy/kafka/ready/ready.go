// Package ready tells when a Kafka broker can take Highwater's work.
//
// It owns one question: do these servers answer, with a transaction protocol new enough, and is the coordinator of
// transactions there? An open port is not enough: a KRaft broker opens it before it may lead partitions.
// It never starts or stops a broker and leaves no topic of its own behind; asking for the coordinator makes Kafka
// create its internal topic __transaction_state, which the first transaction would do anyway.
//
// I1. Await returns nil only for brokers whose finalized transaction.version is MinTransactionVersion or more: below
// that, a retried commit can end the transaction that follows.
//
//	ctx, cancel := context.WithTimeout(ctx, time.Minute)
//	defer cancel()
//	err := ready.Await(ctx, "127.0.0.1:9092")
package ready

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// MinTransactionVersion is the least transaction.version with which commits can be retried safely (KIP-890).
const MinTransactionVersion = 2

const (
	askEvery      = 50 * time.Millisecond
	answerWithin  = 2 * time.Second
	probeID       = "highwater-ready"
	versionName   = "transaction.version"
	coordinateTxn = 1
)

// ErrTransactionVersion says that the cluster works but its transactions are too old. Waiting doesn't cure it.
var ErrTransactionVersion = errors.New("transaction.version is too low")

// Await asks the servers until they are usable, the context ends, or it is plain that they never will be. The error
// of a context that ended carries what was missing last.
func Await(ctx context.Context, servers ...string) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(servers...),
		kgo.RetryTimeout(answerWithin),
		kgo.RetryBackoffFn(func(int) time.Duration { return askEvery }),
		kgo.DialTimeout(answerWithin),
	)
	if err != nil {
		return fmt.Errorf("client for %v: %w", servers, err)
	}
	defer client.Close()

	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	last := errors.New("no answer yet")
	for {
		err := ask(ctx, client)
		if err == nil || errors.Is(err, ErrTransactionVersion) {
			return err
		}
		// A question cut off by the end of the wait says less than the answer before it.
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for Kafka at %v: %w: %w", servers, context.Cause(ctx), last)
		}
	}
}

func ask(ctx context.Context, client *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if err := askVersion(ctx, client); err != nil {
		return err
	}
	return askCoordinator(ctx, client)
}

// askVersion checks I1.
func askVersion(ctx context.Context, client *kgo.Client) error {
	versions, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("ask for the supported versions: %w", err)
	}
	if err := kerr.ErrorForCode(versions.ErrorCode); err != nil {
		return fmt.Errorf("ask for the supported versions: %w", err)
	}
	// Before the first metadata has reached the broker it answers without features, at epoch -1.
	if versions.FinalizedFeaturesEpoch < 0 {
		return errors.New("the broker knows no finalized features yet")
	}
	level := int16(0)
	for _, feature := range versions.FinalizedFeatures {
		if feature.Name == versionName {
			level = feature.MaxVersionLevel
		}
	}
	if level < MinTransactionVersion {
		return fmt.Errorf("%w: the cluster has %d, Highwater needs %d: kafka-features.sh upgrade --feature %s=%d",
			ErrTransactionVersion, level, MinTransactionVersion, versionName, MinTransactionVersion)
	}
	return nil
}

func askCoordinator(ctx context.Context, client *kgo.Client) error {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorType = coordinateTxn
	req.CoordinatorKeys = []string{probeID}
	found, err := req.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("find the coordinator of transactions: %w", err)
	}
	for _, coordinator := range found.Coordinators {
		if err := kerr.ErrorForCode(coordinator.ErrorCode); err != nil {
			return fmt.Errorf("find the coordinator of transactions: %w", err)
		}
	}
	return nil
}
