package main

import (
	"context"
	"errors"
	"io"
	"time"

	"highwater/pkg/kafka"
	"highwater/pkg/processor"
	"highwater/pkg/service"
	"highwater/pkg/verify"
)

// errRefuted is the end of a verification that found a counterexample.
var errRefuted = errors.New("the promise is broken: see the lines that begin with FAIL")

type verifyCommand struct {
	Query []string `name:"query" help:"Addresses of query services whose replicas must have the same hashes, such as http://127.0.0.1:8082, separated by commas."`
	proof
}

// proof are the settings of whoever verifies.
type proof struct {
	Wait             time.Duration `name:"wait" default:"1m" min:"1s" help:"How long the outputs may take to catch up with the inputs."`
	FutureSkew       time.Duration `name:"future-skew" default:"5m" help:"How far ahead of the clock an event time may be, as the processors have it."`
	RetentionHorizon time.Duration `name:"retention-horizon" default:"0s" help:"How far behind the watermark an event is still applied, as the processors have it; 0s is without limit."`
	Settled          bool          `name:"settled" default:"true" help:"Whether the processors write the settled topic."`
	service.Policies
	Installation
}

// Help shows how it is used.
func (verifyCommand) Help() string {
	return examples("It reads every topic, replays the inputs from zero with a second, simple implementation, and compares: nothing lost, nothing twice, "+
		"every balance right, every correction announced. It may run while events flow, and writes nothing. One line is printed a check; "+
		"a check that fails shows a counterexample, and the exit status is 1. Give it the settings that the processors have.",
		"highwater verify",
		"highwater verify --query http://127.0.0.1:8082 --policies-file policies.yaml")
}

// Run verifies.
func (v *verifyCommand) Run(ctx context.Context, p *service.Process) error {
	ok, err := v.prove(ctx, p, v.Query, p.Stdout)
	if err == nil && !ok {
		err = errRefuted
	}
	return err
}

// prove writes a line a check; it is false where one found a counterexample.
func (v *proof) prove(ctx context.Context, p *service.Process, queries []string, to io.Writer) (ok bool, err error) {
	policies, err := processor.LoadPolicies(v.Policies)
	if err != nil {
		return false, err
	}
	decoder, err := v.decoder(ctx)
	if err != nil {
		return false, err
	}
	connection, err := v.Options()
	if err != nil {
		return false, err
	}
	if err := v.ping(ctx, connection); err != nil {
		return false, err
	}
	for _, address := range queries {
		if _, err := endpoint("--query", address, ""); err != nil {
			return false, err
		}
	}
	return verify.Run(ctx, verify.Options{
		Names: v.names(), Client: kafka.CommonOptions(connection, p.Logger),
		Policies: policies, FutureSkew: v.FutureSkew.Microseconds(), Horizon: v.RetentionHorizon.Microseconds(), Settled: v.Settled,
		SchemaByID: decoder.SchemaByID, Wait: v.Wait, Queries: queries,
	}, to)
}
