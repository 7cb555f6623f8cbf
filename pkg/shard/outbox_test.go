package shard

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/service"
)

// What was said comes out in order and unharmed, however the arena moved and
// however often the outbox was used.
func TestOutboxKeepsWhatWasSaid(t *testing.T) {
	o := newOutbox(kafka.Names{Application: "app", Prefix: "p."}, 3, 8, codec.SingleObject())
	for round := range 3 {
		o.stamp = time.UnixMilli(int64(round))
		count := 1500 * (3 - round)
		for i := range count {
			o.Balance(&event.Balance{UserID: fmt.Sprintf("user %d", i), Asset: "credits", Balances: event.Balances{Balance: int64(i)}})
		}
		if o.said[kafka.Balances] != count || o.empty() {
			t.Fatalf("round %d: %d said", round, o.said[kafka.Balances])
		}
		i := 0
		for r := range o.each {
			var b event.Balance
			if err := new(codec.Decoder).DecodeBalance(r.Value, &b); err != nil {
				t.Fatal(err)
			}
			key := fmt.Sprintf(`["user %d","credits"]`, i)
			if b.Balance != int64(i) || string(r.Key) != key || r.Topic != "p.balances" || r.Partition != 3 || !r.Timestamp.Equal(o.stamp) {
				t.Fatalf("round %d: record %d is %s: %+v", round, i, r.Key, b)
			}
			i++
		}
		if i != count {
			t.Fatalf("round %d: %d of %d came out", round, i, count)
		}
		o.reset()
		for range o.each {
			t.Fatal("something is left")
		}
		if !o.empty() || o.size != 0 {
			t.Fatalf("%d bytes are left", o.size)
		}
	}
}

func TestOutboxTombstones(t *testing.T) {
	o := newOutbox(kafka.Names{Application: "app"}, 3, 8, codec.SingleObject())
	o.OrderState(&event.OrderState{UserID: "alice", OrderID: "o1", Gone: true, Stamp: event.Stamp{Partition: 3, Seq: 7, Watermark: 12}})
	for r := range o.each {
		if r.Value != nil || string(r.Key) != `["alice","o1"]` {
			t.Errorf("%s: %q", r.Key, r.Value)
		}
		got := header(r, "highwater.partition") + " " + header(r, "highwater.seq") + " " + header(r, "highwater.watermark")
		if got != "3 7 12" {
			t.Errorf("headers %s", got)
		}
	}
}

// A large batch is cut, each piece small enough for the topic.
func TestOutboxCutsLargeBatches(t *testing.T) {
	o := newOutbox(kafka.Names{Application: "app"}, 3, 8, codec.SingleObject())
	batch := bytes.Repeat([]byte("0123456789"), 900_000)
	o.changelog("app-changelog", &kafka.ChangelogRecord{Shard: 3, Seq: 1, BatchHash: sha256.Sum256(batch), Batch: batch})
	if len(o.changes) != 3 {
		t.Fatalf("%d pieces", len(o.changes))
	}
	var joined kafka.Assembler
	var last *kgo.Record
	for r := range o.each {
		if len(r.Value) > kafka.ChunkBytes+kafka.ChangelogHeaderBytes {
			t.Errorf("a piece of %d bytes", len(r.Value))
		}
		piece, err := kafka.DecodeChangelogRecord(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := joined.Add(&piece)
		if err != nil {
			t.Fatal(err)
		}
		if last = r; whole && !bytes.Equal(piece.Batch, batch) {
			t.Error("joined it is another batch")
		}
	}
	if last != o.changes[2] {
		t.Error("the last piece doesn't come last")
	}
}

// A record that was compressed so well that it fits no topic as it is makes a
// letter that says where it stands: the partition goes on.
func TestOutboxOmitsWhatFitsNoTopic(t *testing.T) {
	for _, c := range []struct {
		name string
		in   kgo.Record
		key  string
		kept bool
	}{
		{"fits", kgo.Record{Key: []byte("alice"), Value: make([]byte, kafka.MaxInputBytes)}, "alice", true},
		{"value", kgo.Record{Key: []byte("alice"), Value: make([]byte, kafka.MaxOutputBytes)}, "alice", false},
		{"key", kgo.Record{Key: make([]byte, kafka.MaxOutputBytes), Value: []byte("{}")}, "", false},
		{"header", kgo.Record{Key: []byte("alice"), Headers: []kgo.RecordHeader{{Key: "h", Value: make([]byte, kafka.MaxOutputBytes)}}}, "alice", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOutbox(kafka.Names{Application: "app"}, 3, 8, codec.SingleObject())
			c.in.Topic = "grants"
			o.input = &c.in
			o.DeadLetter(&engine.Record{Input: event.Position{Topic: event.Grants, Partition: 3, Offset: 9}},
				&event.DeadLetter{Refusal: event.Refusal{Code: event.Malformed, Message: "too large"}})
			for r := range o.each {
				size := len(r.Key) + len(r.Value)
				for _, h := range r.Headers {
					size += len(h.Key) + len(h.Value)
				}
				if size > kafka.MaxOutputBytes-1<<10 || string(r.Key) != c.key {
					t.Errorf("%d bytes under the key %q", size, r.Key)
				}
				if kept := header(r, kafka.HeaderOmitted) == ""; kept != c.kept || kept && len(r.Value) != len(c.in.Value) || !kept && r.Value != nil {
					t.Errorf("omitted %q, value of %d bytes", header(r, kafka.HeaderOmitted), len(r.Value))
				}
				if header(r, "__streams.errors.exception") != "malformed" || header(r, "__streams.errors.offset") != "9" {
					t.Errorf("headers %v", r.Headers)
				}
			}
		})
	}
}

