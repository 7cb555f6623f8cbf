package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"highwater/pkg/bench"
	"highwater/pkg/kafka"
	"highwater/pkg/service"
)

type benchCommand struct {
	Workload     string        `name:"workload" default:"catch-up" enum:"catch-up,uniform,late-heavy,live,scale,restore,takeover,query,spend" help:"What is measured; see above."`
	Runs         int           `name:"runs" default:"1" min:"1" max:"100" help:"How often, with the same events; medians are told."`
	Events       int           `name:"events" default:"0" min:"0" help:"How many events are in Kafka before the processors start; 0 is as many as the workload says."`
	Users        int           `name:"users" default:"0" min:"0" help:"How many users they are of; 0 is as many as the workload says."`
	Opened       bool          `name:"opened" default:"true" help:"Give every user credits before the first event."`
	Rates        []int         `name:"rates" help:"Events a second at which latency is measured, or that come while takeover and query measure, separated by commas; none is as the workload says."`
	Rounds       int           `name:"rounds" default:"0" min:"0" max:"1000" help:"How often restore restarts, and takeover takes over in each way; 0 is as often as the workload says."`
	Ways         []string      `name:"ways" help:"How takeover takes partitions from processors, separated by commas: kill, kill-standby, restart, handover; none is all of them, one after the other."`
	RateOver     time.Duration `name:"rate-over" default:"10s" min:"1s" max:"1h" help:"For how long latency is measured at each rate, and each kind of read."`
	Against      against       `embed:"" prefix:"against-"`
	Partitions   int32         `name:"partitions" default:"4" min:"1" max:"1024" help:"Partitions of the topics."`
	Processors   int           `name:"processors" default:"0" min:"0" max:"64" help:"How many processors are started; 0 is as many as the workload says."`
	Processor    string        `name:"processor" help:"Program of the processor; none is the one beside this program, or on the path."`
	QueryProgram string        `name:"query-program" help:"Program of the query service, for query; none is the one beside this program, or on the path."`
	Clients      int           `name:"clients" default:"0" min:"0" max:"10000" help:"How many connections ask at a time, each as soon as it has its answer, for query; 0 is 16."`
	Compression  string        `name:"compression-type" default:"none" enum:"none,lz4,snappy,zstd" help:"How the processors, and the floor, compress what they write."`
	Seed         uint64        `name:"seed" default:"1" help:"Equal seeds make equal events."`
	Dump         string        `name:"dump" help:"Only write the events to this file, one a line, or to standard output where it is -."`
	Floor        bool          `name:"floor" default:"true" help:"Measure also how fast the same bytes go through the same protocol with nothing computed or stored; not for restore, takeover and query."`
	Verify       bool          `name:"verify" default:"true" help:"Prove each run's outputs as highwater verify does; one that is refused is a failure."`
	VerifyUpTo   int           `name:"verify-up-to" default:"5000000" min:"1" help:"Up to how many events that is done; more take too long, and are told as not verified."`
	Profile      string        `name:"profile" help:"Directory for profiles, of CPU and of what memory holds, of the first run's processors; not for restore, takeover, query and spend."`
	BrokerPID    int           `name:"broker-pid" default:"0" min:"0" help:"Process of a broker on this machine, whose CPU is measured too; 0 looks for one behind the bootstrap servers."`
	Keep         bool          `name:"keep" help:"Leave the topics where they are."`
	Output       string        `name:"output" default:"auto" enum:"auto,lines,json" help:"Lines for people, JSON for programs; auto asks whether a terminal listens."`
	spending
	proof
}

// defaultClients is how many connections ask where nobody says how many.
const defaultClients = 16

// against is what scale is compared with.
type against struct {
	Events int `name:"events" default:"0" min:"0" help:"How many events scale is compared with; 0 is as many as the workload says."`
	Users  int `name:"users" default:"0" min:"0" help:"How many users scale is compared with; 0 is as many as the workload says."`
}

