package bench

import (
	"reflect"
	"testing"
	"time"
)

func TestShardsOf(t *testing.T) {
	got := shardsOf(gauge{
		`highwater_shard_seq{shard="3"}`: 7, `highwater_shard_seq{shard="0"}`: 0, `highwater_shard_sequel{shard="5"}`: 1,
		`highwater_shard_lag_records{shard="1",topic="grants"}`: 0,
		`highwater_replica_lag_records{shard="1"}`:              0, `highwater_replica_lag_records{shard="2"}`: 4, "highwater_replica_events_total": 12,
	})
	if want := (shards{running: []int32{0, 3}, warm: []int32{1}, restored: 12}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAllRun(t *testing.T) {
	i := &installation{Options: &Options{Partitions: 4}}
	for _, c := range []struct {
		running [][]int32
		want    bool
	}{
		{[][]int32{{0, 1, 2, 3}}, true},
		{[][]int32{{0, 1, 2}}, false},
		{[][]int32{{0, 1}, {2, 3}}, true},
		{[][]int32{{0, 1, 2, 3}, nil}, false},
		{[][]int32{{0, 1, 2}, {3}}, false},
		{[][]int32{{0, 1}, {2}, {3}}, true},
	} {
		var all []shards
		for _, running := range c.running {
			all = append(all, shards{running: running})
		}
		if got := i.allRun(all); got != c.want {
			t.Errorf("%v: %v", c.running, got)
		}
	}
}

func TestRestore(t *testing.T) {
	r := &RunResult{Restore: &Restore{
		Restarts: []*Restart{newRestart(time.Second, 2*time.Second, 0, 0)},
		Rebuilds: []*Restart{
			newRestart(4*time.Second, 5*time.Second, 2*time.Second, 1000), newRestart(2*time.Second, 9*time.Second, 4*time.Second, 1000),
			newRestart(5*time.Second, 6*time.Second, time.Second, 1000),
		},
	}}
	got := make(map[string]float64)
	for _, f := range r.figures() {
		got[f.Name+" "+f.Unit] = f.Median
	}
	want := map[string]float64{
		"restart: until every partition runs, p50 s": 1, "restart: until every partition runs, max s": 1,
		"restart: until new output, p50 s": 2, "restart: until new output, max s": 2, "restart: cpu, p50 CPU-s": 0, "restart: cpu, max CPU-s": 0,
		"rebuild: until every partition runs, p50 s": 4, "rebuild: until every partition runs, max s": 5,
		"rebuild: until new output, p50 s": 6, "rebuild: until new output, max s": 9, "rebuild: cpu, p50 CPU-s": 2, "rebuild: cpu, max CPU-s": 4,
		"rebuild: restored, p50 events/s": 250, "rebuild: restored, min events/s": 200,
		"rebuild: restored by a core, p50 events/CPU-s": 500, "rebuild: restored by a core, min events/CPU-s": 250,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}
