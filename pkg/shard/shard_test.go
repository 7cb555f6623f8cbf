package shard

import (
	"fmt"
	"testing"
	"time"

	"highwater/pkg/event"
)

func TestEventsBecomeEntries(t *testing.T) {
	c := newFakeCluster(t, 2)
	alice := c.usersOf(1, 1)[0]
	now := time.Now().Add(-time.Minute)
	c.send(event.Grants, alice, grantJSON(alice, "g1", now, 100))
	c.send(event.Subtracts, alice, subtractJSON(alice, "s1", now.Add(time.Second), 30), subtractJSON(alice, "s2", now.Add(2*time.Second), 100))
	c.run(1, newDisk(), nil)
	entries := c.read("entries", 1).entries(3)
	for i, want := range []string{"g1 100 0", "s1 70 0", "s2 0 30"} {
		e := entries[i]
		if got := fmt.Sprintf("%s %d %d", e.EventID, e.After.Balance, e.Shortfall); got != want || e.Seq != int64(i) {
			t.Errorf("entry %d: %s (seq %d), want %s", i, got, e.Seq, want)
		}
	}
}
