package shard

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// A spend that was appended after its user's grant is decided after it, also
// where there are more grants between than one fetch brings.
func TestBacklogIsTakenInTheOrderOfAppending(t *testing.T) {
	c := newFakeCluster(t, 2)
	now := time.Now()
	users := c.usersOf(0, 21)
	random := rand.New(rand.NewPCG(1, 2)) // what can't be compressed
	var others []string
	for n := range 30_000 {
		id, source := make([]byte, 60), make([]byte, 60)
		for i := range id {
			id[i], source[i] = byte(random.Uint32()), byte(random.Uint32())
		}
		event := grantJSON(users[20], hex.EncodeToString(id), now.Add(time.Duration(n)*time.Microsecond), 1)
		others = append(others, strings.TrimSuffix(event, "}")+fmt.Sprintf(`,"source":%q}`, hex.EncodeToString(source)))
	}
	c.send(event.Grants, users[20], others...)
	for i, u := range users[:20] {
		c.send(event.Grants, u, grantJSON(u, fmt.Sprintf("g%d", i), now, 10))
	}
	until(t, "the clock of the append times goes on", func() bool { return time.Since(now) > 5*time.Millisecond })
	for i, u := range users[:20] {
		c.send(event.Ledger, u, fmt.Sprintf(`{"type":"spend","event_id":"s%d","user_id":%q,"occurred_at":%d,"amount":10}`, i, u, now.UnixMicro()+1))
	}
	r := c.read(c.names.Output(kafka.Entries), 0)
	c.run(0, newDisk(), nil)
	spends := 0
	for spends < 20 {
		for _, e := range r.entries(1) {
			if e.Kind != event.Spend {
				continue
			}
			spends++
			if e.Outcome != event.Accepted {
				t.Fatalf("%s of %s is %s (%s), though its grant was appended before", e.EventID, e.UserID, e.Outcome, e.Code)
			}
		}
	}
}

// What lags is known by where a topic ends at the broker.
func TestInboxLags(t *testing.T) {
	var b inbox
	record := func(offset int64) []*kgo.Record { return []*kgo.Record{{Offset: offset}} }
	check := func(want bool, when string) {
		t.Helper()
		if b.lags() != want {
			t.Errorf("lags is %v where %s", !want, when)
		}
	}
	check(false, "nothing was fetched")
	b.add(event.Ledger, record(0))
	b.saw(event.Ledger, 1)
	check(false, "one topic came whole")
	b.add(event.Grants, record(0))
	b.saw(event.Grants, 2)
	check(false, "a topic that has more has something here")
	b.drop(event.Grants)
	check(true, "a topic that has more has nothing here")
	b.add(event.Grants, record(1))
	b.saw(event.Grants, 2)
	b.drop(event.Grants)
	check(false, "it came to its end")
	b.drop(event.Ledger)
	b.begin(event.Subtracts, 0, 5)
	check(true, "the broker has something of which nothing was fetched")
	b.goOn()
	check(false, "nobody waits any more")
	for i := range b.queues {
		if n := b.queues[i].bytes; n != 0 {
			t.Errorf("an empty queue has %d bytes", n)
		}
	}
}

// A topic of which much is here is left alone while another one lags, until
// half of it is taken or the other is nearly at its end.
func TestInboxSteering(t *testing.T) {
	const room = 10 * recordBytes
	var b inbox
	grants := []event.Topic{event.Grants}
	check := func(want steering, when string) {
		t.Helper()
		if got := b.steer(room); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v instead of %+v where %s", got, want, when)
		}
	}
	next := map[event.Topic]int64{}
	bring := func(topic event.Topic, n int, end int64) {
		var records []*kgo.Record
		for range n {
			records = append(records, &kgo.Record{Offset: next[topic]})
			next[topic]++
		}
		b.add(topic, records)
		b.saw(topic, end)
	}
	take := func(topic event.Topic, n int) {
		for range n {
			b.drop(topic)
		}
	}
	bring(event.Grants, 20, 100)
	bring(event.Ledger, 5, 100)
	check(steering{}, "nothing lags")
	take(event.Ledger, 5)
	check(steering{pause: grants}, "the ledger lags")
	take(event.Grants, 14)
	check(steering{}, "more than half of the room is still full")
	take(event.Grants, 1)
	check(steering{resume: grants}, "half of it was taken and the ledger has much more")
	bring(event.Grants, 10, 100)
	check(steering{pause: grants}, "there is too much again")
	bring(event.Ledger, 85, 100)
	take(event.Ledger, 85)
	check(steering{}, "the ledger is nearly at its end")
	bring(event.Ledger, 10, 100)
	take(event.Ledger, 10)
	check(steering{resume: grants, refetch: grants}, "it is at its end")
	b.saw(event.Ledger, 200)
	check(steering{pause: grants}, "it goes on")
	take(event.Grants, 10)
	check(steering{resume: grants}, "there is room again")
	take(event.Grants, 5)
	check(steering{}, "one poll brought no grants, which lag now")
	check(steering{}, "a second one didn't either")
	check(steering{refetch: grants}, "a third one didn't either")
	check(steering{}, "they are being fetched")
	bring(event.Grants, 15, 100)
	check(steering{pause: grants}, "there is too much for the last time")
	take(event.Grants, 15)
	b.goOn()
	check(steering{resume: grants, refetch: grants}, "nobody waits for the ledger")
}

// However far ahead a topic may be read, what was appended before is seen
// before, and nothing is lost where fetching stops and goes on.
func TestBacklogOfManyIsTakenInTheOrderOfAppending(t *testing.T) {
	c := newFakeCluster(t, 2)
	now := time.Now()
	user := c.usersOf(0, 1)[0]
	const each = 20_000
	for round := range 2 {
		adds, subtracts := make([]string, each), make([]string, each)
		for n := range each {
			at := now.Add(time.Duration(round*2*each+n) * time.Microsecond)
			adds[n] = fmt.Sprintf(`{"type":"add","event_id":"a%d-%d","user_id":%q,"occurred_at":%d,"amount":1}`, round, n, user, at.UnixMicro())
			subtracts[n] = subtractJSON(user, fmt.Sprintf("s%d-%d", round, n), at.Add(each*time.Microsecond), 1)
		}
		for _, batch := range []struct {
			topic  event.Topic
			values []string
		}{{event.Ledger, adds}, {event.Subtracts, subtracts}} {
			c.send(batch.topic, user, batch.values...)
			sent := time.Now()
			until(t, "the clock of the append times goes on", func() bool { return time.Since(sent) > 5*time.Millisecond })
		}
	}
	r := c.read(c.names.Output(kafka.Entries), 0)
	c.run(0, newDisk(), func(cfg *Config) { cfg.hooks.aheadBytes = 64 << 10 })
	for n, e := range r.entries(4 * each) {
		want := event.Add
		if n/each%2 == 1 {
			want = event.Subtract
		}
		if e.Kind != want {
			t.Fatalf("entry %d is that of %s, want a %s", n, e.EventID, want)
		}
	}
}
