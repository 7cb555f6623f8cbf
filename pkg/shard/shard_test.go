package shard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/service"
)

func TestEventsBecomeEntries(t *testing.T) {
	c := newFakeCluster(t, 2)
	alice := c.usersOf(1, 1)[0]
	now := time.Now().Add(-time.Minute)
	c.send(event.Grants, alice, grantJSON(alice, "g1", now, 100))
	c.run(1, newDisk(), nil)
	published := c.read("entries", 1)
	// Two polls may bring two topics in any order.
	entries := published.entries(1)
	c.send(event.Subtracts, alice, subtractJSON(alice, "s1", now.Add(time.Second), 30), subtractJSON(alice, "s2", now.Add(2*time.Second), 100))
	entries = append(entries, published.entries(2)...)
	for i, want := range []string{"g1 100 0", "s1 70 0", "s2 0 30"} {
		e := entries[i]
		if got := fmt.Sprintf("%s %d %d", e.EventID, e.After.Balance, e.Shortfall); got != want || e.Seq != int64(i) {
			t.Errorf("entry %d: %s (seq %d), want %s", i, got, e.Seq, want)
		}
	}
	alert := c.read("alerts", 1).next(1)[0]
	if string(alert.Key) != alice {
		t.Errorf("alert for %q", alert.Key)
	}
	var last *kgo.Record
	balances := c.read("balances", 1)
	until(t, "a balance of 0", func() bool {
		last = balances.next(1)[0]
		var b event.Balance
		return c.decoder().DecodeBalance(last.Value, &b) == nil && b.Balance == 0 && b.AsOf >= event.TimeOf(now)
	})
	if want := fmt.Sprintf(`[%q,"credits"]`, alice); string(last.Key) != want {
		t.Errorf("balance under %s, want %s", last.Key, want)
	}
}

// I3: whoever comes next goes on where the last one stopped, with its disk or
// without.
func TestRestartGoesOn(t *testing.T) {
	for _, name := range []string{"with its disk", "with an empty disk"} {
		t.Run(name, func(t *testing.T) {
			c := newFakeCluster(t, 1)
			d := newDisk()
			now := time.Now().Add(-time.Minute)
			entries := c.read("entries", 0)
			c.send(event.Grants, "alice", grantJSON("alice", "g1", now, 1000))
			var chain string
			for i := range int64(5) {
				r := c.run(0, d, nil)
				if i == 0 {
					entries.entries(1) // the grant
				}
				c.send(event.Subtracts, "alice", subtractJSON("alice", fmt.Sprintf("s%d", i), now.Add(time.Duration(i+1)*time.Second), 10))
				if e := entries.entries(1)[0]; e.EventID != fmt.Sprintf("s%d", i) || e.After.Balance != 1000-10*(i+1) {
					t.Fatalf("after %d restarts: entry %s with balance %d", i, e.EventID, e.After.Balance)
				}
				if before := chain; before != "" && r.shard.Status().Seq < i {
					t.Fatalf("seq %d after %d runs", r.shard.Status().Seq, i)
				}
				r.end(nil)
				chain = r.store.Meta().Hash.String()
				if name == "with an empty disk" {
					d = newDisk()
				}
			}
		})
	}
}

