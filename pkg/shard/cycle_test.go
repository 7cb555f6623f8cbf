package shard

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/state"
)

// A batch leaves at once where nothing waits, soon where little does, and late
// where as much waits as another one takes.
func TestWhenABatchLeaves(t *testing.T) {
	store, err := state.Open(state.Options{Dir: "a", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	const most = 10
	now := time.Now()
	begun := now.Add(-time.Millisecond)
	for _, c := range []struct {
		name           string
		here, atBroker int64
		// lags: more of another topic is at the broker, and none of it here.
		lags    int64
		readyIn time.Duration
		isHeld  bool
		want    time.Time
	}{
		{name: "nothing waits", want: now},
		{name: "little waits", here: most - 1, want: begun.Add(maxBatchAge)},
		{name: "another batch waits here", here: most, want: begun.Add(maxBacklogAge)},
		{name: "another batch waits at the broker", here: 1, atBroker: most - 1, want: begun.Add(maxBacklogAge)},
		{name: "older ones are awaited", here: 1, lags: 1, want: now},
		{name: "many older ones are awaited", here: 1, lags: most - 1, want: begun.Add(maxBacklogAge)},
		{name: "the pace allows it later", here: 1, readyIn: time.Minute, want: now.Add(time.Minute)},
		{name: "it is held", here: most, isHeld: true, want: now},
	} {
		s := &Shard{
			cfg: Config{MaxEvents: most, MaxBytes: DefaultMaxBytes}, engine: new(engine.Engine), rows: store.Rows(),
			readyAt: now.Add(c.readyIn),
		}
		s.open.begun, s.open.out = begun, &outbox{}
		if c.isHeld {
			s.heldUntil = now.Add(time.Hour)
		}
		s.inbox.begin(event.Grants, 0, c.here+c.atBroker)
		s.inbox.begin(event.Orders, 0, c.lags)
		var records []*kgo.Record
		for n := range c.here {
			records = append(records, &kgo.Record{Offset: n})
		}
		s.inbox.add(event.Grants, records)
		if got := s.leavesAt(now); !got.Equal(c.want) {
			t.Errorf("%s: it leaves %s from now, expected %s", c.name, got.Sub(now), c.want.Sub(now))
		}
	}
}
