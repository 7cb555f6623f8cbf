package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"highwater/pkg/bench"
	"highwater/pkg/kafka"
	"highwater/pkg/service"
)

// floorName is how a benchmark calls its floor, a process of its own.
const floorName = "bench-floor"

type floorCommand struct {
	Plan string `arg:"" help:"File that says what to move."`
	// Compression is the processors'.
	Compression string `name:"compression-type" default:"none" enum:"none,lz4,snappy,zstd" help:"Compression of what is written."`
	service.Kafka
}

// Run moves what the plan says until it is told to stop.
func (f *floorCommand) Run(ctx context.Context, p *service.Process) error {
	text, err := os.ReadFile(f.Plan)
	if err != nil {
		return service.Usagef("plan: %w", err)
	}
	var plan bench.FloorPlan
	if err := json.Unmarshal(text, &plan); err != nil {
		return service.Usagef("plan: %w", err)
	}
	connection, err := f.Options()
	if err != nil {
		return err
	}
	compression, err := kafka.Compression(f.Compression)
	if err != nil {
		return service.Usagef("%w", err)
	}
	if err := bench.RunFloor(ctx, append(kafka.CommonOptions(connection, p.Logger), compression), &plan); err != nil {
		return fmt.Errorf("move what the plan says: %w", err)
	}
	return nil
}
