package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"highwater/pkg/query"
	"highwater/pkg/service"
)

// asQuery names the variable that makes TestQueryProgram the query service.
const asQuery = "CLI_TEST_QUERY"

// TestQueryProgram is no test where it runs as a process that the benchmark
// starts.
func TestQueryProgram(t *testing.T) {
	if os.Getenv(asQuery) == "" {
		t.Skip("nobody started this as the query service")
	}
	b := service.Binary[query.Settings]{Name: "query", Defaults: query.Defaults(), Run: query.Run}
	in := service.FromOS()
	in.Args = nil
	if status := b.Main(context.Background(), in); status != 0 {
		t.Errorf("status %d", status)
	}
}

// queryProgram is a script that starts this test binary as the query service.
func queryProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "query")
	script := fmt.Sprintf("#!/bin/sh\n%s= %s=1 exec %s -test.run='^TestQueryProgram$' -test.timeout=10m\n", asProgram, asQuery, os.Args[0])
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBenchQuery: reads are counted, compared with what was published, and the
// replica is verified, too.
func TestBenchQuery(t *testing.T) {
	status, got, stderr := runBench(t, "--processor="+os.Args[0], "--query-program="+queryProgram(t), "--workload=query", "--clients=3", "--rates=100", "--rate-over=1s")
	r := got.Runs[0]
	if status != 0 || !r.Verification.Good || r.Query == nil || len(r.Query.Phases) != 5 || r.Query.Clients != 3 {
		t.Fatalf("status %d, %+v\n%s", status, r, stderr)
	}
	if !strings.Contains(r.Verification.Said, "ok   replicas") {
		t.Errorf("the replica isn't verified: %s", r.Verification.Said)
	}
	// 500 of now, nearly all of which can't have changed since, and 500 of a time
	// at which none can.
	if r.Query.Compared < 600 || len(r.Query.Wrong) != 0 {
		t.Errorf("%d answers compared, %q", r.Query.Compared, r.Query.Wrong)
	}
	for n, asked := range []string{"now", "past", "nobody", "now", "past"} {
		p := r.Query.Phases[n]
		if p.Asked != asked || (asked == "nobody") != (p.Requests == 0) || (asked == "nobody") != (p.Latency.P50 == 0) || p.Failed != 0 {
			t.Errorf("%+v", p)
		}
		if meanwhile := n > 1; meanwhile != (p.Rate == 100) || meanwhile != (p.Entry != nil && p.Entry.P50 > 0 && p.Included.P50 > 0) {
			t.Errorf("%+v", p)
		}
	}
}

func TestBenchQueryNeeds(t *testing.T) {
	invoke(t, "", "bench", "--workload=query", "--profile=p").wants(t, 2, "--profile: query has no use for it, only catch-up, uniform")
	invoke(t, "", "bench", "--workload=query", "--opened=false").wants(t, 2, "leave their accounts opened")
	invoke(t, "", "bench", "--workload=query", "--processor="+os.Args[0], "--query-program=/nowhere/query").wants(t, 2, "--query-program: stat /nowhere/query")
}
