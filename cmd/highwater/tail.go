package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/service"
)

// endWithin bounds the wait for an open transaction at the end of a partition.
const endWithin = time.Minute

type tail struct {
	Topic         []string `arg:"" help:"Topics to show, without topic.prefix: entries, corrections, balances, settled, order-states, order-stats, alerts, watermarks, dead-letters, grants, subtracts, ledger, orders."`
	User          string   `name:"user" help:"Only this user's records; the other partitions aren't read."`
	FromBeginning bool     `name:"from-beginning" help:"Begin with the oldest record; else only new ones are shown."`
	StopAtEnd     bool     `name:"stop-at-end" help:"End once everything that was there at the start is shown."`
	Limit         int      `name:"limit" default:"0" min:"0" help:"End after so many records; 0 is without limit."`
	Output        string   `name:"output" default:"auto" enum:"auto,lines,json" help:"Lines for people, JSON for programs; auto asks whether a terminal listens."`
	Installation
}

// Help shows how it is used.
func (tail) Help() string {
	return examples("Only what was committed is shown, one record a line. With several topics, JSON says which topic each record is of. "+
		"The JSON of an input topic is what `highwater send` takes.",
		"highwater tail corrections",
		"highwater tail entries corrections --user alice --from-beginning",
		"highwater tail balances --from-beginning --stop-at-end --output json | jq .balance")
}

// stream is a topic as a person names it.
type stream struct {
	input  event.Topic
	output kafka.Output
}

func parseStream(name string) (stream, error) {
	if t, ok := event.ParseTopic(name); ok && t != event.Transfers {
		return stream{input: t}, nil
	}
	known := make([]string, 0, kafka.OutputCount+len(event.Inputs))
	for _, o := range kafka.Outputs() {
		if o.String() == name {
			return stream{output: o}, nil
		}
		known = append(known, o.String())
	}
	for _, t := range event.Inputs {
		known = append(known, t.String())
	}
	return stream{}, service.Usagef("topic %q: there are %s", name, strings.Join(known, ", "))
}

func (s stream) isInput() bool { return s.input != event.NoTopic }

func (s stream) name(names kafka.Names) string {
	if s.isInput() {
		return names.Input(s.input)
	}
	return names.Output(s.output)
}

// userOf is the user whom a record is about; none for what is about nobody.
func (s stream) userOf(key []byte) (string, bool) {
	if s.isInput() {
		return string(key), true
	}
	switch s.output {
	case kafka.OrderStats, kafka.Watermarks:
		return "", false
	case kafka.Balances, kafka.OrderStates:
		parts, err := codec.ParseKey(key)
		if err != nil || len(parts) == 0 {
			return "", false
		}
		return parts[0], true
	}
	return string(key), true
}

// Run shows records.
func (t *tail) Run(ctx context.Context, p *service.Process) error {
	streams := make(map[string]stream)
	for _, name := range t.Topic {
		s, err := parseStream(name)
		if err != nil {
			return err
		}
		if t.User != "" && !s.isInput() && (s.output == kafka.OrderStats || s.output == kafka.Watermarks) {
			return service.Usagef("--user: %s has no records of single users", name)
		}
		streams[s.name(t.names())] = s
	}
	view, err := t.newView(ctx, p, len(streams) > 1)
	if err != nil {
		return err
	}
	client, err := t.connect(ctx, p, kafka.FollowerOptions)
	if err != nil {
		return err
	}
	defer client.Close()
	r := reading{streams: streams, client: client, limit: t.Limit, user: t.User, show: view.show, flush: view.to.Flush}
	if err := r.begin(ctx, t); err != nil {
		return err
	}
	err = r.run(ctx)
	return errors.Join(err, view.to.Flush())
}

