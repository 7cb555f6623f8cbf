package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// transaction is one that was committed, as the changelog has it.
type transaction struct {
	partition int32
	// at is when the broker wrote its marker, processedAt when it was begun.
	at          time.Time
	processedAt event.Time
	events      int64
	bytes       int64 // of the changelog's records
}

// sampleBytes is how much of what was written is kept, of each topic, to be
// written again by a floor. It is more than lz4 and snappy look back.
const sampleBytes = 1 << 20

// stretch is what is measured: from the first transaction committed after all
// accounts were opened to the last that took events. The first one's events
// are left out: when their work began isn't known.
type stretch struct {
	first, last time.Time
	// counted are the transactions behind the first, events what they took.
	counted []transaction
	events  int64
	// all are the events of all transactions, also of those before and behind
	// the stretch, by partition.
	all map[int32]int64
	// begun are when each partition's first and last counted transactions were.
	begun map[int32][2]event.Time
}

func (s *stretch) seconds() float64 { return s.last.Sub(s.first).Seconds() }

// perSecond is how many events a second were taken.
func (s *stretch) perSecond() float64 { return over(float64(s.events), s.seconds()) }

// over is a quotient, 0 where there is nothing to divide by.
func over(n, by float64) float64 {
	if by <= 0 {
		return 0
	}
	return n / by
}

// taken is how many events there were in all.
func (s *stretch) taken() (n int64) {
	for _, of := range s.all {
		n += of
	}
	return n
}

// measured finds the stretch; opened is how many events opened accounts in each
// partition, total how many there were before anything started.
func measured(transactions []transaction, opened map[int32]int64, total int64) (*stretch, error) {
	slices.SortStableFunc(transactions, func(a, b transaction) int { return a.at.Compare(b.at) })
	s := &stretch{all: make(map[int32]int64), begun: make(map[int32][2]event.Time)}
	seen, opening := int64(0), maps.Clone(opened)
	for i := range transactions {
		t := &transactions[i]
		done := seen >= total
		seen += t.events
		if s.all[t.partition] += t.events; s.all[t.partition] >= opening[t.partition] {
			delete(opening, t.partition)
		}
		switch {
		case t.events == 0 || done:
		case s.first.IsZero():
			if len(opening) == 0 {
				s.first = t.at
			}
		default:
			s.last = t.at
			s.events += t.events
			s.counted = append(s.counted, *t)
			begun, ok := s.begun[t.partition]
			if !ok {
				begun[0] = t.processedAt
			}
			s.begun[t.partition] = [2]event.Time{begun[0], t.processedAt}
		}
	}
	if s.events == 0 || s.seconds() <= 0 {
		return nil, errors.New("there were too few transactions to measure anything: take more events")
	}
	return s, nil
}

// readTransactions reads a changelog from its beginning. It is read once all is
// over, and not while events are processed: it is a large part of what is
// written, and whoever reads it takes time from what is measured. rows are some
// that were written.
func readTransactions(ctx context.Context, common []kgo.Opt, names kafka.Names, partitions int32) (all []transaction, rows []byte, err error) {
	open := make(map[int32]*transaction)
	err = readAll(ctx, common, names.Changelog(), partitions, 0, func(record *kgo.Record) error {
		t := open[record.Partition]
		if record.Attrs.IsControl() {
			// Behind an aborted transaction's marker nothing is open.
			if t != nil {
				t.at = record.Timestamp
				all = append(all, *t)
				delete(open, record.Partition)
			}
			return nil
		}
		r, err := kafka.DecodeChangelogRecord(record.Value)
		if err != nil {
			return err
		}
		if t == nil {
			t = &transaction{partition: record.Partition, processedAt: r.ProcessedAt, events: int64(r.Events)}
			open[record.Partition] = t
		}
		t.bytes += recordSize(record)
		// The newest are kept: the oldest opened accounts.
		if rows = append(rows, r.Batch...); len(rows) > 2*sampleBytes {
			rows = append(rows[:0], rows[len(rows)-sampleBytes:]...)
		}
		return nil
	})
	return all, rows, err
}

// has reports whether a record is of the stretch. It has the time at which its
// transaction was begun, in milliseconds.
func (s *stretch) has(r *kgo.Record) bool {
	const millis = second / 1000
	begun, ok := s.begun[r.Partition]
	at := event.Time(r.Timestamp.UnixMilli())
	return ok && !r.Attrs.IsControl() && at >= begun[0]/millis && at <= begun[1]/millis
}

// millis is when the stretch's first transactions were begun.
func (s *stretch) millis() int64 {
	at := event.MaxTime
	for _, begun := range s.begun {
		at = min(at, begun[0])
	}
	return int64(at / (second / 1000))
}

// recordSize is what a record's producer gave: key, value and headers.
func recordSize(r *kgo.Record) int64 {
	n := len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return int64(n)
}

// follow reads a topic's first partitions, committed records and markers only.
func follow(common []kgo.Opt, topic string, partitions int32, from kgo.Offset) (*kgo.Client, error) {
	offsets := make(map[int32]kgo.Offset, partitions)
	for p := range partitions {
		offsets[p] = from
	}
	return followFrom(common, topic, offsets)
}

func followFrom(common []kgo.Opt, topic string, offsets map[int32]kgo.Offset) (*kgo.Client, error) {
	client, err := kgo.NewClient(append(kafka.FollowerOptions(common), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}))...)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return client, nil
}

// readAll hands out a topic's first partitions as they are now, markers too,
// from the first record on whose time is millis or later.
func readAll(ctx context.Context, common []kgo.Opt, topic string, partitions int32, millis int64, take func(*kgo.Record) error) error {
	client, err := kgo.NewClient(common...)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	defer client.Close()
	from := make(map[int32]kgo.Offset, partitions)
	missing := make(map[int32]int64, partitions) // ends that weren't reached
	starts, err := kadm.NewClient(client).ListOffsetsAfterMilli(ctx, millis, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return fmt.Errorf("ask for offsets of %s: %w", topic, err)
	}
	for p := range partitions {
		end, err := kafka.HighWatermark(ctx, client, topic, p)
		if err != nil {
			return err
		}
		if start, ok := starts.Lookup(topic, p); ok && start.Offset < end {
			from[p] = kgo.NewOffset().At(start.Offset)
			missing[p] = end
		}
	}
	if len(missing) == 0 {
		return nil
	}
	reader, err := followFrom(common, topic, from)
	if err != nil {
		return err
	}
	defer reader.Close()
	return each(ctx, reader, silence, func(record *kgo.Record) error {
		if record.Offset+1 >= missing[record.Partition] {
			delete(missing, record.Partition)
		}
		return take(record)
	}, func() bool { return len(missing) == 0 })
}

// each reads until done says so, unless nothing comes for a while.
func each(ctx context.Context, client *kgo.Client, patience time.Duration, take func(*kgo.Record) error, done func() bool) error {
	for !done() {
		within, cancel := context.WithTimeout(ctx, patience)
		fetches := client.PollFetches(within)
		cancel()
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, e := range fetches.Errors() {
			if errors.Is(e.Err, context.DeadlineExceeded) {
				return fmt.Errorf("nothing was committed for %s", patience)
			}
			return fmt.Errorf("read %s/%d: %w", e.Topic, e.Partition, e.Err)
		}
		for records := fetches.RecordIter(); !records.Done(); {
			record := records.Next()
			if err := take(record); err != nil {
				return fmt.Errorf("read %s/%d/%d: %w", record.Topic, record.Partition, record.Offset, err)
			}
		}
	}
	return nil
}

// silence is how long nothing may happen before a measurement is given up.
const silence = time.Minute
