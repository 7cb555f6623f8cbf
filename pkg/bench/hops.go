package bench

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// gauge are a process's metrics, by name and labels as Prometheus writes them.
type gauge map[string]float64

// gauges reads the metrics of ingest, and of the processors behind it.
func (b *spender) gauges(ctx context.Context) ([]gauge, error) {
	var all []gauge
	for _, address := range append([]string{b.Ingest}, b.Admin...) {
		g, err := readGauge(ctx, b.client, address+"/metrics")
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, nil
}

func readGauge(ctx context.Context, client *http.Client, address string) (gauge, error) {
	text, err := fetch(ctx, client, address)
	if err != nil {
		return nil, err
	}
	g := gauge{}
	for line := range strings.Lines(string(text)) {
		// A value stands behind the last space: labels may have some.
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		if g[line[:at]], err = strconv.ParseFloat(line[at+1:], 64); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", address, line[:at], err)
		}
	}
	return g, nil
}

// grown is by how much a metric grew in all processes together.
func grown(before, after []gauge, name string) (sum float64) {
	for i := range after {
		sum += after[i][name] - before[i][name]
	}
	return sum
}

// mean is that of a sum of seconds over a count, in milliseconds.
func mean(seconds, count float64) float64 {
	if count == 0 {
		return 0
	}
	return seconds / count * 1000
}

// ingestHops are the means of what ingest measured.
func ingestHops(before, after []gauge) IngestHops {
	of := func(name string) float64 {
		name = "highwater_ingest_" + name + "_seconds"
		return mean(grown(before, after, name+"_sum"), grown(before, after, name+"_count"))
	}
	return IngestHops{Produce: of("produce"), Outcome: of("outcome"), Wait: of("wait")}
}

// processorHops are the means of a transaction's phases.
func processorHops(before, after []gauge) ProcessorHops {
	transactions := grown(before, after, `highwater_shard_transactions_total{result="committed"}`)
	of := func(phase string) float64 {
		return mean(grown(before, after, `highwater_shard_phase_seconds_total{phase="`+phase+`"}`), transactions)
	}
	return ProcessorHops{
		Transactions: int64(transactions), Events: mean(grown(before, after, "highwater_shard_transaction_events_sum"), transactions) / 1000,
		Compute: of("compute"), Seal: of("seal"), Produce: of("produce"), Commit: of("commit"), Apply: of("apply"),
	}
}
