package main

import (
	"encoding/json"
	"testing"

	"highwater/pkg/bench"
)

// TestBenchSpend is the whole way, small.
func TestBenchSpend(t *testing.T) {
	r := startDev(t)
	args := []string{
		"bench", "--workload=spend", "--bootstrap-servers=" + r.address("Kafka"), "--ingest=http://" + r.address("write API"),
		"--query=http://" + r.address("read API"), "--admin=http://" + r.address("processor"),
		"--spend-rate=50", "--spenders=7", "--rate-over=2s",
	}
	got := invoke(t, "", append(args, "--output=json")...)
	var figures bench.SpendResult
	if err := json.Unmarshal([]byte(got.stdout), &figures); got.status != 0 || err != nil {
		t.Fatalf("status %d, %v\n%s%s", got.status, err, got.stdout, got.stderr)
	}
	if !figures.Good || !figures.Verified || figures.Spends != 100 || figures.Accepted == 0 || figures.Rejected == 0 || figures.Latency.P50 <= 0 ||
		figures.Ingest.Outcome <= 0 || figures.Processor.Transactions == 0 || figures.Processor.Commit <= 0 {
		t.Errorf("got %s", got.stdout)
	}
}

func TestBenchSpendAddresses(t *testing.T) {
	invoke(t, "", "bench", "--workload=spend", "--admin=nowhere").wants(t, 2, `--admin: want an address such as http://127.0.0.1:8081, got "nowhere"`)
}
