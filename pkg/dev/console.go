package dev

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/plain"
)

const (
	// tellEvery bounds how often a correction is told (I4).
	tellEvery = 700 * time.Millisecond
	// showEvery is how often the status is drawn anew.
	showEvery = 200 * time.Millisecond
)

// console tells what happens: corrections as they are committed, and how far
// the sample is.
type console struct {
	names      kafka.Names
	client     []kgo.Opt
	partitions int32
	registry   string
	screen     *screen
	sample     *sample // nil without one

	reader  *kgo.Client
	decoder codec.Decoder
	news    *news
	// marks are the partitions' watermarks.
	marks map[int32]event.Time
	// over is whether the end of the sample was told.
	over bool
}

// start reads from the end: what was corrected in an earlier run is old news.
func (c *console) start(ctx context.Context) error {
	from := make(map[int32]kgo.Offset, c.partitions)
	for partition := range c.partitions {
		from[partition] = kgo.NewOffset().AtEnd()
	}
	registry, err := kafka.NewRegistry(c.registry)
	if err != nil {
		return err
	}
	c.decoder.SchemaByID = func(id uint32) (string, error) { return registry.SchemaByID(ctx, id) }
	options := append(kafka.FollowerOptions(c.client), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		c.names.Output(kafka.Corrections): from,
		c.names.Output(kafka.Watermarks):  from,
	}))
	c.reader, err = kgo.NewClient(options...)
	return err
}

// run tells until it is told to stop.
func (c *console) run(ctx context.Context) error {
	defer c.reader.Close()
	defer c.screen.show("")
	fetched := make(chan kgo.Fetches)
	go func() {
		defer close(fetched)
		for ctx.Err() == nil {
			select {
			case fetched <- c.reader.PollFetches(ctx):
			case <-ctx.Done():
			}
		}
	}()
	tell, show := time.NewTicker(tellEvery), time.NewTicker(showEvery)
	defer tell.Stop()
	defer show.Stop()
	for {
		select {
		case <-ctx.Done():
			for range fetched {
				continue // the goroutine ends before its client does
			}
			return ctx.Err()
		case fetches := <-fetched:
			if err := c.take(ctx, fetches); err != nil {
				return err
			}
		case <-tell.C:
			if line, ok := c.news.tell(); ok {
				c.screen.line("%s  %s", c.screen.faint(time.Now().UTC().Format(time.TimeOnly)), line)
			}
			c.tellEnd()
		case <-show.C:
			c.screen.show(c.status())
		}
	}
}

// take reads what was committed.
func (c *console) take(ctx context.Context, fetches kgo.Fetches) error {
	for _, e := range fetches.Errors() {
		if ctx.Err() == nil {
			return fmt.Errorf("read %s/%d: %w", e.Topic, e.Partition, e.Err)
		}
	}
	for records := fetches.RecordIter(); !records.Done(); {
		r := records.Next()
		if r.Attrs.IsControl() {
			continue
		}
		switch r.Topic {
		case c.names.Output(kafka.Corrections):
			var correction event.Correction
			if err := c.decoder.DecodeCorrection(r.Value, &correction); err != nil {
				return fmt.Errorf("read %s/%d/%d: %w", r.Topic, r.Partition, r.Offset, err)
			}
			c.news.add(&correction)
		case c.names.Output(kafka.Watermarks):
			var mark event.Watermark
			if err := c.decoder.DecodeWatermark(r.Value, &mark); err != nil {
				return fmt.Errorf("read %s/%d/%d: %w", r.Topic, r.Partition, r.Offset, err)
			}
			c.marks[r.Partition] = mark.At
		}
	}
	return nil
}

// status is how far everything is.
func (c *console) status() string {
	text := ""
	if c.sample != nil && c.sample.total() > 0 && !c.over {
		text = fmt.Sprintf("sample %s/%s  ", plain.Number(c.sample.sent.Load()), plain.Number(int64(c.sample.total())))
	}
	text += fmt.Sprintf("%s, %s rewritten",
		plain.Count(c.news.corrections, "late event", "late events"), plain.Count(c.news.entries, "entry", "entries"))
	if at := c.watermark(); at > 0 {
		text += "  complete up to " + plain.Clock(at, event.TimeOf(time.Now()))
	}
	return text
}

// watermark is that of the slowest partition; 0 until all have said one.
func (c *console) watermark() event.Time {
	if len(c.marks) < int(c.partitions) {
		return 0
	}
	least := event.MaxTime
	for _, at := range c.marks {
		least = min(least, at)
	}
	return least
}

// tellEnd says once that the sample is over.
func (c *console) tellEnd() {
	if c.sample == nil || c.over {
		return
	}
	select {
	case <-c.sample.done:
	default:
		return
	}
	c.over = true
	if c.sample.total() > 0 {
		c.screen.line("\nThe sample is over: of %s, %s rewrote balances, and changed %s said before. Everything goes on until Ctrl-C.",
			plain.Count(c.sample.total(), "record", "records"),
			plain.Count(c.news.corrections, "late event", "late events"), plain.Count(c.news.entries, "entry", "entries"))
	}
}
