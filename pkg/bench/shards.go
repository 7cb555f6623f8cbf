package bench

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// shards is what a processor's metrics tell of its shards.
type shards struct {
	// running are those it has taken over, warm those of others whose changelog
	// it has read to the end.
	running, warm []int32
	// restored are the events whose effects it has read from changelogs.
	restored int64
}

func shardsOf(g gauge) shards {
	s := shards{restored: int64(g["highwater_replica_events_total"])}
	for name, value := range g {
		if shard, ok := shardIn(name, "highwater_shard_seq"); ok {
			s.running = append(s.running, shard)
		}
		if shard, ok := shardIn(name, "highwater_replica_lag_records"); ok && value == 0 {
			s.warm = append(s.warm, shard)
		}
	}
	slices.Sort(s.running)
	slices.Sort(s.warm)
	return s
}

// shardIn is the only label of a metric.
func shardIn(name, metric string) (int32, bool) {
	label, ok := strings.CutPrefix(name, metric+`{shard="`)
	n, err := strconv.ParseInt(strings.TrimSuffix(label, `"}`), 10, 32)
	return int32(n), ok && err == nil
}

// askShards asks processes. One that doesn't answer is starting.
func askShards(ctx context.Context, processes []*process) []shards {
	all := make([]shards, len(processes))
	for n, p := range processes {
		if g, err := readGauge(ctx, http.DefaultClient, "http://"+p.address+"/metrics"); err == nil {
			all[n] = shardsOf(g)
		}
	}
	return all
}

// awaitShards waits until the shards of processes are as they should be.
func (i *installation) awaitShards(ctx context.Context, processes []*process, holds func([]shards) bool) ([]shards, error) {
	look := time.NewTicker(sampleEvery)
	defer look.Stop()
	var before []shards
	for moved := time.Now(); ; {
		all := askShards(ctx, processes)
		if holds(all) {
			return all, nil
		}
		if !reflect.DeepEqual(all, before) {
			before, moved = all, time.Now()
		}
		if err := i.failed(); err != nil {
			return nil, err
		}
		if time.Since(moved) > silence {
			return nil, fmt.Errorf("nothing was taken over or restored for %s: %+v of %d partitions", silence, all, i.Partitions)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-look.C:
		}
	}
}

// allRun reports whether every partition runs, and each processor has its share.
func (i *installation) allRun(all []shards) bool {
	n := 0
	for _, s := range all {
		if n += len(s.running); len(s.running) < int(i.Partitions)/len(all) {
			return false
		}
	}
	return n == int(i.Partitions)
}
