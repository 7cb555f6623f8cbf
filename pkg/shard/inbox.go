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
}

// queue holds one partition's records in the order of their offsets.
type queue struct {
	records []*kgo.Record
	next    int
	// headMillis is the append time of the record that comes next.
	headMillis int64
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
	b.count += len(records)
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

// drop takes away what peek showed.
func (b *inbox) drop(t event.Topic) {
	q := &b.queues[t-event.Grants]
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
	b.count = 0
}
