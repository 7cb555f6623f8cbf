package main

import (
	"fmt"
	"os"
	"slices"
	"testing"
)

// TestBenchTakeover: whoever loses partitions, events find their way, and the
// outputs are right.
func TestBenchTakeover(t *testing.T) {
	for _, c := range []struct {
		way      string
		standbys int
		turns    []string
		// atLeast is in seconds: a killed processor keeps its partitions until its
		// session ends.
		atLeast float64
	}{
		{"kill-standby", 1, []string{"processor-1"}, 4},
		{"restart", 0, []string{"processor-1", "processor-2"}, 0},
		{"handover", 0, []string{"processor-1", "processor-2"}, 0},
	} {
		status, got, stderr := runBench(t, "--processor="+os.Args[0], "--workload=takeover", "--ways="+c.way, "--rates=100", fmt.Sprint("--rounds=", len(c.turns)))
		r := got.Runs[0]
		if status != 0 || !r.Verification.Good || got.Processors != 2 || len(r.Takeovers) != 1 || r.Takeovers[0].Way != c.way || r.Takeovers[0].Standbys != c.standbys {
			t.Fatalf("%s: status %d, %+v\n%s", c.way, status, r, stderr)
		}
		var turns []string
		for _, round := range r.Takeovers[0].Rounds {
			turns = append(turns, round.Processor)
			if len(round.Partitions) != 1 || round.Wait <= 0 || round.Output < round.Wait || round.Output < c.atLeast || (c.standbys == 0) != (round.Restored != nil) {
				t.Errorf("%s: %+v", c.way, round)
			}
		}
		if !slices.Equal(turns, c.turns) {
			t.Errorf("%s: %v were ended, want %v", c.way, turns, c.turns)
		}
	}
}

func TestBenchTakeoverNeeds(t *testing.T) {
	for _, c := range []struct{ arg, says string }{
		{"--processors=1", "processors: 1; takeover needs two at least"},
		{"--partitions=1", "--partitions: 1; takeover needs one for each of 2 processors"},
		{"--rates=1,2", "rates [1 2]; takeover has events come at one rate"},
		{"--ways=kill,kill", "each can be measured once"},
		{"--ways=kill,fire", `there are ["kill" "kill-standby" "restart" "handover"]`},
	} {
		invoke(t, "", "bench", "--workload=takeover", c.arg).wants(t, 2, c.says)
	}
}
