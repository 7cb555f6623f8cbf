package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/plain"
	"highwater/pkg/service"
)

const (
	// deliverWithin is how long Kafka may take to record an event.
	deliverWithin = 30 * time.Second
	// complaints bounds how many refused events are told one by one.
	complaints = 20
)

type send struct {
	File           string `arg:"" optional:"" help:"File of events, one JSON object a line; none, or -, is the standard input."`
	Trace          bool   `name:"trace" help:"Send the sample instead: an hour of calls to an LLM service, ending now, with grants, orders, and events that come late, twice or broken."`
	Rate           int    `name:"rate" default:"0" min:"0" max:"10000000" help:"Most events a second; 0 is as fast as it goes."`
	Ingest         string `name:"ingest" help:"Send to the ingest service at this address, such as http://127.0.0.1:8081, instead of to Kafka."`
	Format         string `name:"format" default:"avro" enum:"avro,json" help:"How events are written to Kafka."`
	PartitionCheck bool   `name:"partition-check" help:"Let the Kafka client choose partitions by itself, and check each choice."`
	Installation
}

// Help shows how it is used.
func (send) Help() string {
	return examples("An event is one flat JSON object: type, event_id, user_id, occurred_at (now, if left out), and what its type needs. "+
		"Sending an event again is safe: its event_id counts once. A line that is no event is told and left out, and the exit status is 2.",
		`echo '{"type":"grant","event_id":"e1","user_id":"alice","grant_id":"g1","amount":100}' | highwater send`,
		"highwater send events.ndjson --rate 500",
		"highwater send events.ndjson --ingest http://127.0.0.1:8081",
		"highwater send --trace")
}

// Validate refuses what can't go together.
func (s send) Validate() error {
	if s.Trace && s.File != "" {
		return fmt.Errorf("--trace: it is sent instead of a file; leave %s out", s.File)
	}
	if s.Ingest != "" && s.PartitionCheck {
		return fmt.Errorf("--partition-check: with --ingest the service chooses partitions")
	}
	return nil
}

// Run sends.
func (s *send) Run(ctx context.Context, p *service.Process) error {
	var from source = newSample(s.Format == "json" || s.Ingest != "", s.Ingest == "")
	if !s.Trace {
		file, closer, err := openFile(p, s.File)
		if err != nil {
			return err
		}
		defer closer.Close()
		from = file
	}
	t := &tally{process: p, source: from, progress: newProgress(p.Stderr)}
	var err error
	if s.Ingest != "" {
		err = s.throughIngest(ctx, t)
	} else {
		err = s.toKafka(ctx, p, t)
	}
	return t.end(ctx, err)
}

// toKafka produces events.
func (s *send) toKafka(ctx context.Context, p *service.Process, t *tally) error {
	client, err := s.connect(ctx, p, s.producerOptions)
	if err != nil {
		return err
	}
	defer client.Close()
	// Users mustn't be sent where their events aren't.
	lineage, err := kafka.ReadLineage(ctx, client, s.names())
	if err != nil {
		return err
	}
	encoder := codec.SingleObject()
	err = t.each(ctx, s.Rate, func(i item) {
		record, refusal := s.record(i, lineage.Partitions, encoder)
		if refusal != nil {
			t.refuse(i.number, refusal)
			return
		}
		// A stop ends the reading; what is on its way may still arrive.
		client.Produce(context.WithoutCancel(ctx), record, func(r *kgo.Record, err error) {
			if want := kafka.PartitionOf(r.Key, lineage.Partitions); err == nil && r.Partition != want {
				err = fmt.Errorf("the client chose partition %d for user %q, who lives in %d", r.Partition, r.Key, want)
			}
			t.recorded(err)
		})
	})
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), deliverWithin)
	defer cancel()
	if flushErr := client.Flush(within); err == nil && flushErr != nil {
		err = fmt.Errorf("wait for Kafka: %w", flushErr)
	}
	return err
}

func (s *send) producerOptions(common []kgo.Opt) []kgo.Opt {
	partitioner := kgo.ManualPartitioner()
	if s.PartitionCheck {
		partitioner = kgo.StickyKeyPartitioner(nil)
	}
	return append(common,
		kgo.RecordPartitioner(partitioner),
		kgo.ProducerBatchMaxBytes(kafka.MaxInputBytes),
		kgo.ProducerLinger(5*time.Millisecond),
		kgo.RecordDeliveryTimeout(deliverWithin),
	)
}

