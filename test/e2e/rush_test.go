package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/oracle"
)

const (
	rush = 10_000
	// covered is how many of them the balance covers.
	covered = 5_000
	// atOnce is how many requests are open at a time.
	atOnce = 256
	// rushWithin bounds each rush.
	rushWithin = time.Minute
)

// Ten thousand spends of 1 at once on a balance of 5,000: exactly so many are
// accepted, whichever way they come.
func TestRushOfSpends(t *testing.T) {
	in := install(t, 4)
	in.start("p0")
	query := in.query()
	ingest := in.ingest("ingest", query)
	news := in.follow()
	in.give(news, "alice", covered)
	in.give(news, "bob", covered)

	t.Run("over HTTP", func(t *testing.T) {
		began := time.Now()
		accepted, rejected := spendOverHTTP(t, ingest)
		t.Logf("%d spends, %d at a time, took %s", rush, atOnce, time.Since(began).Round(time.Millisecond))
		if accepted != covered || rejected != rush-covered {
			t.Errorf("%d were accepted and %d rejected", accepted, rejected)
		}
		in.spentUp(t, news, query, "alice")
	})
	t.Run("over Kafka", func(t *testing.T) {
		began := time.Now()
		in.spendOverKafka(t)
		in.spentUp(t, news, query, "bob")
		t.Logf("%d spends took %s", rush, time.Since(began).Round(time.Millisecond))
	})
	in.verify(query)
}

// give grants credits and waits until they are there.
func (in *installation) give(n *news, user string, amount event.Amount) {
	in.t.Helper()
	var e event.Event
	e.Clear()
	e.Kind, e.ID, e.User, e.OccurredAt, e.Asset, e.Amount = event.Add, "given", user, event.TimeOf(time.Now()), event.DefaultAsset, amount
	in.send(event.Ledger, kafka.PartitionOf(user, in.partitions), user, codec.SingleObject().AppendEvent(nil, &e))
	n.await(in.t, []eventOf{{user, "given"}})
}

func rushID(n int) string { return fmt.Sprint("spend-", n) }

// spendOverHTTP counts what alice is answered.
func spendOverHTTP(t *testing.T, ingest string) (accepted, rejected int64) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}}
	var yes, no, next atomic.Int64
	var spending sync.WaitGroup
	for range atOnce {
		c := &caller{client: client, ingests: []string{ingest}, rng: rand.New(rand.NewPCG(1, 2)), patient: true}
		spending.Go(func() {
			for {
				n := int(next.Add(1))
				if n > rush {
					return
				}
				said, err := c.call(t.Context(), requestOf("alice", event.DefaultAsset, &called{kind: event.Spend, id: rushID(n), given: 1}))
				switch {
				case err != nil:
					t.Error(err)
					return
				case said.Outcome == event.Accepted.String():
					yes.Add(1)
				case said.Code != nil && *said.Code == event.InsufficientFunds.String():
					no.Add(1)
				}
			}
		})
	}
	spending.Wait()
	return yes.Load(), no.Load()
}

// spendOverKafka produces bob's spends.
func (in *installation) spendOverKafka(t *testing.T) {
	t.Helper()
	home, encoder := kafka.PartitionOf("bob", in.partitions), codec.SingleObject()
	var records []*kgo.Record
	for n := range rush {
		var e event.Event
		e.Clear()
		e.Kind, e.ID, e.User, e.OccurredAt, e.Asset, e.Amount = event.Spend, rushID(n+1), "bob", event.TimeOf(time.Now()), event.DefaultAsset, 1
		records = append(records, &kgo.Record{
			Topic: in.names.Input(event.Ledger), Partition: home, Key: []byte("bob"), Value: encoder.AppendEvent(nil, &e),
		})
	}
	if err := in.client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// spentUp waits for every spend's entry: as many as the balance covered are
// accepted, and nothing is left.
func (in *installation) spentUp(t *testing.T, n *news, query, user string) {
	t.Helper()
	began := time.Now()
	var events []eventOf
	for i := range rush {
		events = append(events, eventOf{user, rushID(i + 1)})
	}
	n.await(t, events)
	if took := time.Since(began); took > rushWithin {
		t.Errorf("the entries took %s", took)
	}
	outcomes := map[string]int{}
	newest := event.Time(0)
	n.mu.Lock()
	for _, e := range n.entries[kafka.PartitionOf(user, in.partitions)] {
		if e.UserID == user && e.Kind == event.Spend {
			outcomes[e.Outcome.String()+" "+e.Code.String()]++
			newest = max(newest, e.EffectiveAt)
			if e.After.Balance < 0 || e.Shortfall != 0 {
				t.Errorf("%s leaves %+v, short of %d", e.EventID, e.After, e.Shortfall)
			}
		}
	}
	n.mu.Unlock()
	if len(outcomes) != 2 || outcomes["accepted "] != covered || outcomes["rejected insufficient_funds"] != rush-covered {
		t.Errorf("the entries say %v", outcomes)
	}
	in.awaitCurrent(query)
	if left, err := balanceAt(t.Context(), query, oracle.AccountName{User: user, Asset: event.DefaultAsset}, newest); err != nil || left != (event.Balances{}) {
		t.Errorf("what is left is %+v (%v)", left, err)
	}
}
