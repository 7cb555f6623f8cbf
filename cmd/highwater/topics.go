package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"highwater/pkg/kafka"
	"highwater/pkg/service"
)

// applyWithin bounds making and checking all topics.
const applyWithin = 2 * time.Minute

type topics struct {
	Apply topicsApply `cmd:"" help:"Create the topics that are missing, and check those that exist."`
}

type topicsApply struct {
	Installation
	service.Topics
}

// Help shows how it is used.
func (topicsApply) Help() string {
	return examples("It may be run any number of times: a topic that exists is never changed. Where one isn't as it must be, nothing is created, "+
		"and the exit status is 3.",
		"highwater topics apply",
		"highwater topics apply --bootstrap-servers kafka-1:9092 --partitions 8 --replication-factor 3",
		"highwater topics apply --topic-prefix staging. --application-id staging")
}

// Run makes the topics.
func (t *topicsApply) Run(ctx context.Context, p *service.Process) error {
	client, err := t.connect(ctx, p, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	within, cancel := context.WithTimeout(ctx, applyWithin)
	defer cancel()
	applied, err := kafka.Apply(within, client, kafka.Catalogue(t.names(), t.Partitions, t.ReplicationFactor))
	created := 0
	for _, topic := range applied {
		what := "exists "
		if topic.Created {
			what = "created"
			created++
		}
		fmt.Fprintf(p.Stdout, "%s  %s\n", what, topic.Topic)
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("topics: not done within %s: %w", service.FormatDuration(applyWithin), err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "%d topics of %d partitions: %d created, %d as they must be\n", len(applied), t.Partitions, created, len(applied)-created)
	return nil
}
