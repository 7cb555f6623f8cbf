package bench

import (
	"reflect"
	"testing"
	"time"
)

func TestOutage(t *testing.T) {
	told := time.UnixMilli(1_000_000)
	at := func(ms int) time.Time { return told.Add(time.Duration(ms) * time.Millisecond) }
	gone := at(50)
	event := func(partition int32, due, read int) passage {
		return passage{partition: partition, due: at(due), read: at(read)}
	}
	for _, c := range []struct {
		name         string
		passed       []passage
		output, wait int
		known        bool
	}{
		{name: "nothing yet"},
		{name: "one partition is silent", passed: []passage{event(1, 60, 400)}},
		{name: "what came could still be the old owner's", passed: []passage{event(1, 60, 400), event(2, 50, 60)}},
		{"the slowest partition counts", []passage{event(1, 5, 300), event(1, 60, 300), event(2, 10, 400), event(2, 60, 400)}, 400, 390, true},
		{"what the old owner still took", []passage{event(1, 5, 15), event(1, 30, 500), event(1, 70, 500), event(2, 20, 40), event(2, 60, 80)}, 500, 470, true},
		{"others don't matter", []passage{event(1, 60, 70), event(2, 60, 80), event(3, 60, 9000), event(1, -900, 60)}, 80, 20, true},
		{"what is quick again", []passage{event(1, 0, 200), event(1, 100, 200), event(1, 300, 310), event(2, 51, 100)}, 200, 200, true},
	} {
		output, wait, known := outage(told, gone, []int32{1, 2}, c.passed)
		if output != time.Duration(c.output)*time.Millisecond || wait != time.Duration(c.wait)*time.Millisecond || known != c.known {
			t.Errorf("%s: %s, %s, %v", c.name, output, wait, known)
		}
	}
}

func TestIsWhole(t *testing.T) {
	i := &installation{Options: &Options{Partitions: 4}, standbys: 2}
	for _, c := range []struct {
		all  []shards
		want bool
	}{
		{[]shards{{running: []int32{0, 1}, warm: []int32{2, 3}}, {running: []int32{2, 3}, warm: []int32{0, 1}}}, true},
		{[]shards{{running: []int32{0, 1}, warm: []int32{2}}, {running: []int32{2, 3}, warm: []int32{0, 1}}}, false},
		{[]shards{{running: []int32{0, 1, 2}, warm: []int32{3}}, {running: []int32{3}, warm: []int32{0, 1}}}, false},
		{[]shards{{running: []int32{0, 1}, warm: []int32{2, 3}}, {}}, false},
	} {
		if got := i.isWhole(c.all); got != c.want {
			t.Errorf("%+v: %v", c.all, got)
		}
	}
}

func TestTakeoverFigures(t *testing.T) {
	two, six := int64(2), int64(6)
	r := &RunResult{Takeovers: []*Takeovers{
		{Way: "kill", Rounds: []*Takeover{{Output: 3, Wait: 2, Restored: &six}, {Output: 1, Wait: 1, Restored: &two}}},
		{Way: "kill-standby", Rounds: []*Takeover{{Output: 5, Wait: 4}}},
	}}
	var got []Figure
	for _, f := range r.figures() {
		got = append(got, Figure{Name: f.Name, Unit: f.Unit, Median: f.Median})
	}
	want := []Figure{
		{Name: "kill: until new output, p50", Unit: "s", Median: 2}, {Name: "kill: until new output, max", Unit: "s", Median: 3},
		{Name: "kill: longest wait of an event, p50", Unit: "s", Median: 1.5}, {Name: "kill: longest wait of an event, max", Unit: "s", Median: 2},
		{Name: "kill: restored, p50", Unit: "events", Median: 4}, {Name: "kill: restored, max", Unit: "events", Median: 6},
		{Name: "kill-standby: until new output, p50", Unit: "s", Median: 5}, {Name: "kill-standby: until new output, max", Unit: "s", Median: 5},
		{Name: "kill-standby: longest wait of an event, p50", Unit: "s", Median: 4}, {Name: "kill-standby: longest wait of an event, max", Unit: "s", Median: 4},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}
