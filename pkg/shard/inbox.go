package shard

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// inbox holds what polls brought until it is taken, in the order of append time,
// then topic. It is bounded by what a client reads ahead, and by leaving alone
// the topics that are ahead of others.
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
	bytes      int
	// fetched is behind the newest record fetched, end is up to where the
	// broker had records for a reader then. piece is how many offsets came last.
	fetched, end, piece int64
	// epoch is the leader's that appended the newest record fetched; -1 before.
	epoch int32
	// ahead tells that no more is fetched for now; polls counts those begun since
	// that isn't so any more, 0 once one brought something or a refetch was asked
	// for.
	ahead bool
	polls int
}

func (q *queue) empty() bool { return q.next == len(q.records) }

// lags reports whether nothing is here and the broker has more.
func (q *queue) lags() bool { return q.empty() && q.fetched < q.end }

// recordBytes is about what a record takes besides its key and value.
const recordBytes = 200

func sizeOf(r *kgo.Record) int { return recordBytes + len(r.Key) + len(r.Value) }

func (b *inbox) queue(t event.Topic) *queue { return &b.queues[t-event.Grants] }

// begin takes note of where a topic is read from and up to where the broker has
// records of it.
func (b *inbox) begin(t event.Topic, next, end int64) {
	q := b.queue(t)
	q.fetched, q.end, q.epoch = next, end, -1
}

// saw takes note of up to where the broker has records of a topic.
func (b *inbox) saw(t event.Topic, end int64) { b.queue(t).end = end }

// lags reports whether a topic of which nothing is here has more at the
// broker: what is here of the others may have been appended after it.
func (b *inbox) lags() bool {
	for i := range b.queues {
		if b.queues[i].lags() {
			return true
		}
	}
	return false
}

// backlog is how many records wait, here and at the broker as far as that is
// known; offsets without a record, such as markers, count as well.
func (b *inbox) backlog() int64 {
	n := int64(b.count)
	for i := range b.queues {
		q := &b.queues[i]
		n += max(q.end-q.fetched, 0)
	}
	return n
}

// goOn waits no longer for topics that lag.
func (b *inbox) goOn() {
	for i := range b.queues {
		if q := &b.queues[i]; q.lags() {
			q.end = q.fetched
		}
	}
}

// steering is what changes of which topics are fetched.
type steering struct {
	// pause are topics that are to be left alone, resume those that aren't any
	// more.
	pause, resume []event.Topic
	// refetch are those for which a fetch without them must end: it might wait
	// at the broker for news of others.
	refetch []event.Topic
}

// steer leaves topics alone while others lag: what was fetched of them would
// only lie here. It is called before each poll.
func (b *inbox) steer(room int) (s steering) {
	lags, soon := b.lags(), false
	for i := range b.queues {
		// The fetch under way brings the next piece, and may bring another one.
		q := &b.queues[i]
		soon = soon || q.lags() && !q.ahead && q.polls == 0 && q.piece > 0 && q.end-q.fetched > 2*q.piece
	}
	for i := range b.queues {
		q, topic := &b.queues[i], event.Grants+event.Topic(i)
		if q.polls > 0 {
			q.polls++
		}
		ahead := lags && (q.bytes > room || q.ahead && q.bytes > room/2)
		switch {
		case ahead && !q.ahead:
			s.pause = append(s.pause, topic)
			q.polls = 0
		case !ahead && q.ahead:
			s.resume = append(s.resume, topic)
			if q.polls = 1; !soon {
				s.refetch = append(s.refetch, topic)
				q.polls = 0
			}
		case q.polls > maxPollsWithout && q.lags():
			// Another broker's fetches came instead.
			s.refetch = append(s.refetch, topic)
			q.polls = 0
		}
		q.ahead = ahead
	}
	return s
}

// maxPollsWithout: the first may bring what was fetched without a topic, the
// second what was being fetched then.
const maxPollsWithout = 3

func (b *inbox) empty() bool { return b.count == 0 }

// add puts records of one topic at the end.
func (b *inbox) add(t event.Topic, records []*kgo.Record) {
	if len(records) == 0 {
		return
	}
	q := b.queue(t)
	if q.empty() {
		q.headMillis = records[0].Timestamp.UnixMilli()
	}
	if q.next >= len(q.records)/2 { // else a queue that is never empty grows for ever
		n := copy(q.records, q.records[q.next:])
		clear(q.records[n:])
		q.records, q.next = q.records[:n], 0
	}
	q.records = append(q.records, records...)
	fetched := records[len(records)-1].Offset + 1
	q.piece, q.fetched, q.epoch = fetched-q.fetched, fetched, records[len(records)-1].LeaderEpoch
	q.polls = 0
	b.count += len(records)
	for _, r := range records {
		q.bytes += sizeOf(r)
	}
}

// peek is the record to take next. REQUIRES: the inbox isn't empty.
func (b *inbox) peek() (event.Topic, *kgo.Record) {
	first := -1
	for i := range b.queues {
		q := &b.queues[i]
		if !q.empty() && (first < 0 || q.headMillis < b.queues[first].headMillis) {
			first = i
		}
	}
	q := &b.queues[first]
	return event.Grants + event.Topic(first), q.records[q.next]
}

// drop takes away what peek showed, which nobody may use afterwards.
func (b *inbox) drop(t event.Topic) {
	q := b.queue(t)
	taken := q.records[q.next]
	q.bytes -= sizeOf(taken)
	taken.Recycle()
	q.records[q.next] = nil
	q.next++
	b.count--
	if !q.empty() {
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
