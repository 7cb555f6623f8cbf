//go:build realbroker

package shard

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/test/broker"
)

// What these tests look at, fencing, markers and recovery, shows on a real
// broker only.

func realBroker(t *testing.T) string {
	t.Helper()
	return broker.Start(t)
}

func newRealCluster(t *testing.T, servers string) *cluster {
	t.Helper()
	prefix := broker.Prefix(t)
	names := kafka.Names{Application: strings.TrimSuffix(prefix, "-"), Prefix: prefix}
	return newCluster(t, kgo.SeedBrokers(strings.Split(servers, ",")...), names, 1)
}

// stream sends numbered subtracts of one user until stopped.
type stream struct {
	sent atomic.Int64
	stop context.CancelFunc
	done sync.WaitGroup
}

func (c *cluster) stream(every time.Duration) *stream {
	c.t.Helper()
	const user = "alice"
	ctx, stop := context.WithCancel(context.Background())
	s := &stream{stop: stop}
	start := time.Now().Add(-time.Hour)
	c.send(event.Grants, user, grantJSON(user, "g", start, 1_000_000_000))
	s.done.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for ctx.Err() == nil {
			n := s.sent.Load()
			record := &kgo.Record{Topic: c.names.Input(event.Subtracts), Key: []byte(user),
				Value: []byte(subtractJSON(user, fmt.Sprintf("s%d", n), start.Add(time.Duration(n+1)*time.Millisecond), 1))}
			// A retry is a duplicate, which makes no entry.
			if err := c.producer.ProduceSync(context.Background(), record).FirstErr(); err == nil {
				s.sent.Add(1)
			}
			<-tick.C
		}
	})
	c.t.Cleanup(s.end)
	return s
}

func (s *stream) end() {
	s.stop()
	s.done.Wait()
}

// entryCheck reads the entries of a stream and makes sure that each event is
// there once, its subtracts in their order; the grant may come anywhere, for
// it is in a topic of its own. It goes on where the last call stopped.
type entryCheck struct {
	*reader
	seq     int64
	granted bool
}

func (e *entryCheck) upTo(n int64) {
	e.t.Helper()
	for _, entry := range e.entries(int(n + 1 - e.seq)) {
		next := e.seq
		if e.granted {
			next--
		}
		switch {
		case entry.Seq != e.seq:
			e.t.Fatalf("seq %d instead of %d", entry.Seq, e.seq)
		case entry.EventID == "g" && !e.granted:
			e.granted = true
		case entry.EventID != fmt.Sprintf("s%d", next):
			e.t.Fatalf("entry %d is %s, want s%d", e.seq, entry.EventID, next)
		}
		e.seq++
	}
}

// I1.
func TestRealBrokerZombieIsFenced(t *testing.T) {
	c := newRealCluster(t, realBroker(t))
	entries := &entryCheck{reader: c.read(c.names.Output(kafka.Entries), 0)}
	s := c.stream(2 * time.Millisecond)
	owner := c.run(0, newDisk(), nil)
	for range 5 {
		entries.upTo(entries.seq + 20)
		successor := c.run(0, newDisk(), nil)
		if err := owner.wait(); !errors.Is(err, ErrFenced) {
			t.Fatalf("the owner before ended with %v", err)
		}
		owner = successor
	}
	s.end()
	entries.upTo(s.sent.Load())
}

// I1: an owner that froze with everything written holds nobody up, and can't
// commit afterwards.
func TestRealBrokerTakeoverEndsAnOpenTransaction(t *testing.T) {
	c := newRealCluster(t, realBroker(t))
	entries := &entryCheck{reader: c.read(c.names.Output(kafka.Entries), 0)}
	s := c.stream(2 * time.Millisecond)
	for range 5 {
		thaw, frozen := make(chan struct{}), make(chan struct{})
		var once sync.Once
		var commits atomic.Int64
		owner := c.run(0, newDisk(), func(cfg *Config) {
			cfg.hooks.commit = func(ctx context.Context, client *kgo.Client) error {
				if commits.Add(1) == 4 {
					once.Do(func() { close(frozen) })
					<-thaw
				}
				return client.EndTransaction(ctx, kgo.TryCommit)
			}
		})
		<-frozen
		successor := c.run(0, newDisk(), nil)
		began := time.Now()
		until(t, "the successor has taken over", func() bool { return successor.shard.Status().Owner })
		t.Logf("took over in %v", time.Since(began))
		entries.upTo(entries.seq + 20)
		close(thaw)
		if err := owner.wait(); !errors.Is(err, ErrFenced) {
			t.Fatalf("the frozen owner ended with %v", err)
		}
		entries.upTo(entries.seq + 20)
		successor.end(nil)
	}
	s.end()
	c.run(0, newDisk(), nil)
	entries.upTo(s.sent.Load())
}

