package main

import (
	"context"
	"fmt"
	"os/user"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/kafka"
	"highwater/pkg/service"
)

type deadLetters struct {
	List   deadLettersList   `cmd:"" help:"List dead letters: where they were, why, and what they hold."`
	Replay deadLettersReplay `cmd:"" help:"Send dead letters to their topics again, untouched."`
	Skip   deadLettersSkip   `cmd:"" help:"Let a partition go on past a record that stops it: the record becomes a dead letter."`
}

type deadLettersList struct {
	User   string `name:"user" help:"Only letters with this key."`
	Limit  int    `name:"limit" default:"0" min:"0" help:"End after so many; 0 is without limit."`
	Output string `name:"output" default:"auto" enum:"auto,lines,json" help:"Lines for people, JSON for programs; auto asks whether a terminal listens."`
	Installation
}

// Help shows how it is used.
func (deadLettersList) Help() string {
	return examples("JSON has the whole record: its value as text, or as value_base64 where it is none.",
		"highwater dead-letters list",
		"highwater dead-letters list --output json | jq -r .code | sort | uniq -c")
}

// Run lists.
func (d *deadLettersList) Run(ctx context.Context, p *service.Process) error {
	all := tail{
		Topic: []string{kafka.DeadLetters.String()}, User: d.User, Limit: d.Limit, Output: d.Output,
		FromBeginning: true, StopAtEnd: true, Installation: d.Installation,
	}
	return all.Run(ctx, p)
}

type deadLettersSkip struct {
	Position string `arg:"" help:"The record, as topic/partition/offset without topic.prefix, as the processor's message names it."`
	Reason   string `name:"reason" required:"" help:"Why, for whoever reads it later."`
	By       string `name:"by" help:"Who decides; none is who runs the command."`
	Installation
}

// Help shows how it is used.
func (deadLettersSkip) Help() string {
	return examples("For a record that nobody can read, such as one of an unknown schema: it stops its partition, since it may be somebody's money. "+
		"Skipped, it goes to dead-letters with the code quarantined, untouched, when its partition is next taken over; restart the processor that stopped.",
		`highwater dead-letters skip subtracts/3/1024 --reason "written by a test, ticket 77"`)
}

// Run records the decision.
func (d *deadLettersSkip) Run(ctx context.Context, p *service.Process) error {
	position, err := kafka.ParsePosition(d.Position)
	if err != nil {
		return &service.UsageError{Err: err}
	}
	by := d.By
	if by == "" {
		by = "unknown"
		if u, err := user.Current(); err == nil {
			by = u.Username
		}
	}
	client, err := d.connect(ctx, p, func(common []kgo.Opt) []kgo.Opt {
		return append(common, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RecordDeliveryTimeout(deliverWithin))
	})
	if err != nil {
		return err
	}
	defer client.Close()
	if err := d.check(ctx, client, position.Partition, d.names().Input(position.Topic), position.Offset); err != nil {
		return err
	}
	if err := kafka.ProduceSkip(ctx, client, d.names(), kafka.Skip{Position: position, By: by, Reason: d.Reason}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.Stdout, "%s will be skipped when its partition is next taken over\n", d.Position)
	return err
}

// check refuses a position where no record is.
func (d *deadLettersSkip) check(ctx context.Context, client *kgo.Client, partition int32, topic string, offset int64) error {
	n, err := d.partitions(ctx, client)
	if err != nil {
		return err
	}
	if partition >= n {
		return service.Usagef("position %s: there are %d partitions, from 0", d.Position, n)
	}
	end, err := kafka.HighWatermark(ctx, client, topic, partition)
	if err != nil {
		return err
	}
	if offset >= end {
		return service.Usagef("position %s: the partition ends at %d, no record is there yet", d.Position, end)
	}
	return nil
}
