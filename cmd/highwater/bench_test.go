package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	"highwater/pkg/bench"
	"highwater/pkg/service"
)

// TestBench is the whole way, small.
func TestBench(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	status := binary.Main(ctx, service.Invocation{
		Args: []string{
			"bench", broker(t), "--processor=" + os.Args[0], "--partitions=2", "--workload=live", "--events=3000", "--users=50", "--rates=200", "--rate-over=1s", "--output=json",
		},
		Environ: []string{asProgram + "=processor", "TMPDIR=" + t.TempDir()}, Stdout: &stdout, Stderr: &stderr,
	})
	var got bench.Result
	if err := json.Unmarshal(stdout.Bytes(), &got); status != 0 || err != nil {
		t.Fatalf("status %d, %v\n%s%s", status, err, stdout.Bytes(), stderr.Bytes())
	}
	if got.Events != 3000 || len(got.Latency) != 1 || got.Latency[0].Events < 150 || got.Latency[0].P50 <= 0 || got.Latency[0].P50 > float64(patience/time.Millisecond) {
		t.Errorf("got %s", stdout.Bytes())
	}
}

func TestBenchWithoutProcessor(t *testing.T) {
	invoke(t, "", "bench", "--processor=/nowhere/processor").wants(t, 2, "--processor: stat /nowhere/processor")
	t.Setenv("PATH", "")
	invoke(t, "", "bench").wants(t, 2, "`make build` makes one")
}
