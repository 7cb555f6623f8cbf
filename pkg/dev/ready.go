package dev

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"highwater/pkg/service"
)

const (
	// readyWithin bounds the start of the services.
	readyWithin = time.Minute
	askEvery    = 50 * time.Millisecond
)

// awaitReady waits until every service is ready.
func awaitReady(ctx context.Context, health *service.Health) error {
	within, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	again := time.NewTicker(askEvery)
	defer again.Stop()
	for {
		waiting := unready(within, health)
		if waiting == "" {
			return nil
		}
		select {
		case <-again.C:
		case <-within.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("not ready within %s: %s", service.FormatDuration(readyWithin), waiting)
		}
	}
}

// unready says what is waited for; "" where that is nothing but the start of
// the last component, which is who asks.
func unready(ctx context.Context, health *service.Health) string {
	checks := health.Ready(ctx).Checks
	delete(checks, "components")
	var waiting []string
	for _, name := range slices.Sorted(maps.Keys(checks)) {
		if said := checks[name]; said != "ok" {
			waiting = append(waiting, name+": "+said)
		}
	}
	return strings.Join(waiting, "; ")
}
