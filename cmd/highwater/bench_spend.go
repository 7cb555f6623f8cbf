package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"highwater/pkg/bench"
	"highwater/pkg/service"
)

// errBadRun is the end of a measurement of something that isn't right.
var errBadRun = errors.New("the run is not good: answers and what was published disagree, or the promise is broken")

// spending are the settings of the workload of spends.
type spending struct {
	Ingest    string   `name:"ingest" default:"http://127.0.0.1:8081" help:"Address of the ingest service that spends go to."`
	Query     string   `name:"query" default:"http://127.0.0.1:8082" help:"Address of the query service."`
	Admin     []string `name:"admin" default:"http://127.0.0.1:8083" help:"Addresses of all processors, whose metrics are read, separated by commas."`
	SpendRate int      `name:"spend-rate" default:"200" min:"1" max:"100000" help:"Spends a second."`
	Spenders  int      `name:"spenders" default:"100" min:"1" max:"1000000" help:"How many users spend, in turn."`
}

// options checks the addresses.
func (s *spending) options() (bench.SpendOptions, error) {
	o := bench.SpendOptions{Prefix: benchName(), Users: s.Spenders, Rate: s.SpendRate}
	var errs []error
	address := func(flag, text string) string {
		checked, err := endpoint(flag, text, "")
		errs = append(errs, err)
		return checked
	}
	o.Ingest, o.Query = address("--ingest", s.Ingest), address("--query", s.Query)
	for _, text := range s.Admin {
		o.Admin = append(o.Admin, address("--admin", text))
	}
	return o, errors.Join(errs...)
}

// spend measures spends, and verifies the installation.
func (b *benchCommand) spend(ctx context.Context, p *service.Process) error {
	o, err := b.options()
	if err != nil {
		return err
	}
	o.Over = b.RateOver
	progress := newProgress(p.Stderr)
	say := func(format string, args ...any) { progress.tell(0, 0, fmt.Sprintf(format, args...)) }
	result, err := bench.Spend(ctx, o, say)
	if err != nil {
		progress.end()
		return err
	}
	say("verifying")
	var lines strings.Builder
	ok, err := b.prove(ctx, p, []string{o.Query}, &lines)
	progress.end()
	if err != nil {
		return err
	}
	result.Judge(ok)
	if err := b.show(p, result); err != nil || result.Good {
		return err
	}
	for line := range strings.Lines(lines.String()) {
		if !strings.HasPrefix(line, "ok") {
			fmt.Fprint(p.Stderr, line)
		}
	}
	return errBadRun
}
