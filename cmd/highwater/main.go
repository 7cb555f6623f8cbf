// Highwater for people: try everything in one process, make topics, send and
// watch events, ask for balances and why they are so, prove the promise.
package main

import (
	"context"
	"os"

	"highwater/pkg/service"
)

// commands are what the program can do; each is in the file of its name.
type commands struct {
	Dev         devCommand    `cmd:"" help:"Run everything in this process, for trying: broker, registry, services and sample events."`
	Topics      topics        `cmd:"" help:"Make the topics that Highwater needs."`
	Send        send          `cmd:"" help:"Send events to Kafka, or to the ingest service."`
	Tail        tail          `cmd:"" help:"Show records of a topic as they are committed."`
	Balance     balance       `cmd:"" help:"Ask for a user's balance, now or at any time."`
	Explain     explain       `cmd:"" help:"Ask how a user's balance came about."`
	Verify      verifyCommand `cmd:"" help:"Prove the promise: replay every event from zero, and compare."`
	DeadLetters deadLetters   `cmd:"" help:"Look at what could not be applied, and go on."`
	Bench       benchCommand  `cmd:"" help:"Measure throughput, CPU, memory and latency on this Kafka."`
	BenchFloor  floorCommand  `cmd:"" hidden:""`
}

var binary = service.Binary[commands]{
	Name:     "highwater",
	About:    "Events in, corrected balances out: for people who run Highwater, or try it.",
	LogLevel: "warn",
	Run:      run,
}

func run(ctx context.Context, p *service.Process, _ *commands) error {
	p.Parsed.BindTo(ctx, (*context.Context)(nil))
	return p.Parsed.Run(p)
}

func main() { os.Exit(binary.Main(context.Background(), service.FromOS())) }