// What an entry or a correction was published without stands in a header.
func TestOutboxCutsLongResults(t *testing.T) {
	o := newOutbox(kafka.Names{Application: "app"}, 3, 8, codec.SingleObject())
	long := &event.Result{Outcome: event.Applied, Slices: make([]event.Slice, 200_000)}
	o.Entry(&event.Entry{Kind: event.Subtract, Result: *long})
	o.Settled(&event.Entry{Kind: event.Subtract, Result: *long})
	o.Correction(&event.Correction{Entries: []event.EntryChange{{Kind: event.Subtract, Before: long, After: long}}})
	o.Entry(&event.Entry{Kind: event.Subtract})
	o.Correction(&event.Correction{})
	var headers []string
	for r := range o.each {
		headers = append(headers, header(r, kafka.HeaderOmitted))
	}
	const cut = `{"slices":68928,"repaid":0}`
	want := []string{cut, cut, `[{"before":` + cut + `,"after":` + cut + `}]`, "", ""}
	if !slices.Equal(headers, want) {
		t.Errorf("headers %q", headers)
	}
}

// A transfer can't be cut: one that fits no record ends the shard before
// anything of its transaction is written, and says what to do.
func TestOutboxRefusesATransferThatNoRecordHolds(t *testing.T) {
	o := newOutbox(kafka.Names{Application: "app"}, 3, 8, codec.SingleObject())
	m := &event.Remittance{From: "alice", To: "bob", EventID: "t1", Asset: "credits", Input: event.Position{Topic: event.Ledger, Partition: 3, Offset: 9}}
	grant := event.RemittedGrant{Amount: event.MaxAmount, ExpiresAt: event.MaxTime, Priority: 1000}
	m.Grants = slices.Repeat([]event.RemittedGrant{grant}, 500_000)
	o.Remittance(m)
	if o.refused != nil {
		t.Fatalf("one of 500,000 grants: %v", o.refused)
	}
	m.Grants = slices.Repeat(m.Grants, 3)
	o.Remittance(m)
	s := &Shard{open: batch{out: o}}
	decide, ok := errors.AsType[service.PersonMustDecide](s.send(time.Now()))
	if !ok {
		t.Fatal("it is sent, or isn't for a person")
	}
	if missing, action := decide.PersonMustDecide(); !strings.Contains(missing, "1500000 grants") || !strings.Contains(action, "dead-letters skip ledger/3/9") {
		t.Errorf("%s: %s", missing, action)
	}
	if o.reset(); o.refused != nil {
		t.Error("the next transaction is refused, too")
	}
}

// What the outbox lets through, the client and the broker take.
func TestTheLargestTransferIsWritten(t *testing.T) {
	c := newFakeCluster(t, 1)
	client, err := kgo.NewClient(kafka.ShardOptions(c.client, c.names, 0)...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	var failed error
	client.Produce(t.Context(), &kgo.Record{
		Topic: c.names.Input(event.Transfers), Key: make([]byte, 128), Value: make([]byte, kafka.MaxOutputBytes-transferRoom),
	}, func(_ *kgo.Record, err error) { failed = err })
	if err := errors.Join(client.Flush(t.Context()), failed); err != nil {
		t.Error(err)
	}
}
