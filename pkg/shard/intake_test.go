package shard

import (
	"math"
	"testing"
	"time"

	"highwater/pkg/event"
)

func TestTimesOfProducers(t *testing.T) {
	for _, c := range []struct {
		millis int64
		want   event.Time
	}{
		{1_700_000_000_123, 1_700_000_000_123_000}, {-1, 0}, {math.MinInt64 / 1000, 0},
		{math.MaxInt64 / 1000, event.MaxTime}, {253_402_300_800_000, event.MaxTime},
	} {
		if got := arrivedAt(time.UnixMilli(c.millis)); got != c.want {
			t.Errorf("%d ms: got %d, want %d", c.millis, got, c.want)
		}
	}
	for _, millis := range []int64{math.MinInt64, math.MaxInt64} { // beyond what microseconds hold
		if got := arrivedAt(time.UnixMilli(millis)); !got.Valid() {
			t.Errorf("%d ms: got %d", millis, got)
		}
	}
}
