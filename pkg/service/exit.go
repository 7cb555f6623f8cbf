package service

import (
	"context"
	"errors"
	"fmt"
)

// Exit statuses of every binary (I6).
const (
	ExitOK               = 0 // stopped gracefully, or did what was asked
	ExitFailure          = 1 // a restart may cure it
	ExitUsage            = 2 // a setting, an argument or a file is wrong
	ExitPersonMustDecide = 3 // a restart can't cure it: see PersonMustDecide
)

// PersonMustDecide is an error that no restart cures and that no program may
// settle by itself: lost data, a schema nobody knows. A package that finds such
// a thing gives its error this method; it need not import this package.
type PersonMustDecide interface {
	error
	// PersonMustDecide says what is missing, with its position, and what a
	// person can do about it.
	PersonMustDecide() (missing, action string)
}

// UsageError is wrong use: the settings, the arguments or a file they name.
type UsageError struct {
	Err error
}

// Error is the message of the cause.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef formats a UsageError. Name the setting first, then what to do.
func Usagef(format string, args ...any) error {
	return &UsageError{Err: fmt.Errorf(format, args...)}
}

// exitStatus maps what a run returned to the status of the process. Where
// several failures are joined, the one that needs a person most wins.
func exitStatus(err error, stopping bool) int {
	if err == nil || stopping && onlyCanceled(err) {
		return ExitOK
	}
	if _, ok := errors.AsType[PersonMustDecide](err); ok {
		return ExitPersonMustDecide
	}
	if _, ok := errors.AsType[*UsageError](err); ok {
		return ExitUsage
	}
	return ExitFailure
}

// onlyCanceled tells a stop that was asked for from a failure: every error
// joined in err is a cancelled context.
func onlyCanceled(err error) bool {
	if _, ok := err.(*runError); ok {
		return false
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			if !onlyCanceled(e) {
				return false
			}
		}
		return true
	}
	if inner := errors.Unwrap(err); inner != nil {
		return onlyCanceled(inner)
	}
	return errors.Is(err, context.Canceled)
}
