package kafka

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// repeatAfter is when a client's warning is logged again; a broker that is
	// away makes hundreds a second.
	repeatAfter = 10 * time.Second
	// maxRemembered bounds the messages remembered; a client has a few dozen.
	maxRemembered = 256
)

// clientLogger hands a client's messages on. What kgo says at its level info
// happens in every transaction: that is debug here. Of a warning that repeats
// one in repeatAfter is logged, with how many were left out.
type clientLogger struct {
	to *slog.Logger

	mu sync.Mutex
	// said, guarded by mu, is what was logged when, by its constant text.
	said map[string]repeats
}

type repeats struct {
	at      time.Time
	leftOut int
}

// Level is the least level that anybody would see.
func (l *clientLogger) Level() kgo.LogLevel {
	ctx := context.Background()
	switch {
	case l.to == nil:
		return kgo.LogLevelNone
	case l.to.Enabled(ctx, slog.LevelDebug):
		return kgo.LogLevelInfo
	case l.to.Enabled(ctx, slog.LevelWarn):
		return kgo.LogLevelWarn
	}
	return kgo.LogLevelError
}

// Log hands one message on.
func (l *clientLogger) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	to := slog.LevelDebug
	switch level {
	case kgo.LogLevelError:
		to = slog.LevelError
	case kgo.LogLevelWarn:
		to = slog.LevelWarn
	}
	if to > slog.LevelDebug {
		leftOut, ok := l.admit(msg, time.Now())
		if !ok {
			return
		}
		if leftOut > 0 {
			keyvals = append(keyvals, "left_out", leftOut)
		}
	}
	l.to.Log(context.Background(), to, "kafka client", append([]any{"said", msg}, keyvals...)...)
}

// admit says whether a message is logged now, and how many like it were not.
func (l *clientLogger) admit(msg string, now time.Time) (leftOut int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, seen := l.said[msg]
	if seen && now.Sub(before.at) < repeatAfter {
		before.leftOut++
		l.said[msg] = before
		return 0, false
	}
	if l.said == nil || len(l.said) >= maxRemembered {
		l.said = make(map[string]repeats)
	}
	l.said[msg] = repeats{at: now}
	return before.leftOut, true
}
