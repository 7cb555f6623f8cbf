package main

import (
	"context"

	"highwater/pkg/dev"
	"highwater/pkg/service"
)

type devCommand struct {
	dev.Settings
}

// Help shows how it is used.
func (devCommand) Help() string {
	return examples("An embedded broker, a schema registry and the three services, on this machine's loopback address alone. It is for trying and for learning: "+
		"the broker is an imitation, and a crash can tear its transactions. Ctrl-C ends it.",
		"highwater dev --sample",
		"highwater dev --data-dir ./try",
		"highwater dev --kafka-port 0 --ingest-port 0 --query-port 0 --processor-port 0 --registry-port 0")
}

// Run runs everything.
func (d *devCommand) Run(ctx context.Context, p *service.Process) error {
	return dev.Run(ctx, p, &d.Settings)
}