// Help shows how it is used.
func (benchCommand) Help() string {
	return examples("It makes topics of its own, which it deletes at the end, fills them, starts processors, and measures. docs/benchmarks.md says what is measured and how, "+
		"docs/benchmarks/workloads.md which events there are. The processors take their other settings from the environment.\n\n"+
		"With --workload=restore it stops the processors and starts them again, with what they have on disk and without, --rounds times: how long until every partition runs, "+
		"until there is new output, and how many events a second are restored from the changelog, also by a core.\n\n"+
		"With --workload=takeover two processors take --rates events a second, and one loses its partitions, --rounds times in each of --ways: kill (kill -9; the other takes over when "+
		"the session ends, after 6 s), kill-standby (the same, and each follows the other's partitions), restart (kill -9, and the same one starts again at once), handover (SIGTERM). "+
		"How long until new output can be read, and the longest that an event waited.\n\n"+
		"With --workload=query the query service is asked for balances, now and at past times, by --clients for --rate-over each, and again while processors take --rates events a second: "+
		"requests a second, also by a core, how long they take, and how far the answers are behind. Answers are compared with what was published; a wrong one, or a request that fails, is a failure.\n\n"+
		"With --workload=spend it makes users who spend over HTTP on an installation that runs, says how long the answers take and where, and then verifies it. "+
		"The users and their events stay.",
		"highwater bench",
		"highwater bench --workload late-heavy --settled=false --output json",
		"highwater bench --workload uniform --dump events.ndjson",
		"highwater bench --workload takeover --rounds 5 --ways kill,restart",
		"highwater bench --workload query --clients 4 --rates 500,2000",
		"highwater bench --workload spend --spend-rate 500 --rate-over 1m",
		"HIGHWATER_MEMORY_BYTES=2GiB HIGHWATER_CACHE_BYTES=1GiB highwater bench --users 1000000")
}

// workload is the one that was asked for, with its numbers.
func (b *benchCommand) workload() bench.Workload {
	w, ok := bench.WorkloadOf(b.Workload)
	if !ok {
		panic(fmt.Sprintf("bench: %q is offered, and isn't there", b.Workload))
	}
	w.Events, w.Users, w.Opened = cmp.Or(b.Events, w.Events), cmp.Or(b.Users, w.Users), b.Opened
	w.Processors, w.Rounds = cmp.Or(b.Processors, w.Processors), cmp.Or(b.Rounds, w.Rounds)
	if len(b.Rates) > 0 {
		w.Rates = b.Rates
	}
	if len(b.Ways) > 0 {
		w.Ways = b.Ways
	}
	if w.Against.Users > 0 {
		w.Against.Users, w.Against.Events = cmp.Or(b.Against.Users, w.Against.Users), cmp.Or(b.Against.Events, w.Against.Events)
	}
	return w
}

// checkFlags refuses those that the workload would ignore.
func (b *benchCommand) checkFlags() error {
	for _, f := range []struct {
		name  string
		given bool
		of    []string
	}{
		{"rounds", b.Rounds > 0, []string{"restore", "takeover"}},
		{"ways", len(b.Ways) > 0, []string{"takeover"}},
		{"clients", b.Clients > 0, []string{"query"}},
		{"query-program", b.QueryProgram != "", []string{"query"}},
		{"against-users", b.Against.Users > 0, []string{"scale"}},
		{"against-events", b.Against.Events > 0, []string{"scale"}},
		{"profile", b.Profile != "", []string{"catch-up", "uniform", "late-heavy", "live", "scale"}},
	} {
		if f.given && !slices.Contains(f.of, b.Workload) {
			return service.Usagef("--%s: %s has no use for it, only %s: leave it out", f.name, b.Workload, strings.Join(f.of, ", "))
		}
	}
	if b.Workload == "spend" && b.Dump != "" {
		return service.Usagef("--dump: the events of spend are made as it goes: leave it out")
	}
	return nil
}

