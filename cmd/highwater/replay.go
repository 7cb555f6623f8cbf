package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/plain"
	"highwater/pkg/service"
)

type deadLettersReplay struct {
	Position []string `arg:"" optional:"" help:"Which letters, by the position that list shows; none is all of a code."`
	Code     string   `name:"code" help:"All letters with this code, such as wrong_partition."`
	User     string   `name:"user" help:"Only letters with this key."`
	DryRun   bool     `name:"dry-run" help:"Show what would be sent, and send nothing."`
	Installation
}

// Help shows how it is used.
func (deadLettersReplay) Help() string {
	return examples("It sends letters to their topics again, untouched, each to the partition of its key: for those whose reason is gone, such as a wrong partition, "+
		"a clock that was ahead, or a schema that is known by now. Letters that are equal are sent once. What still can't be applied becomes a dead letter again, "+
		"and what was applied meanwhile has no effect.",
		"highwater dead-letters replay --code wrong_partition --dry-run",
		"highwater dead-letters replay subtracts/3/1024 grants/0/77")
}

// Validate asks for a choice: all letters would hardly ever be meant.
func (d deadLettersReplay) Validate() error {
	if (len(d.Position) == 0) == (d.Code == "") {
		return errors.New("dead-letters replay: name positions, or a --code")
	}
	if _, ok := event.ParseCode(d.Code); !ok {
		return fmt.Errorf("--code: there is no code %q", d.Code)
	}
	for _, position := range d.Position {
		if _, err := kafka.ParsePosition(position); err != nil {
			return err
		}
	}
	return nil
}

// Run sends.
func (d *deadLettersReplay) Run(ctx context.Context, p *service.Process) error {
	client, err := d.connect(ctx, p, func(common []kgo.Opt) []kgo.Opt {
		return append(kafka.FollowerOptions(common), kgo.RecordPartitioner(kgo.ManualPartitioner()),
			kgo.ProducerBatchMaxBytes(kafka.MaxInputBytes), kgo.RecordDeliveryTimeout(deliverWithin))
	})
	if err != nil {
		return err
	}
	defer client.Close()
	partitions, err := d.partitions(ctx, client)
	if err != nil {
		return err
	}
	missing := slices.Clone(d.Position)
	sent := make(map[[sha256.Size]byte]bool)
	letters := stream{output: kafka.DeadLetters}
	r := reading{
		streams: map[string]stream{letters.name(d.names()): letters}, client: client, user: d.User,
		flush: func() error { return nil },
		show: func(_ stream, record *kgo.Record) error {
			letter := readDeadLetter(record, d.names())
			if d.Code != "" && letter.Code != d.Code || d.Code == "" && !slices.Contains(d.Position, letter.Position) {
				return nil
			}
			missing = slices.DeleteFunc(missing, func(s string) bool { return s == letter.Position })
			original, err := letter.original(record)
			if err != nil {
				return err
			}
			equal := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", original.Topic, original.Key, original.Value))
			if sent[equal] {
				return nil
			}
			sent[equal] = true
			fmt.Fprintln(p.Stdout, letter.line())
			if d.DryRun {
				return nil
			}
			original.Partition = kafka.PartitionOf(original.Key, partitions)
			if err := client.ProduceSync(ctx, original).FirstErr(); err != nil {
				return fmt.Errorf("send %s again: %w", letter.Position, err)
			}
			return nil
		},
	}
	if err := r.begin(ctx, &tail{Installation: d.Installation, FromBeginning: true, StopAtEnd: true}); err != nil {
		return err
	}
	if err := r.run(ctx); err != nil {
		return err
	}
	what := "sent again"
	if d.DryRun {
		what = "would be sent again"
	}
	fmt.Fprintf(p.Stdout, "%s %s\n", plain.Count(len(sent), "letter", "letters"), what)
	if len(missing) > 0 {
		return service.Usagef("there is no dead letter of %v", missing)
	}
	return nil
}
