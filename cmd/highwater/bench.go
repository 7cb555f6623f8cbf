package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"highwater/pkg/bench"
	"highwater/pkg/kafka"
	"highwater/pkg/service"
)

type benchCommand struct {
	Workload   string        `name:"workload" default:"events" enum:"events,spend" help:"events: throughput and latency of processors that are started; spend: latency of spends over HTTP, on an installation that runs."`
	Events     int           `name:"events" default:"1000000" min:"1" max:"1000000000" help:"How many events are in Kafka before the processors start."`
	Users      int           `name:"users" default:"100000" min:"1" max:"100000000" help:"How many users they are of."`
	Partitions int32         `name:"partitions" default:"8" min:"1" max:"1024" help:"Partitions of the topics."`
	Processors int           `name:"processors" default:"2" min:"1" max:"64" help:"How many processors are started."`
	Processor  string        `name:"processor" help:"Program of the processor; none is the one beside this program, or on the path."`
	Rate       int           `name:"rate" default:"1000" min:"0" max:"1000000" help:"Events a second while latency is measured; 0 leaves it out."`
	RateOver   time.Duration `name:"rate-over" default:"10s" min:"1s" max:"1h" help:"For how long latency is measured."`
	Seed       uint64        `name:"seed" default:"1" help:"Equal seeds make equal events."`
	BrokerPID  int           `name:"broker-pid" default:"0" min:"0" help:"Process of a broker on this machine, whose CPU is measured too."`
	Keep       bool          `name:"keep" help:"Leave the topics where they are."`
	Output     string        `name:"output" default:"auto" enum:"auto,lines,json" help:"Lines for people, JSON for programs; auto asks whether a terminal listens."`
	spending
	proof
}

// Help shows how it is used.
func (benchCommand) Help() string {
	return examples("It makes topics of its own, which it deletes at the end, fills them, starts processors, and measures: events a second, CPU for a million events "+
		"of each process, and the time from producing an event to reading its entry, read committed. 4 in 100 events are grants, 2 adds, 86 subtracts, "+
		"8 commands on orders; 2 come late by up to a minute, half of one is a duplicate. The processors take their other settings from the environment.\n\n"+
		"With --workload=spend it makes users who spend over HTTP, says how long the answers take and where, and then verifies the installation: "+
		"where an answer isn't what was published, or highwater verify fails, the exit status is 1. The users and their events stay.",
		"highwater bench",
		"highwater bench --workload spend --spend-rate 500 --rate-over 1m",
		"highwater bench --events 5000000 --processors 4 --output json",
		"HIGHWATER_CACHE_BYTES=1GiB highwater bench --users 1000000",
		`highwater bench --broker-pid "$(pgrep -f kafka.Kafka)"`)
}

// Run measures.
func (b *benchCommand) Run(ctx context.Context, p *service.Process) error {
	if b.Workload == "spend" {
		return b.spend(ctx, p)
	}
	program, err := b.program()
	if err != nil {
		return err
	}
	connection, err := b.Options()
	if err != nil {
		return err
	}
	if err := b.ping(ctx, connection); err != nil {
		return err
	}
	name := benchName()
	progress := newProgress(p.Stderr)
	result, err := bench.Run(ctx, bench.Options{
		Names: kafka.Names{Application: name, Prefix: name + "."}, Client: kafka.CommonOptions(connection, p.Logger),
		Partitions: b.Partitions, Processors: b.Processors, Binary: program, Environ: append(p.Environ, b.environ()...),
		Events: b.Events, Users: b.Users, Seed: b.Seed, Rate: b.Rate, Over: b.RateOver, BrokerPID: b.BrokerPID, Keep: b.Keep,
	}, func(format string, args ...any) { progress.tell(0, 0, fmt.Sprintf(format, args...)) })
	progress.end()
	if err != nil {
		return err
	}
	return b.show(p, result)
}

// benchName is one that nobody else has.
func benchName() string {
	var salt [4]byte
	_, _ = rand.Read(salt[:]) // never fails: crypto/rand ends the process instead
	return "bench-" + hex.EncodeToString(salt[:])
}

// show shows figures to people or programs.
func (b *benchCommand) show(p *service.Process, figures interface{ Print(io.Writer) }) error {
	if b.Output == "json" || b.Output == "auto" && !isTerminal(p.Stdout) {
		return json.NewEncoder(p.Stdout).Encode(figures)
	}
	figures.Print(p.Stdout)
	return nil
}

// program finds the processor.
func (b *benchCommand) program() (string, error) {
	const name = "processor"
	if b.Processor != "" {
		if _, err := os.Stat(b.Processor); err != nil {
			return "", service.Usagef("--processor: %w", err)
		}
		return b.Processor, nil
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), name)
		if stat, err := os.Stat(beside); err == nil && stat.Mode().IsRegular() {
			return beside, nil
		}
	}
	found, err := exec.LookPath(name)
	if err != nil {
		return "", service.Usagef("--processor: there is no %s beside this program or on the path; `make build` makes one: %w", name, err)
	}
	return found, nil
}

// environ hands the settings of Kafka on.
func (b *benchCommand) environ() []string {
	var environ []string
	for _, s := range []struct{ name, value string }{
		{"bootstrap-servers", b.BootstrapServers}, {"security-protocol", b.SecurityProtocol},
		{"sasl-mechanism", b.SASLMechanism}, {"sasl-username", b.SASLUsername}, {"sasl-password", b.SASLPassword},
		{"ssl-ca-location", b.SSLCALocation}, {"ssl-certificate-location", b.SSLCertificateLocation}, {"ssl-key-location", b.SSLKeyLocation},
		{"ssl-endpoint-identification-algorithm", b.SSLEndpointIdentificationAlgorithm},
	} {
		environ = append(environ, service.EnvName(s.name)+"="+s.value)
	}
	return environ
}