// Run measures.
func (b *benchCommand) Run(ctx context.Context, p *service.Process) error {
	if err := b.checkFlags(); err != nil {
		return err
	}
	if b.Workload == "spend" {
		return b.spend(ctx, p)
	}
	w := b.workload()
	if err := w.Check(); err != nil {
		return service.Usagef("--workload: %w", err)
	}
	if b.Workload == "takeover" && int(b.Partitions) < w.Processors {
		return service.Usagef("--partitions: %d; takeover needs one for each of %d processors", b.Partitions, w.Processors)
	}
	if b.Dump != "" {
		return b.dump(p, &w)
	}
	processor, err := program("processor", "processor", b.Processor)
	if err != nil {
		return err
	}
	query := ""
	if b.Workload == "query" {
		if query, err = program("query", "query-program", b.QueryProgram); err != nil {
			return err
		}
	}
	connection, err := b.Options()
	if err != nil {
		return err
	}
	if err := b.ping(ctx, connection); err != nil {
		return err
	}
	options := bench.Options{
		Name: benchName(), Client: kafka.CommonOptions(connection, p.Logger), Partitions: b.Partitions, Binary: processor, QueryBinary: query, Clients: cmp.Or(b.Clients, defaultClients),
		Environ: append(p.Environ, b.environ()...), Workload: w, Seed: b.Seed, Runs: b.Runs, Over: b.RateOver, Settled: b.Settled, Compression: b.Compression,
		BrokerPID: cmp.Or(b.BrokerPID, bench.FindBroker(ctx, b.BootstrapServers)), VerifyUpTo: b.VerifyUpTo, Profiles: b.Profile, Keep: b.Keep,
	}
	if b.Floor {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program, which is the floor's: %w", err)
		}
		options.Floor = []string{self, floorName}
	}
	if b.Verify {
		options.Verify = func(ctx context.Context, names kafka.Names, queries []string) (ok bool, said string, err error) {
			proof, lines := b.proof, &strings.Builder{}
			proof.ApplicationID, proof.TopicPrefix = names.Application, names.Prefix
			ok, err = proof.prove(ctx, p, queries, lines)
			return ok, lines.String(), err
		}
	}
	progress := newProgress(p.Stderr)
	result, err := bench.Run(ctx, options, func(format string, args ...any) { progress.tell(0, 0, fmt.Sprintf(format, args...)) })
	progress.end()
	if err != nil {
		return err
	}
	if err := b.show(p, result); err != nil {
		return err
	}
	if result.Refused() {
		return errBadRun
	}
	return nil
}

// dump writes the events that would be measured.
func (b *benchCommand) dump(p *service.Process, w *bench.Workload) (err error) {
	to := p.Stdout
	if b.Dump != "-" {
		file, err := os.Create(b.Dump)
		if err != nil {
			return service.Usagef("--dump: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		to = file
	}
	return bench.Dump(to, w, b.Seed)
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

// program finds the program of a service, which a flag may name.
func program(name, flag, given string) (string, error) {
	if given != "" {
		if _, err := os.Stat(given); err != nil {
			return "", service.Usagef("--%s: %w", flag, err)
		}
		return given, nil
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), name)
		if stat, err := os.Stat(beside); err == nil && stat.Mode().IsRegular() {
			return beside, nil
		}
	}
	found, err := exec.LookPath(name)
	if err != nil {
		return "", service.Usagef("--%s: there is no %s beside this program or on the path; `make build` makes one: %w", flag, name, err)
	}
	return found, nil
}

// environ hands on the settings that the processors must share.
func (b *benchCommand) environ() []string {
	var environ []string
	for _, s := range []struct{ name, value string }{
		{"bootstrap-servers", b.BootstrapServers}, {"security-protocol", b.SecurityProtocol},
		{"sasl-mechanism", b.SASLMechanism}, {"sasl-username", b.SASLUsername}, {"sasl-password", b.SASLPassword},
		{"ssl-ca-location", b.SSLCALocation}, {"ssl-certificate-location", b.SSLCertificateLocation}, {"ssl-key-location", b.SSLKeyLocation},
		{"ssl-endpoint-identification-algorithm", b.SSLEndpointIdentificationAlgorithm},
		{"settled", strconv.FormatBool(b.Settled)}, {"future-skew", service.FormatDuration(b.FutureSkew)},
		{"retention-horizon", service.FormatDuration(b.RetentionHorizon)}, {"policies-file", b.Policies.File},
		{"compression-type", b.Compression},
	} {
		environ = append(environ, service.EnvName(s.name)+"="+s.value)
	}
	return environ
}