func TestDeadLettersAreUntouched(t *testing.T) {
	c := newFakeCluster(t, 2)
	bob := c.usersOf(0, 1)[0]
	stray := c.usersOf(1, 1)[0]
	now := time.Now()
	bad := []struct {
		code       string
		key, value string
	}{
		{"malformed", bob, "\x07garbage"},
		{"malformed", bob, `{"type":"grant","type":"grant"}`},
		{"malformed", bob, ""},
		{"invalid", "somebody else", grantJSON(bob, "g1", now, 5)},
		{"invalid", bob, subtractJSON(bob, "s1", now, 5)},
		{"wrong_partition", stray, grantJSON(stray, "g1", now, 5)},
		{"from_the_future", bob, grantJSON(bob, "g1", now.Add(time.Hour), 5)},
		{"malformed", bob, strings.Repeat("x", 2<<20)},
		{"malformed", bob, "\x00\x00\x00\x00\x01x"},
	}
	manual := c.manualProducer()
	for i, b := range bad {
		record := &kgo.Record{Topic: "grants", Partition: 0, Key: []byte(b.key), Value: []byte(b.value), Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte{byte(i), 0xff}}}}
		if b.value == "" {
			record.Value = nil
		}
		if err := manual.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	c.send(event.Grants, bob, grantJSON(bob, "g1", now, 5))
	c.run(0, newDisk(), nil)
	for i, r := range c.read("dead-letters", 0).next(len(bad)) {
		b := bad[i]
		if got := header(r, "__streams.errors.exception"); got != b.code {
			t.Errorf("record %d: %s (%s), want %s", i, got, header(r, "__streams.errors.message"), b.code)
		}
		if string(r.Key) != b.key || string(r.Value) != b.value || (b.value == "") != (r.Value == nil) {
			t.Errorf("record %d was changed", i)
		}
		if r.Headers[0].Key != "trace" || string(r.Headers[0].Value) != string([]byte{byte(i), 0xff}) {
			t.Errorf("record %d: header %v", i, r.Headers[0])
		}
		for key, want := range map[string]string{
			"__streams.errors.topic": "grants", "__streams.errors.partition": "0", "__streams.errors.offset": fmt.Sprint(i),
			"highwater.partition": "0", "highwater.seq": fmt.Sprint(i), "highwater.watermark": "0",
		} {
			if got := header(r, key); got != want {
				t.Errorf("record %d: %s is %q, want %q", i, key, got, want)
			}
		}
	}
	if e := c.read("entries", 0).entries(1)[0]; e.EventID != "g1" || e.After.Balance != 5 {
		t.Errorf("the partition did not go on: %s, %d", e.EventID, e.After.Balance)
	}
}

const unknownSchema = "\xc3\x01\x01\x02\x03\x04\x05\x06\x07\x08rest"

func TestUnknownSchemaStopsUntilSkipped(t *testing.T) {
	c := newFakeCluster(t, 1)
	now := time.Now()
	c.send(event.Grants, "alice", grantJSON("alice", "g1", now, 5), unknownSchema, grantJSON("alice", "g2", now, 5))
	entries := c.read("entries", 0)
	err := c.run(0, newDisk(), nil).wait()
	unknown, ok := errors.AsType[*UnknownSchemaError](err)
	if !ok || unknown.Position != (event.Position{Topic: event.Grants, Offset: 1}) || !strings.Contains(err.Error(), "0807060504030201") {
		t.Fatalf("it ended with %v", err)
	}
	decide, ok := errors.AsType[service.PersonMustDecide](err)
	if !ok {
		t.Fatalf("%v is nothing for a person", err)
	}
	if _, action := decide.PersonMustDecide(); !strings.Contains(action, "dead-letters skip grants/0/1") {
		t.Errorf("what to do: %s", action)
	}
	// What came before it is done, and stays done.
	if e := entries.entries(1)[0]; e.EventID != "g1" {
		t.Errorf("entry %s", e.EventID)
	}
	if err := kafka.ProduceSkip(t.Context(), c.manualProducer(), c.names, kafka.Skip{Position: unknown.Position, By: "ann", Reason: "a test"}); err != nil {
		t.Fatal(err)
	}
	c.run(0, newDisk(), nil)
	if e := entries.entries(1)[0]; e.EventID != "g2" {
		t.Errorf("entry %s", e.EventID)
	}
	letter := c.read("dead-letters", 0).next(1)[0]
	if header(letter, "__streams.errors.exception") != "quarantined" || string(letter.Value) != unknownSchema {
		t.Errorf("dead letter %v", letter)
	}
}

// What a transfer sent is somebody's money for sure, and no schema helps.
func TestUnreadableRemittanceStopsWithItsOwnAdvice(t *testing.T) {
	c := newFakeCluster(t, 1)
	c.send(event.Transfers, "alice", unknownSchema)
	err := c.run(0, newDisk(), func(cfg *Config) { cfg.DeadLetterUnknownSchemas = true }).wait()
	decide, ok := errors.AsType[service.PersonMustDecide](err)
	if !ok {
		t.Fatalf("%v is nothing for a person", err)
	}
	missing, action := decide.PersonMustDecide()
	for _, says := range []string{"upgrade Highwater", "dead-letters skip transfers/0/0", "never reaches its receiver"} {
		if !strings.Contains(action, says) {
			t.Errorf("what to do doesn't say %q: %s", says, action)
		}
	}
	if strings.Contains(missing+action, "schema of") || strings.Contains(action, "register") || strings.Contains(action, "unknown.schema") {
		t.Errorf("advice about schemas: %s, %s", missing, action)
	}
}