// A broker that dies in the middle of everything. It may take the answer to a
// commit with it, which fences the owner; see the test after this one.
func TestRealBrokerBrokerDies(t *testing.T) {
	b := broker.Own(t)
	c := newRealCluster(t, b.Bootstrap())
	entries := &entryCheck{reader: c.read(c.names.Output(kafka.Entries), 0)}
	s := c.stream(time.Millisecond)
	d := newDisk()
	owner := c.keep(0, d)
	for range 2 {
		entries.upTo(entries.seq + 300)
		if err := b.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := b.Restart(); err != nil {
			t.Fatal(err)
		}
		mend(t, b)
		began := time.Now()
		before := s.sent.Load()
		until(t, "events are taken again", func() bool { return s.sent.Load() > before+10 })
		entries.upTo(before + 10)
		t.Logf("went on %v after the broker was back", time.Since(began))
	}
	s.end()
	entries.upTo(s.sent.Load())
	owner.end(nil)
	// Who reads the whole changelog has the same state.
	meta := owner.store.Meta()
	other := c.run(0, newDisk(), nil)
	until(t, "another owner has taken over", func() bool { return other.shard.Status().Owner })
	if got := other.shard.Status(); got.Seq < meta.Seq {
		t.Errorf("seq %d, the owner before had %d", got.Seq, meta.Seq)
	}
}

// mend ends what the broker left hanging; no shard could go on.
func mend(t *testing.T, b *broker.Broker) {
	t.Helper()
	n, err := b.Mend(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n > 0 {
		t.Logf("the broker left a transaction hanging in %d partitions", n)
	}
}

// I1: a commit moves the producer to its next epoch, and a broker that restarts
// doesn't know the epoch before (__transaction_state doesn't have it). If it died
// before it answered, the owner is fenced by its own commit, which it can't tell
// from a successor: it ends, and whoever comes next has what was committed.
func TestRealBrokerAnswerToCommitIsLost(t *testing.T) {
	b := broker.Own(t)
	c := newRealCluster(t, b.Bootstrap())
	entries := &entryCheck{reader: c.read(c.names.Output(kafka.Entries), 0)}
	s := c.stream(time.Millisecond)
	answers := broker.LoseAnswersTo(kmsg.EndTxn.Int16())
	c.client = c.options(kgo.Dialer(answers.Dial))
	d := newDisk()
	owner := c.run(0, d, nil)
	entries.upTo(entries.seq + 100)
	answers.Begin()
	until(t, "the owner waits for an answer", func() bool { return answers.Count() > 0 })
	admin, id := kadm.NewClient(c.producer), c.names.TransactionalID(0)
	until(t, "the transaction is committed", func() bool {
		described, err := admin.DescribeTransactions(t.Context(), id)
		return err == nil && described[id].State == "CompleteCommit"
	})
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	answers.End()
	if err := b.Restart(); err != nil {
		t.Fatal(err)
	}
	mend(t, b)
	if err := owner.wait(); !errors.Is(err, ErrFenced) {
		t.Fatalf("the owner ended with %v", err)
	}
	c.run(0, d, nil)
	s.end()
	entries.upTo(s.sent.Load())
}

// The largest record that an input takes goes to dead-letters as it is.
func TestRealBrokerLargestRecordIsPutAside(t *testing.T) {
	c := newRealCluster(t, realBroker(t))
	value := strings.Repeat("x", kafka.MaxInputBytes-1<<10)
	record := &kgo.Record{Topic: c.names.Input(event.Orders), Key: []byte("alice"), Value: []byte(value)}
	if err := c.manualProducer().ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
	c.run(0, newDisk(), nil)
	letter := c.read(c.names.Output(kafka.DeadLetters), 0).next(1)[0]
	if string(letter.Value) != value || header(letter, "__streams.errors.exception") != "malformed" {
		t.Errorf("%d bytes, %v", len(letter.Value), letter.Headers)
	}
}

func TestRealBrokerTakeoverTellsOfAHangingTransaction(t *testing.T) {
	tellsOfAHangingTransaction(t, newRealCluster(t, realBroker(t)))
}
