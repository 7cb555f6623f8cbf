package shard

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// inbox holds what one poll brought until it is taken, in the order of append
// time, then topic. It is bounded by what a client reads ahead.
type inbox struct {
	queues [kafka.ReadTopics]queue
	count  int
	bytes  int
}

// queue holds one partition's records in the order of their offsets.
type queue struct {
	records []*kgo.Record
	next    int
	// headMillis is the append time of the record that comes next.
	headMillis int64
	// fetched is behind the newest record fetched, end is up to where the
	// broker had records for a reader then.
	fetched, end int64
}

// recordBytes is about what a record takes besides its key and value.
const recordBytes = 200

func sizeOf(r *kgo.Record) int { return recordBytes + len(r.Key) + len(r.Value) }

// saw takes note of up to where the broker has records of a topic.
func (b *inbox) saw(t event.Topic, end int64) { b.queues[t-event.Grants].end = end }

// lags reports whether a topic of which nothing is here has more at the
// broker: what is here of the others may have been appended after it.
func (b *inbox) lags() bool {
	for i := range b.queues {
		if q := &b.queues[i]; q.next == len(q.records) && q.fetched < q.end {
			return true
		}
	}
	return false
}

func (b *inbox) empty() bool { return b.count == 0 }

// add puts records of one topic at the end.
func (b *inbox) add(t event.Topic, records []*kgo.Record) {
	if len(records) == 0 {
		return
	}
	q := &b.queues[t-event.Grants]
	if q.next == len(q.records) {
		clear(q.records)
		q.records, q.next = q.records[:0], 0
		q.headMillis = records[0].Timestamp.UnixMilli()
	}
	q.records = append(q.records, records...)
	q.fetched = records[len(records)-1].Offset + 1
	b.count += len(records)
	for _, r := range records {
		b.bytes += sizeOf(r)
	}
}

// peek is the record to take next. REQUIRES: the inbox isn't empty.
func (b *inbox) peek() (event.Topic, *kgo.Record) {
	first := -1
	for i := range b.queues {
		q := &b.queues[i]
		if q.next < len(q.records) && (first < 0 || q.headMillis < b.queues[first].headMillis) {
			first = i
		}
	}
	q := &b.queues[first]
	return event.Grants + event.Topic(first), q.records[q.next]
}

// drop takes away what peek showed, which nobody may use afterwards.
func (b *inbox) drop(t event.Topic) {
	q := &b.queues[t-event.Grants]
	taken := q.records[q.next]
	b.bytes -= sizeOf(taken)
	taken.Recycle()
	q.records[q.next] = nil
	q.next++
	b.count--
	if q.next < len(q.records) {
		q.headMillis = q.records[q.next].Timestamp.UnixMilli()
	}
}

// reset forgets everything.
func (b *inbox) reset() {
	for i := range b.queues {
		clear(b.queues[i].records)
		b.queues[i] = queue{records: b.queues[i].records[:0]}
	}
	b.count, b.bytes = 0, 0
}
