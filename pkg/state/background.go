package state

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/cockroachdb/pebble/v2"
)

// listener makes Pebble's background errors known: Pebble itself tries again
// at once and for ever (I6).
func (s *Store) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) { s.fatal(fmt.Errorf("background work: %w", err)) },
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			s.fatal(fmt.Errorf("%s is damaged; remove %s to have the state rebuilt from the changelog: %w", info.Path, s.dir, info.Details))
		},
		DiskSlow: func(info pebble.DiskSlowInfo) {
			s.log.Warn("disk is slow", "path", info.Path, "operation", info.OpType.String(), "seconds", info.Duration.Seconds())
		},
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			s.stalls.Add(1)
			s.log.Warn("writes to state wait for the disk", "reason", info.Reason)
		},
	}
}

// logger is where Pebble says something. Its news are metrics already.
type logger struct{ s *Store }

func (l logger) Infof(string, ...any) {}

func (l logger) Errorf(format string, args ...any) {
	l.s.log.Error("pebble", "error", fmt.Sprintf(format, args...))
}

// Fatalf is Pebble's way to say that it can't go on, and it counts on not being
// returned to. In a call of this package's the call ends and returns it as its
// error; a goroutine of Pebble's own stays where it is until the process ends,
// with whatever it has locked: from now on this package doesn't enter Pebble.
func (l logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	l.s.fatal(err)
	if calledFromHere() {
		panic(fatalError{err})
	}
	select {}
}

type fatalError struct{ error }

// calledFromHere reports whether Fatalf was reached through a call of this
// package.
func calledFromHere() bool {
	var pcs [128]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		frame, more := frames.Next()
		if strings.HasPrefix(frame.Function, "highwater/pkg/state.") {
			return true
		}
		if !more {
			return false
		}
	}
}

// catch turns a Fatalf within a call into the call's error.
func catch(err *error) {
	switch r := recover().(type) {
	case nil:
	case fatalError:
		*err = r.error
	default:
		panic(r)
	}
}