func (t *tail) newView(ctx context.Context, p *service.Process, several bool) (*view, error) {
	decoder, err := t.decoder(ctx)
	if err != nil {
		return nil, err
	}
	asJSON := t.Output == "json" || t.Output == "auto" && !isTerminal(p.Stdout)
	return &view{to: bufio.NewWriter(p.Stdout), names: t.names(), decoder: decoder, asJSON: asJSON, several: several}, nil
}

// place is a partition of a topic.
type place struct {
	topic     string
	partition int32
}

// reading reads some partitions of some topics.
type reading struct {
	streams map[string]stream
	client  *kgo.Client
	user    string
	limit   int
	// ends are where to stop, of the partitions that aren't there yet; nil is
	// never.
	ends  map[place]int64
	shown int
	// show takes a record; flush is called when there are no more for now.
	show  func(stream, *kgo.Record) error
	flush func() error
}

// begin looks up where to start and to end, and starts.
func (r *reading) begin(ctx context.Context, t *tail) error {
	n, err := t.partitions(ctx, r.client)
	if err != nil {
		return err
	}
	topics := make([]string, 0, len(r.streams))
	for name := range r.streams {
		topics = append(topics, name)
	}
	slices.Sort(topics)
	if t.StopAtEnd {
		r.ends = make(map[place]int64)
	}
	from := kgo.NewOffset().AtEnd()
	if t.FromBeginning {
		from = kgo.NewOffset().AtStart()
	}
	// A letter lies where its record was found: its user may live elsewhere.
	_, scattered := r.streams[t.names().Output(kafka.DeadLetters)]
	consume := make(map[string]map[int32]kgo.Offset)
	for partition := range n {
		if r.user != "" && !scattered && partition != kafka.PartitionOf(r.user, n) {
			continue
		}
		ends, err := kafka.HighWatermarks(ctx, r.client, partition, topics...)
		if err != nil {
			return err
		}
		starts, err := kafka.StartOffsets(ctx, r.client, partition, topics...)
		if err != nil {
			return err
		}
		for _, topic := range topics {
			if t.StopAtEnd && t.FromBeginning && ends[topic] > starts[topic] {
				r.ends[place{topic, partition}] = ends[topic]
			}
			if consume[topic] == nil {
				consume[topic] = make(map[int32]kgo.Offset)
			}
			consume[topic][partition] = from
		}
	}
	r.client.AddConsumePartitions(consume)
	return nil
}

// run shows records until there are enough or the end is reached.
func (r *reading) run(ctx context.Context) error {
	for r.ends == nil || len(r.ends) > 0 {
		within, cancel := ctx, context.CancelFunc(func() {})
		if r.ends != nil {
			within, cancel = context.WithTimeout(ctx, endWithin)
		}
		fetches := r.client.PollFetches(within)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, e := range fetches.Errors() {
			if errors.Is(e.Err, context.DeadlineExceeded) {
				return fmt.Errorf("the end of %d partitions isn't reached, and nothing came for %s: a transaction may be open there",
					len(r.ends), service.FormatDuration(endWithin))
			}
			return fmt.Errorf("read %s/%d: %w", e.Topic, e.Partition, e.Err)
		}
		for records := fetches.RecordIter(); !records.Done(); {
			if err := r.take(records.Next()); err != nil {
				return err
			}
			if r.limit > 0 && r.shown == r.limit {
				return nil
			}
		}
		if err := r.flush(); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}

// take shows one record, if it is one to show.
func (r *reading) take(record *kgo.Record) error {
	at := place{record.Topic, record.Partition}
	if end, ok := r.ends[at]; r.ends != nil {
		if !ok || record.Offset >= end {
			return nil // what came after the start
		}
		if record.Offset+1 >= end {
			delete(r.ends, at)
		}
	}
	if record.Attrs.IsControl() {
		return nil
	}
	s := r.streams[record.Topic]
	if r.user != "" {
		if user, ok := s.userOf(record.Key); !ok || user != r.user {
			return nil
		}
	}
	r.shown++
	return r.show(s, record)
}
