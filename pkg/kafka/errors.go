package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Class says what an error of Kafka means for a shard.
type Class uint8

// The classes.
const (
	// Fatal ends the process; a restart may cure it. It is also the class of
	// every error nobody has thought of (I5).
	Fatal Class = iota
	// Retry passes by itself.
	Retry
	// Fenced means that another owner has taken over: this one is done for
	// good.
	Fenced
	// DataLoss means that records are gone: a person must decide.
	DataLoss
)

var classNames = [...]string{"fatal", "retry", "fenced", "data_loss"}

// String is the class's name in logs and metrics.
func (c Class) String() string { return classNames[c] }

// ClassOf classifies an error of a client.
func ClassOf(err error) Class {
	if _, ok := errors.AsType[*LossError](err); ok {
		return DataLoss
	}
	if _, ok := errors.AsType[*kgo.ErrDataLoss](err); ok {
		return DataLoss
	}
	if ke, ok := errors.AsType[*kerr.Error](err); ok {
		return classOfCode(ke)
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, kgo.ErrClientClosed):
		return Fatal
	case errors.Is(err, kgo.ErrAborting), errors.Is(err, kgo.ErrRecordTimeout), errors.Is(err, kgo.ErrRecordRetries),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, net.ErrClosed), kgo.IsRetryableBrokerErr(err):
		return Retry
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return Retry
	}
	return Fatal
}

func classOfCode(ke *kerr.Error) Class {
	switch ke.Code {
	case kerr.InvalidProducerEpoch.Code, kerr.ProducerFenced.Code, kerr.InvalidProducerIDMapping.Code,
		kerr.TransactionCoordinatorFenced.Code:
		return Fenced
	// kgo hands these out only once retries of its own are of no use: the
	// offset is gone, or the topic was deleted and created again.
	case kerr.OffsetOutOfRange.Code, kerr.UnknownTopicID.Code, kerr.InconsistentTopicID.Code:
		return DataLoss
	// The transaction, not the producer, is what failed; OperationNotAttempted
	// is kgo's word for a producer id that needs loading first.
	case kerr.TransactionAbortable.Code, kerr.UnknownProducerID.Code, kerr.OutOfOrderSequenceNumber.Code,
		kerr.OperationNotAttempted.Code, kerr.UnknownServerError.Code, kerr.InvalidTxnState.Code:
		return Retry
	}
	if ke.Retriable {
		return Retry
	}
	return Fatal
}

// LossError is data loss that Kafka reported, or that was found by comparing
// what is there with what was there. It tells a person what to do.
type LossError struct {
	// Missing says what is gone, with its position.
	Missing string
	// Action says what a person can do about it.
	Action string
	Err    error
}

// Error is what is missing, then what to do.
func (e *LossError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s (%v); %s", e.Missing, e.Err, e.Action)
	}
	return e.Missing + "; " + e.Action
}

// Unwrap is Kafka's own error; nil where the loss was found by comparison.
func (e *LossError) Unwrap() error { return e.Err }

// PersonMustDecide says that no restart cures it.
func (e *LossError) PersonMustDecide() (missing, action string) { return e.Missing, e.Action }