func TestUnknownSchemaAsDeadLetter(t *testing.T) {
	c := newFakeCluster(t, 1)
	c.send(event.Grants, "alice", unknownSchema)
	c.run(0, newDisk(), func(cfg *Config) { cfg.DeadLetterUnknownSchemas = true })
	letter := c.read("dead-letters", 0).next(1)[0]
	if got := header(letter, "__streams.errors.exception"); got != "malformed" {
		t.Errorf("code %s", got)
	}
}

func TestRegistryThatIsAwayHoldsThePartition(t *testing.T) {
	c := newFakeCluster(t, 1)
	now := time.Now()
	c.send(event.Grants, "alice", "\x00\x00\x00\x00\x07x")
	c.send(event.Grants, "alice", grantJSON("alice", "g1", now, 5))
	var asked atomic.Int64
	r := c.run(0, newDisk(), func(cfg *Config) {
		cfg.SchemaByID = func(context.Context, uint32) (string, error) {
			if asked.Add(1) < 4 {
				return "", errors.New("connection refused")
			}
			return "", kafka.ErrNoSuchSchema
		}
	})
	if err := r.wait(); !strings.Contains(fmt.Sprint(err), "grants/0/0") || asked.Load() != 4 {
		t.Errorf("asked %d times, ended with %v", asked.Load(), err)
	}
}

// A transaction that Kafka left hanging in the changelog holds a takeover up,
// which says so until a person has ended it.
func TestTakeoverTellsOfAHangingTransaction(t *testing.T) {
	tellsOfAHangingTransaction(t, newFakeCluster(t, 1))
}

