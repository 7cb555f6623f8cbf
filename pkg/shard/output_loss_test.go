package shard

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/service"
)

// Readers of a topic that was made anew would miss what it had, and nothing
// would tell them.
func TestLostOutputsStopTheShard(t *testing.T) {
	begin := func(t *testing.T) (*cluster, *disk, *runner, *kadm.Client) {
		t.Helper()
		c := newFakeCluster(t, 1)
		c.send(event.Grants, "alice", grantJSON("alice", "g1", time.Now(), 1))
		d := newDisk()
		r := c.run(0, d, nil)
		c.read("entries", 0).entries(1)
		until(t, "it is applied", func() bool { return r.shard.Status().Positions.Next(event.Grants) == 1 })
		return c, d, r, kadm.NewClient(c.producer)
	}
	check := func(t *testing.T, err error, missing string) {
		t.Helper()
		decide, ok := errors.AsType[service.PersonMustDecide](err)
		if !ok || !strings.Contains(err.Error(), missing) {
			t.Fatalf("got %v, want one for a person with %q", err, missing)
		}
		if _, action := decide.PersonMustDecide(); action == "" {
			t.Error("it doesn't say what to do")
		}
	}
	t.Run("created again while nobody ran", func(t *testing.T) {
		c, d, r, admin := begin(t)
		r.end(nil)
		c.recreate(admin, "entries")
		check(t, c.run(0, d, nil).wait(), "entries/0 ends at 0, but 1 records were published")
		check(t, c.run(0, newDisk(), nil).wait(), "entries/0 ends at 0, but 1 records were published")
	})
	t.Run("created again under a shard that runs", func(t *testing.T) {
		c, _, r, admin := begin(t)
		c.recreate(admin, "entries")
		c.send(event.Grants, "alice", grantJSON("alice", "g2", time.Now(), 1))
		check(t, r.wait(), "topic entries was deleted and created again")
	})
	t.Run("deleted under a shard that runs", func(t *testing.T) {
		c, _, r, admin := begin(t)
		if _, err := admin.DeleteTopics(t.Context(), "entries"); err != nil {
			t.Fatal(err)
		}
		c.send(event.Grants, "alice", grantJSON("alice", "g2", time.Now(), 1))
		check(t, r.wait(), "entries doesn't exist")
	})
	t.Run("deleted records are no loss", func(t *testing.T) {
		c, d, r, admin := begin(t)
		r.end(nil)
		var offsets kadm.Offsets
		offsets.AddOffset("entries", 0, 1, -1)
		if _, err := admin.DeleteRecords(t.Context(), offsets); err != nil {
			t.Fatal(err)
		}
		r = c.run(0, d, nil)
		until(t, "it goes on", func() bool { return r.shard.Status().Owner })
	})
}

// The engine counts by stream, the shard by topic.
func TestSaidIsInTheTopicsOrder(t *testing.T) {
	c := newFakeCluster(t, 1)
	c.send(event.Grants, "alice", grantJSON("alice", "g1", time.Now().Add(-time.Hour), 1), "{")
	c.send(event.Subtracts, "alice", subtractJSON("alice", "s1", time.Now().Add(-time.Minute), 2))
	r := c.run(0, newDisk(), nil)
	c.read("alerts", 0).next(1)
	c.read("dead-letters", 0).next(1)
	r.end(nil)
	for output, said := range r.shard.engine.Said() {
		topic := kafka.Output(output).String()
		_, found, err := kafka.FirstCommitted(t.Context(), c.client, topic, 0)
		if err != nil {
			t.Fatal(err)
		}
		if found != (said > 0) {
			t.Errorf("%s: the engine said %d records; the topic has some: %v", topic, said, found)
		}
	}
}
