package main

import (
	"os"
	"testing"
)

// TestBenchRestore: what is restored is counted, and verified like the rest.
func TestBenchRestore(t *testing.T) {
	status, got, stderr := runBench(t, "--processor="+os.Args[0], "--workload=restore", "--rounds=2")
	r := got.Runs[0]
	if status != 0 || !r.Verification.Good || r.Restore == nil || len(r.Restore.Restarts) != 2 || len(r.Restore.Rebuilds) != 2 || r.Pace != nil {
		t.Fatalf("status %d, %+v\n%s", status, r, stderr)
	}
	for n, restart := range r.Restore.Restarts {
		// 2,000 events and 50 that open accounts; before, each start brought one to
		// each of two partitions.
		rebuild, want := r.Restore.Rebuilds[n], int64(2050+2*(2*n+1))
		if restart.Events != 0 || restart.EventsPerSecond != 0 || rebuild.Events != want {
			t.Errorf("restored %d and %d events, want 0 and %d", restart.Events, rebuild.Events, want)
		}
		if restart.Running <= 0 || restart.Output <= 0 || rebuild.Running <= 0 || rebuild.EventsPerSecond <= 0 {
			t.Errorf("restart %+v, rebuild %+v", restart, rebuild)
		}
	}
}

func TestBenchRestoreTakesNoRates(t *testing.T) {
	invoke(t, "", "bench", "--workload=restore", "--rates=100").wants(t, 2, "no events come while restore measures")
}
