package verify

import (
	"testing"
	"time"

	"highwater/pkg/event"
)

// A move of the watermark is given as long as its last step took, and more; a
// transaction with records, and one after a pause, are no such step.
func TestPause(t *testing.T) {
	for _, c := range []struct {
		gap    time.Duration
		events int64
		want   time.Duration
	}{
		{gap: 10 * time.Millisecond, want: quietFor},
		{gap: 300 * time.Millisecond, want: 600 * time.Millisecond},
		{gap: 300 * time.Millisecond, events: 1, want: quietFor},
		{gap: time.Second, want: quietFor},
	} {
		moved := &chain{transactions: []transaction{{processedAt: 0}, {processedAt: event.Time(c.gap.Microseconds()), events: c.events}}}
		if got := moved.pause(); got != c.want {
			t.Errorf("%d events after %s: %s, want %s", c.events, c.gap, got, c.want)
		}
	}
	if got := new(chain).pause(); got != quietFor {
		t.Errorf("of nothing: %s", got)
	}
}
