package shard

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"highwater/pkg/event"
)

// I6: each topic's records come in their own order, and of two heads the one
// appended first, or that of the first topic, comes first.
func TestInboxOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b inbox
		left := make(map[event.Topic][]*kgo.Record)
		next := make(map[event.Topic]int64)
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			if b.empty() || rapid.Bool().Draw(t, "add") {
				topic := event.Topic(rapid.IntRange(int(event.Grants), int(event.Transfers)).Draw(t, "topic"))
				var records []*kgo.Record
				for range rapid.IntRange(0, 5).Draw(t, "records") {
					at := time.UnixMilli(rapid.Int64Range(0, 3).Draw(t, "millis"))
					records = append(records, &kgo.Record{Offset: next[topic], Timestamp: at})
					next[topic]++
				}
				b.add(topic, records)
				left[topic] = append(left[topic], records...)
				continue
			}
			topic, record := b.peek()
			if record != left[topic][0] {
				t.Fatalf("%v: offset %d instead of %d", topic, record.Offset, left[topic][0].Offset)
			}
			for other, records := range left {
				if len(records) == 0 {
					continue
				}
				d := records[0].Timestamp.Compare(record.Timestamp)
				if d < 0 || d == 0 && other < topic {
					t.Fatalf("%v came before %v, which was appended earlier", topic, other)
				}
			}
			b.drop(topic)
			left[topic] = left[topic][1:]
		}
		n := 0
		for _, records := range left {
			n += len(records)
		}
		if b.count != n || b.empty() != (n == 0) {
			t.Fatalf("count %d, %d are left", b.count, n)
		}
		b.reset()
		if !b.empty() {
			t.Fatal("not empty after reset")
		}
	})
}

func TestPacerSlowsDownUnderLoad(t *testing.T) {
	p := NewPacer(0)
	now := time.Unix(0, 0)
	for range 50 { // 10 a second
		now = now.Add(100 * time.Millisecond)
		if gap := p.Committed(now); gap != LeastGap {
			t.Fatalf("gap of %v at %.0f a second", gap, p.Rate(now))
		}
	}
	for _, c := range []struct {
		every       time.Duration
		least, most time.Duration
	}{
		{2500 * time.Microsecond, 1500 * time.Microsecond, 2500 * time.Microsecond}, // 400 a second
		{500 * time.Microsecond, 8 * time.Millisecond, 12 * time.Millisecond},       // 2,000
		{100 * time.Microsecond, maxGap, maxGap},                                    // 10,000
	} {
		var gap time.Duration
		for range 5 * time.Second / c.every {
			now = now.Add(c.every)
			gap = p.Committed(now)
		}
		if gap < c.least || gap > c.most {
			t.Errorf("gap of %v at %.0f a second", gap, p.Rate(now))
		}
	}
	if gap := p.Committed(now.Add(time.Minute)); gap != LeastGap {
		t.Errorf("gap of %v after a pause", gap)
	}
	if gap := NewPacer(time.Second).Committed(now); gap != time.Second {
		t.Errorf("gap of %v, one second was asked for", gap)
	}
}

// What a queue takes is bounded by what waits in it, also where it is never
// empty.
func TestInboxThatIsNeverEmpty(t *testing.T) {
	var b inbox
	offset := int64(0)
	fetch := func(n int) {
		var records []*kgo.Record
		for range n {
			records = append(records, &kgo.Record{Offset: offset})
			offset++
		}
		b.add(event.Grants, records)
	}
	b.begin(event.Grants, 0, 20_000)
	fetch(100)
	for want := int64(0); offset < 10_000; fetch(10) {
		for range 10 {
			topic, r := b.peek()
			if r.Offset != want {
				t.Fatalf("offset %d, expected %d", r.Offset, want)
			}
			want++
			b.drop(topic)
		}
	}
	if room := cap(b.queue(event.Grants).records); room > 1000 {
		t.Errorf("room for %d records where %d wait", room, b.count)
	}
	if n := b.backlog(); n != 20_000-offset+int64(b.count) {
		t.Errorf("a backlog of %d, expected what waits here (%d) and at the broker (%d)", n, b.count, 20_000-offset)
	}
}
