package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"highwater/pkg/bench"
	"highwater/pkg/service"
)

// runBench measures on the embedded broker, small.
func runBench(t *testing.T, args ...string) (status int, got *bench.Result, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	var stdout, errors bytes.Buffer
	status = binary.Main(ctx, service.Invocation{
		Args:    append([]string{"bench", broker(t), "--partitions=2", "--events=2000", "--users=50", "--output=json"}, args...),
		Environ: []string{asProgram + "=processor", "TMPDIR=" + t.TempDir(), "HIGHWATER_MAX_EVENTS_PER_TRANSACTION=100"}, Stdout: &stdout, Stderr: &errors,
	})
	got = &bench.Result{}
	if err := json.Unmarshal(stdout.Bytes(), got); err != nil || len(got.Runs) == 0 {
		t.Fatalf("status %d, %v\n%s%s", status, err, stdout.Bytes(), errors.Bytes())
	}
	return status, got, errors.String()
}

// TestBench is the whole way, floor and proof included.
func TestBench(t *testing.T) {
	status, got, stderr := runBench(t, "--processor="+os.Args[0], "--runs=2")
	if status != 0 || len(got.Runs) != 2 {
		t.Fatalf("status %d, %+v\n%s", status, got, stderr)
	}
	for _, r := range got.Runs {
		if r.Events != 2000 || r.Counted < 100 || r.Counted > 2000 || r.EventsPerSecond <= 0 || r.Transactions < 1 || r.Floor == nil || r.Floor.EventsPerSecond <= 0 || r.Ratio <= 0 {
			t.Errorf("run %+v, floor %+v", r, r.Floor)
		}
		if v := r.Verification; !v.Verified || !v.Good || !strings.Contains(v.Said, "ok   entries") {
			t.Errorf("verification %+v", v)
		}
		entries := r.Traffic.Outputs[0]
		if entries.Topic != "entries" || entries.Records < 0.9 || entries.Records > 1.2 || entries.Bytes < 100 || entries.Stored <= 0 || r.Traffic.Changelog.Bytes < 50 || r.Traffic.Bytes > 2000 {
			t.Errorf("traffic %+v", r.Traffic)
		}
	}
}

func TestBenchLive(t *testing.T) {
	profiles := t.TempDir()
	_, got, stderr := runBench(t, "--processor="+os.Args[0], "--workload=live", "--rates=200,400", "--rate-over=1s", "--verify=false", "--settled=false", "--profile="+profiles)
	r := got.Runs[0]
	if len(r.Latency) != 2 || r.Latency[0].Events < 150 || r.Latency[1].Rate != 400 || r.Latency[0].P50 <= 0 || r.Latency[0].P50 > float64(patience/time.Millisecond) {
		t.Errorf("got %+v\n%s", r.Latency, stderr)
	}
	if r.Verification.Verified || r.Verification.Reason == "" || len(r.FloorLatency) != 2 || r.FloorLatency[1].Events < 300 {
		t.Errorf("got %+v", r)
	}
	for _, name := range []string{"processor-1-at-200.pprof", "processor-1-at-200.heap.pprof"} {
		if stat, err := os.Stat(filepath.Join(profiles, name)); err != nil || stat.Size() == 0 {
			t.Error("no profile", name, err)
		}
	}
	for _, o := range r.Traffic.Outputs {
		if o.Records > 0 && o.Stored == 0 || o.Topic == "settled" && o.Stored > 0 {
			t.Errorf("%+v", o)
		}
	}
}

// TestBenchScale: what it is compared with is measured and verified, too.
func TestBenchScale(t *testing.T) {
	status, got, stderr := runBench(t, "--processor="+os.Args[0], "--workload=scale", "--users=500", "--against-users=20", "--against-events=1500", "--verify-up-to=2000", "--floor=false")
	r := got.Runs[0]
	if status != 0 || r.Users != 500 || r.Against == nil || r.Against.Users != 20 || r.Against.Events != 1500 || r.Share <= 0 {
		t.Fatalf("status %d, %+v\n%s", status, r, stderr)
	}
	if v := r.Verification; v.Verified || v.Reason != "there are more than 2000 events" || !r.Against.Verification.Good {
		t.Errorf("verification %+v, and of what it is compared with %+v", v, r.Against.Verification)
	}
}

// TestBenchRefused has processors that keep other policies than those that
// are verified.
func TestBenchRefused(t *testing.T) {
	dir := t.TempDir()
	policies, program := filepath.Join(dir, "debt.yaml"), filepath.Join(dir, "processor")
	script := "#!/bin/sh\nHIGHWATER_POLICIES_FILE=" + policies + " exec " + os.Args[0] + "\n"
	if err := os.WriteFile(policies, []byte("assets: {credits: {shortfall: debt}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	status, got, stderr := runBench(t, "--processor="+program, "--floor=false", "--opened=false")
	if v := got.Runs[0].Verification; status != 1 || v.Good || !v.Verified || !strings.Contains(v.Said, "FAIL") || !strings.Contains(stderr, errBadRun.Error()) {
		t.Errorf("status %d, %+v\n%s", status, v, stderr)
	}
}

// TestBenchDump: what is written needs no broker.
func TestBenchDump(t *testing.T) {
	got := invoke(t, "", "bench", "--dump=-", "--workload=late-heavy", "--events=10", "--users=2")
	if lines := strings.Split(strings.TrimSpace(got.stdout), "\n"); got.status != 0 || len(lines) != 12 || !strings.HasPrefix(lines[0], `{"topic":"ledger","key":"u-9e3779b1","event":{"type":"add","event_id":"open-0"`) {
		t.Errorf("status %d\n%s%s", got.status, got.stdout, got.stderr)
	}
	file := filepath.Join(t.TempDir(), "events")
	invoke(t, "", "bench", "--dump="+file, "--workload=late-heavy", "--events=10", "--users=2").wants(t, 0)
	if text, err := os.ReadFile(file); err != nil || string(text) != got.stdout {
		t.Errorf("the file has other events: %v\n%s", err, text)
	}
	invoke(t, "", "bench", "--dump=-", "--events=2000000000").wants(t, 2, "2000000000 events")
}

func TestBenchWithoutProcessor(t *testing.T) {
	invoke(t, "", "bench", "--processor=/nowhere/processor").wants(t, 2, "--processor: stat /nowhere/processor")
	t.Setenv("PATH", "")
	invoke(t, "", "bench").wants(t, 2, "`make build` makes one")
}

// TestBenchFlagsOfOtherWorkloads: none is ignored.
func TestBenchFlagsOfOtherWorkloads(t *testing.T) {
	for _, c := range []struct{ workload, flag, says string }{
		{"catch-up", "--rounds=2", "--rounds: catch-up has no use for it, only restore, takeover: leave it out"},
		{"restore", "--ways=kill", "--ways: restore has no use for it, only takeover"},
		{"takeover", "--clients=3", "--clients: takeover has no use for it, only query"},
		{"live", "--query-program=p", "--query-program: live has"},
		{"uniform", "--against-users=3", "--against-users: uniform has"},
		{"spend", "--against-events=3", "--against-events: spend has"},
		{"spend", "--profile=p", "--profile: spend has"},
		{"spend", "--dump=-", "--dump: the events of spend are made as it goes"},
	} {
		invoke(t, "", "bench", "--workload="+c.workload, c.flag).wants(t, 2, c.says)
	}
}
