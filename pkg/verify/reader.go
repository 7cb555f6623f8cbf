package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/kafka"
)

// stalledAfter is how long a reader waits for a record that the broker says is
// there. It is more than an open transaction may last.
const stalledAfter = 2 * kafka.TransactionTimeout

// reader reads one partition of some topics, committed records only.
type reader struct {
	client    *kgo.Client
	partition int32
	// next are the offsets behind what was read, by topic.
	next   map[string]int64
	tamper func(*kgo.Record) []*kgo.Record
}

// newReader reads from the first offsets that are there.
func (v *verifier) newReader(ctx context.Context, partition int32, topics ...string) (*reader, error) {
	starts, err := kafka.StartOffsets(ctx, v.client, partition, topics...)
	if err != nil {
		return nil, err
	}
	from := make(map[string]map[int32]kgo.Offset, len(topics))
	for _, topic := range topics {
		from[topic] = map[int32]kgo.Offset{partition: kgo.NewOffset().At(starts[topic])}
	}
	own, err := kgo.NewClient(append(kafka.FollowerOptions(v.Client), kgo.ConsumePartitions(from))...)
	if err != nil {
		return nil, fmt.Errorf("reader of partition %d: %w", partition, err)
	}
	return &reader{client: own, partition: partition, next: starts, tamper: v.tamper}, nil
}

func (r *reader) close() { r.client.Close() }

// readToEnd reads up to the ends as they are now.
func (r *reader) readToEnd(ctx context.Context, client *kgo.Client, take func(*kgo.Record)) error {
	topics := make([]string, 0, len(r.next))
	for topic := range r.next {
		topics = append(topics, topic)
	}
	ends, err := kafka.HighWatermarks(ctx, client, r.partition, topics...)
	if err != nil {
		return err
	}
	return r.readTo(ctx, ends, take)
}

// readTo reads at least up to the given ends, and hands on every record that
// isn't a marker.
func (r *reader) readTo(ctx context.Context, ends map[string]int64, take func(*kgo.Record)) error {
	for {
		missing := ""
		for topic, end := range ends {
			if r.next[topic] < end {
				missing = topic
			}
		}
		if missing == "" {
			return nil
		}
		read, err := r.poll(ctx, take)
		if err != nil {
			return err
		}
		if read == 0 {
			return fmt.Errorf("read %s/%d: at offset %d of %d nothing comes", missing, r.partition, r.next[missing], ends[missing])
		}
	}
}

// poll reads what comes next; 0 where nothing came for long.
func (r *reader) poll(ctx context.Context, take func(*kgo.Record)) (read int, err error) {
	waiting, cancel := context.WithTimeout(ctx, stalledAfter)
	defer cancel()
	for read == 0 && waiting.Err() == nil {
		fetches := r.client.PollFetches(waiting)
		fetches.EachError(func(topic string, partition int32, failed error) {
			if waiting.Err() == nil && kafka.ClassOf(failed) != kafka.Retry && !errors.Is(failed, context.DeadlineExceeded) {
				err = fmt.Errorf("read %s/%d: %w", topic, partition, failed)
			}
		})
		if err != nil {
			return read, err
		}
		for record := range fetches.RecordsAll() {
			read++
			r.next[record.Topic] = record.Offset + 1
			switch {
			case record.Attrs.IsControl():
			case r.tamper != nil:
				for _, spoilt := range r.tamper(record) {
					take(spoilt)
				}
			default:
				take(record)
			}
		}
	}
	return read, ctx.Err()
}