// record is an item as it goes to Kafka.
func (s *send) record(i item, partitions int32, encoder *codec.Encoder) (*kgo.Record, *event.Refusal) {
	var r kgo.Record
	if i.ready != nil {
		r.Topic, r.Key, r.Value = s.names().Input(i.ready.Topic), i.ready.Key, i.ready.Value
	} else {
		var e event.Event
		if refusal := parse(i, &e); refusal != nil {
			return nil, refusal
		}
		r.Topic, r.Key = s.names().Input(e.Kind.Topic()), []byte(e.User)
		if s.Format == "json" {
			r.Value = append(r.Value, i.line...)
		} else {
			r.Value = encoder.AppendEvent(nil, &e)
		}
	}
	r.Partition = kafka.PartitionOf(r.Key, partitions)
	return &r, nil
}

func parse(i item, e *event.Event) *event.Refusal {
	if i.tooLong {
		return &event.Refusal{Code: event.Malformed, Message: fmt.Sprintf("the line is larger than %d bytes, which no event is", codec.MaxEventBytes)}
	}
	return codec.ParseEventJSON(i.line, event.TimeOf(time.Now()), e)
}

// tally counts what becomes of the events, and tells.
type tally struct {
	process  *service.Process
	source   source
	progress *progress

	sent atomic.Int64
	good atomic.Int64

	mu sync.Mutex
	// bad, lost and first are guarded by mu: events refused, events that were
	// not recorded, and why the first of those wasn't.
	bad, lost int64
	first     error
}

// readAhead is how many items wait to be sent.
const readAhead = 256

// each hands over every item, no faster than rate a second, until the source
// or the context ends.
func (t *tally) each(ctx context.Context, rate int, do func(item)) error {
	items, failed := t.read(ctx)
	began, n := time.Now(), int64(0)
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		var i item
		select {
		case next, ok := <-items:
			if !ok {
				return *failed
			}
			i = next
		case <-ctx.Done():
			return ctx.Err()
		}
		if rate > 0 {
			wait.Reset(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(rate))))
			select {
			case <-wait.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		do(i)
		n++
		t.sent.Store(n)
		if t.progress.due() {
			t.tell()
		}
	}
}

// read reads the source beside the sending: a person may type it, and a read
// can't be broken off. Once the items end, failed says why.
func (t *tally) read(ctx context.Context) (items <-chan item, failed *error) {
	ahead := make(chan item, readAhead)
	failed = new(error)
	go func() {
		defer close(ahead)
		for {
			i, ok, err := t.source.next()
			if err != nil || !ok {
				*failed = err
				return
			}
			select {
			case ahead <- i:
			case <-ctx.Done():
				*failed = ctx.Err()
				return
			}
		}
	}()
	return ahead, failed
}

func (t *tally) tell() {
	done, total := t.source.far()
	good := t.good.Load()
	text := fmt.Sprintf("%s recorded, %s", plain.Number(good), t.progress.pace(good))
	if bad := t.refused(); bad > 0 {
		text += fmt.Sprintf(", %s refused", plain.Number(bad))
	}
	t.progress.tell(done, total, text)
}

func (t *tally) refused() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bad
}

// recorded counts what Kafka has, or hasn't.
func (t *tally) recorded(err error) {
	if err == nil {
		t.good.Add(1)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost++
	if t.first == nil {
		t.first = err
	}
}

// refuse tells of an event that was left out.
func (t *tally) refuse(number int64, r *event.Refusal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bad++
	t.progress.end()
	switch {
	case t.bad <= complaints:
		fmt.Fprintf(t.process.Stderr, "line %d: %s\n", number, describe(r))
	case t.bad == complaints+1:
		fmt.Fprintln(t.process.Stderr, "more lines are refused, and counted only")
	}
}

// describe is a refusal in words.
func describe(r *event.Refusal) string {
	text := r.Code.String() + ": "
	if r.Field != "" {
		text += plain.Text(r.Field) + ": "
	}
	return text + plain.Text(r.Message)
}

// end says how it went, and makes the exit status.
func (t *tally) end(ctx context.Context, err error) error {
	t.progress.end()
	sent, good := t.sent.Load(), t.good.Load()
	t.mu.Lock()
	bad, lost, first := t.bad, t.lost, t.first
	t.mu.Unlock()
	if sent > 0 {
		fmt.Fprintf(t.process.Stdout, "recorded %s of %s in %.1f s (%s), refused %s\n",
			plain.Number(good), plain.Count(sent, "event", "events"), time.Since(t.progress.began).Seconds(), t.progress.pace(good), plain.Number(bad))
	}
	switch {
	case lost > 0:
		return fmt.Errorf("%s may not be recorded; sending all of them again is safe, each counts once: %w", plain.Count(lost, "event", "events"), first)
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	case bad > 0:
		return service.Usagef("%s refused; mend them and send them again", plain.Count(bad, "event was", "events were"))
	}
	return nil
}
