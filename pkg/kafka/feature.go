package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TransactionVersion is the least that the feature transaction.version must be
// at: from it on a commit that is asked for again commits nothing else.
const TransactionVersion = 2

const transactionFeature = "transaction.version"

// FeatureError says that the cluster's transactions are of an older kind.
type FeatureError struct {
	// Level is what the feature is at; 0 where the cluster doesn't have it.
	Level int16
}

// Error names the feature and its levels.
func (e *FeatureError) Error() string {
	return fmt.Sprintf("the cluster's %s is %d; at least %d is needed", transactionFeature, e.Level, TransactionVersion)
}

// PersonMustDecide says that no restart cures it.
func (e *FeatureError) PersonMustDecide() (missing, action string) {
	return e.Error(), fmt.Sprintf("with Kafka 4 on every broker, run kafka-features.sh upgrade --feature %s=%d", transactionFeature, TransactionVersion)
}

// CheckTransactions makes sure that the cluster's transactions are of the kind
// that exactly-once rests on.
func CheckTransactions(ctx context.Context, client *kgo.Client) error {
	answer, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, client)
	if err == nil {
		err = kerr.ErrorForCode(answer.ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("ask for the cluster's features: %w", err)
	}
	level := int16(0)
	for _, f := range answer.FinalizedFeatures {
		if f.Name == transactionFeature {
			level = f.MaxVersionLevel
		}
	}
	if level < TransactionVersion {
		return &FeatureError{Level: level}
	}
	return nil
}
