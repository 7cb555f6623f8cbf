package kafka

import (
	"fmt"
	"testing"
	"time"
)

func TestRepeatedWarningsAreLeftOut(t *testing.T) {
	var l clientLogger
	now := time.Unix(0, 0)
	for i := range 5 {
		if _, ok := l.admit("broker is away", now); ok != (i == 0) {
			t.Errorf("warning %d admitted: %v", i, ok)
		}
	}
	if _, ok := l.admit("another", now); !ok {
		t.Error("another warning was left out")
	}
	if n, ok := l.admit("broker is away", now.Add(repeatAfter)); !ok || n != 4 {
		t.Errorf("later: %v, %d were left out", ok, n)
	}
	for i := range 2 * maxRemembered {
		l.admit(fmt.Sprint(i), now)
	}
	if len(l.said) > maxRemembered {
		t.Errorf("%d messages are remembered", len(l.said))
	}
}