func tellsOfAHangingTransaction(t *testing.T, c *cluster) {
	t.Helper()
	lost, err := kgo.NewClient(c.options(kgo.TransactionalID(c.names.Application+"-lost"), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer lost.Close()
	if err := lost.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := lost.ProduceSync(t.Context(), &kgo.Record{Topic: c.names.Changelog(), Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	id, _, err := lost.ProducerID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	r := c.run(0, newDisk(), func(cfg *Config) {
		cfg.hooks.answerWithin = 500 * time.Millisecond
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	until(t, "the log names the transaction", func() bool {
		return strings.Contains(log.String(), fmt.Sprintf("topic=%s partition=0 start_offset=0 producer_id=%d ", c.names.Changelog(), id))
	})
	if r.shard.Status().Owner {
		t.Error("it didn't wait")
	}
	if err := lost.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	until(t, "the shard is taken over", func() bool { return r.shard.Status().Owner })
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	log bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

// I5, and the fate of commits: each commit may fail before or after it was
// done, owners come and go, and every event is there once, in order.
func TestUnconfirmedCommits(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	c := newFakeCluster(t, 1)
	const events = 400
	var failed [3]atomic.Int64
	fate := make([]int, 4000)
	for i := range fate {
		fate[i] = random.IntN(6)
	}
	var commits atomic.Int64
	change := func(cfg *Config) {
		cfg.MaxEvents = 7
		cfg.hooks.commit = func(ctx context.Context, client *kgo.Client) error {
			switch fate[commits.Add(1)%int64(len(fate))] {
			case 0: // it never reached the broker
				failed[0].Add(1)
				return kerr.RequestTimedOut
			case 1: // its answer never came back
				failed[1].Add(1)
				return errors.Join(client.EndTransaction(ctx, kgo.TryCommit), kerr.RequestTimedOut)
			}
			return client.EndTransaction(ctx, kgo.TryCommit)
		}
	}
	now := time.Now().Add(-time.Hour)
	c.send(event.Grants, "alice", grantJSON("alice", "g", now, 1_000_000))
	d := newDisk()
	entries := c.read("entries", 0)
	r := c.run(0, d, change)
	if e := entries.entries(1)[0]; e.EventID != "g" {
		t.Fatalf("entry %s", e.EventID)
	}
	r.end(nil)
	var values []string
	for i := range events {
		values = append(values, subtractJSON("alice", fmt.Sprintf("s%d", i), now.Add(time.Duration(i+1)*time.Second), 1))
	}
	go func() {
		for chunk := range slices.Chunk(values, 25) {
			c.send(event.Subtracts, "alice", chunk...)
		}
	}()
	for seq := int64(1); seq <= events; {
		r := c.run(0, d, change)
		for _, e := range entries.entries(min(80, int(events+1-seq))) {
			if e.Seq != seq {
				t.Fatalf("seq %d instead of %d", e.Seq, seq)
			}
			if e.EventID != fmt.Sprintf("s%d", seq-1) || e.After.Balance != 1_000_000-seq {
				t.Fatalf("entry %d is %s with balance %d", seq, e.EventID, e.After.Balance)
			}
			seq++
		}
		switch random.IntN(3) {
		case 0:
			r.end(nil)
		case 1:
			r.end(nil)
			d = newDisk()
		case 2: // what flies is dropped, and so is what was not flushed
			r.end(ErrLost)
		}
	}
	if failed[0].Load() == 0 || failed[1].Load() == 0 {
		t.Errorf("commits failed %d times before and %d times after they were done", failed[0].Load(), failed[1].Load())
	}
}

// What the time has to say is said on a quiet partition too.
func TestTicksAnnounceExpiries(t *testing.T) {
	c := newFakeCluster(t, 1)
	now := time.Now()
	expires := now.Add(300 * time.Millisecond)
	c.send(event.Grants, "alice", fmt.Sprintf(
		`{"type":"grant","event_id":"g1","user_id":"alice","occurred_at":%d,"grant_id":"g1","amount":5,"expires_at":%d}`, now.UnixMicro(), expires.UnixMicro()))
	c.run(0, newDisk(), func(cfg *Config) {
		cfg.Engine.Lateness, cfg.Engine.IdleTimeout = 0, 100_000
	})
	entries := c.read("entries", 0).entries(2)
	if e := entries[1]; e.EventID != "expired/g1" || e.After.Balance != 0 {
		t.Errorf("entry %s with balance %d", e.EventID, e.After.Balance)
	}
}

func TestBatchesAreBounded(t *testing.T) {
	c := newFakeCluster(t, 1)
	now := time.Now().Add(-time.Hour)
	var values []string
	for i := range 95 {
		values = append(values, grantJSON("alice", fmt.Sprintf("g%d", i), now.Add(time.Duration(i)*time.Second), 1))
	}
	c.send(event.Grants, "alice", values...)
	c.run(0, newDisk(), func(cfg *Config) { cfg.MaxEvents = 10 })
	changes := c.read("app-changelog", 0)
	for events := int32(0); events < 95; {
		change, err := kafka.DecodeChangelogRecord(changes.next(1)[0].Value)
		if err != nil {
			t.Fatal(err)
		}
		if change.Events > 10 {
			t.Fatalf("a batch of %d events", change.Events)
		}
		events += change.Events
		if change.Positions.Next(event.Grants) != int64(events) {
			t.Fatalf("position %d after %d events", change.Positions.Next(event.Grants), events)
		}
	}
}

func TestDataLossStopsTheShard(t *testing.T) {
	setup := func(t *testing.T) (*cluster, *disk, *kadm.Client) {
		t.Helper()
		c := newFakeCluster(t, 1)
		now := time.Now()
		c.send(event.Grants, "alice", grantJSON("alice", "g1", now, 1), grantJSON("alice", "g2", now, 1))
		d := newDisk()
		r := c.run(0, d, nil)
		c.read("entries", 0).entries(2)
		until(t, "both are applied", func() bool { return r.shard.Status().Positions.Next(event.Grants) == 2 })
		r.end(nil)
		return c, d, kadm.NewClient(c.producer)
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
	t.Run("deleted before processed", func(t *testing.T) {
		c, d, admin := setup(t)
		now := time.Now()
		c.send(event.Grants, "alice", grantJSON("alice", "g3", now, 1), grantJSON("alice", "g4", now, 1))
		var offsets kadm.Offsets
		offsets.AddOffset("grants", 0, 3, -1)
		if _, err := admin.DeleteRecords(t.Context(), offsets); err != nil {
			t.Fatal(err)
		}
		check(t, c.run(0, d, nil).wait(), "records 2 to 2 were deleted")
	})
	t.Run("created again while nobody ran", func(t *testing.T) {
		c, d, admin := setup(t)
		c.recreate(admin, "ledger")
		check(t, c.run(0, d, nil).wait(), "topic ledger was deleted and created again")
		check(t, c.run(0, newDisk(), nil).wait(), "topic ledger was deleted and created again")
	})
	t.Run("changelog created again", func(t *testing.T) {
		c, d, admin := setup(t)
		c.recreate(admin, "app-changelog")
		check(t, c.run(0, d, nil).wait(), "ends at 0, but the state")
		check(t, c.run(0, newDisk(), nil).wait(), "app-changelog/0 holds no batch, but entries/0 has records from 0 on")
	})
	t.Run("more partitions", func(t *testing.T) {
		c, d, admin := setup(t)
		if _, err := admin.CreatePartitions(t.Context(), 1, "orders"); err != nil {
			t.Fatal(err)
		}
		check(t, c.run(0, d, nil).wait(), "orders has 2 partitions")
	})
}
