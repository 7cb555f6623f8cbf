package shard

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
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
	if b.bytes != 0 {
		t.Errorf("an empty inbox has %d bytes", b.bytes)
	}
}
