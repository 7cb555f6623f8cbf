package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// badRecord is one that must end as a dead letter.
type badRecord struct {
	name  string
	topic event.Topic
	key   string
	value []byte
	code  event.Code
	// partition is where it goes; -1 is where its key belongs.
	partition int32
}

// badRecords are the kinds of section 9. The user is alice.
func badRecords(in *installation) []badRecord {
	now := event.TimeOf(time.Now())
	good := codec.SingleObject().AppendEvent(nil, subtract("never", now, 1))
	onWire := func(change func(*event.Event)) []byte {
		e := subtract("never", now, 1)
		change(e)
		return codec.SingleObject().AppendEvent(nil, e)
	}
	asJSON := func(rest string) []byte {
		return fmt.Appendf(nil, `{"type":"subtract","event_id":"never","user_id":"alice","occurred_at":%d%s}`, now, rest)
	}
	home := kafka.PartitionOf("alice", in.partitions)
	bads := []badRecord{
		{name: "no bytes", value: []byte{}, code: event.Malformed},
		{name: "a tombstone", value: nil, code: event.Malformed},
		{name: "text", value: []byte("hello"), code: event.Malformed},
		{name: "a truncated header", value: good[:7], code: event.Malformed},
		{name: "truncated Avro", value: good[:len(good)-1], code: event.Malformed},
		{name: "Avro with more behind it", value: append(bytes.Clone(good), 0), code: event.Malformed},
		{name: "Confluent's framing without a registry", value: append([]byte{0, 0, 0, 0, 1}, good[10:]...), code: event.Malformed},
		{name: "a map bomb of 27 bytes", value: mapBomb(), code: event.Malformed},
		{name: "JSON that ends early", value: asJSON(`,"amount":1`)[:60], code: event.Malformed},
		{name: "JSON with duplicate keys", value: asJSON(`,"amount":1,"amount":1000000`), code: event.Malformed},
		{name: "JSON with an unknown field", value: asJSON(`,"amount":1,"Amount":2`), code: event.Malformed},
		{name: "JSON with an unknown type", value: bytes.Replace(asJSON(`,"amount":1`), []byte("subtract"), []byte("withdraw"), 1), code: event.Malformed},
		{name: "JSON that isn't UTF-8", value: asJSON(`,"amount":1,"source":"` + "\xff\xfe" + `"`), code: event.Malformed},
		{name: "JSON with a lone surrogate", value: asJSON(`,"amount":1,"source":"\ud800"`), code: event.Malformed},
		{name: "no amount", value: asJSON(``), code: event.Invalid},
		{name: "an amount of 2^63", value: asJSON(`,"amount":9223372036854775808`), code: event.Invalid},
		{name: "an amount of 2^63-1", value: onWire(func(e *event.Event) { e.Amount = 1<<63 - 1 }), code: event.Invalid},
		{name: "an amount past 2^53", value: onWire(func(e *event.Event) { e.Amount = event.MaxAmount + 1 }), code: event.Invalid},
		{name: "an amount of none", value: onWire(func(e *event.Event) { e.Amount = 0 }), code: event.Invalid},
		{name: "Avro that isn't UTF-8", value: onWire(func(e *event.Event) { e.Source = "\xff\xfe" }), code: event.Invalid},
		{name: "a control character", value: onWire(func(e *event.Event) { e.ID = "a\x00b" }), code: event.Invalid},
		{name: "the wrong topic", topic: event.Grants, value: good, code: event.Invalid},
		{name: "another key", key: "alice ", value: good, code: event.Invalid},
		{name: "the wrong partition", value: good, code: event.WrongPartition, partition: (home + 1) % in.partitions},
		{name: "the far future", value: onWire(func(e *event.Event) { e.OccurredAt = event.MaxTime }), code: event.FromTheFuture},
		{name: "an hour ahead", value: onWire(func(e *event.Event) { e.OccurredAt = now + 3_600_000_000 }), code: event.FromTheFuture},
		{name: "a used id with other content", value: onWire(func(e *event.Event) { e.ID, e.Amount = "first", 77 }), code: event.EventConflict},
		{name: "10 MB of zeros", value: make([]byte, 10<<20), code: event.Malformed},
		{name: "10 MB of JSON", value: asJSON(`,"amount":1,"source":"` + strings.Repeat("x", 10<<20) + `"`), code: event.Malformed},
	}
	for i := range bads {
		b := &bads[i]
		if b.topic == event.NoTopic {
			b.topic = event.Subtracts
		}
		if b.key == "" {
			b.key = "alice"
		}
		if b.code != event.WrongPartition {
			b.partition = kafka.PartitionOf(b.key, in.partitions)
		}
	}
	return bads
}

// mapBomb is an Avro subtract of 27 bytes whose metadata claims 2^60 pairs.
func mapBomb() []byte {
	bomb := codec.SingleObject().AppendEvent(nil, subtract("", 0, 1))[:10]
	bomb = append(bomb, 0, 2, 'u', 0, 1, 0, 0, 0) // ids, time, time_given, sequence, asset, source
	bomb = binary.AppendVarint(bomb, 1<<60)
	if len(bomb) != 27 {
		panic(fmt.Sprintf("the bomb has %d bytes", len(bomb)))
	}
	return bomb
}

func subtract(id string, at event.Time, amount event.Amount) *event.Event {
	var e event.Event
	e.Clear()
	e.Kind, e.ID, e.User, e.OccurredAt, e.Asset, e.Amount = event.Subtract, id, "alice", at, event.DefaultAsset, amount
	return &e
}

// send produces one record, with a header of its producer, and gives its
// position.
func (in *installation) send(topic event.Topic, partition int32, key string, value []byte) *kgo.Record {
	in.t.Helper()
	r := &kgo.Record{
		Topic: in.names.Input(topic), Partition: partition, Key: []byte(key), Value: value,
		Headers: []kgo.RecordHeader{{Key: "traceparent", Value: []byte("00-" + key)}, {Key: "empty"}},
	}
	if err := in.client.ProduceSync(in.t.Context(), r).FirstErr(); err != nil {
		in.t.Fatal(err)
	}
	return r
}

// sendGood produces a subtract of alice's.
func (in *installation) sendGood(id string) {
	in.t.Helper()
	e := subtract(id, event.TimeOf(time.Now()), 1)
	in.send(event.Subtracts, kafka.PartitionOf("alice", in.partitions), "alice", codec.SingleObject().AppendEvent(nil, e))
}

func TestBadInputIsPutAsideUntouched(t *testing.T) {
	in := install(t, 2)
	p := in.start("p0")
	in.sendGood("first")
	bads := badRecords(in)
	letters := in.reader(kafka.DeadLetters)
	entries := in.reader(kafka.Entries)
	sent := map[string]badRecord{}
	for _, b := range bads {
		r := in.send(b.topic, b.partition, b.key, b.value)
		sent[fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset)] = b
	}
	// The partition goes on.
	in.sendGood("last")
	in.awaitEntry(entries, "last")
	for _, letter := range in.next(letters, len(bads)) {
		h := headersOf(letter)
		origin := h["__streams.errors.topic"] + "/" + h["__streams.errors.partition"] + "/" + h["__streams.errors.offset"]
		b, ok := sent[origin]
		if !ok {
			t.Errorf("a dead letter of %s, where nothing bad was sent", origin)
			continue
		}
		delete(sent, origin)
		if got := h["__streams.errors.exception"]; got != b.code.String() {
			t.Errorf("%s ended as %s (%s), expected %s", b.name, got, h["__streams.errors.message"], b.code)
		}
		if string(letter.Key) != b.key || !bytes.Equal(letter.Value, b.value) || (letter.Value == nil) != (b.value == nil) {
			t.Errorf("%s isn't as it was sent", b.name)
		}
		own := letter.Headers[:min(2, len(letter.Headers))]
		if len(own) != 2 || own[0].Key != "traceparent" || string(own[0].Value) != "00-"+b.key || own[1].Key != "empty" || own[1].Value != nil {
			t.Errorf("%s doesn't have its headers: %v", b.name, letter.Headers)
		}
	}
	for origin, b := range sent {
		t.Errorf("%s (%s) is no dead letter", b.name, origin)
	}
	// What random bytes and flipped bits make is for verify to judge.
	in.sendMutations(500)
	in.sendGood("after mutations")
	in.awaitEntry(entries, "after mutations")
	in.verify()
	p.stop()
}

// sendMutations produces random bytes, and Avro events with some bits flipped.
func (in *installation) sendMutations(n int) {
	in.t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	at := event.TimeOf(time.Now())
	var records []*kgo.Record
	for i := range n {
		value := codec.SingleObject().AppendEvent(nil, subtract(fmt.Sprintf("mutation-%d", i), at, 1+event.Amount(i)))
		if i%2 == 0 {
			for range 1 + rng.IntN(3) {
				value[10+rng.IntN(len(value)-10)] ^= 1 << rng.IntN(8)
			}
		} else {
			value = value[:rng.IntN(len(value))]
			for j := range value {
				// Headers stay: an unknown fingerprint would stop the shard.
				if j >= 10 || i%4 == 1 && j >= 1 {
					value[j] = byte(rng.Uint32())
				}
			}
			if i%4 == 1 && len(value) > 0 {
				value[0] = byte(0xc4 + rng.IntN(60))
			}
		}
		records = append(records, &kgo.Record{
			Topic: in.names.Input(event.Subtracts), Partition: kafka.PartitionOf("alice", in.partitions), Key: []byte("alice"), Value: value,
		})
	}
	if err := in.client.ProduceSync(in.t.Context(), records...).FirstErr(); err != nil {
		in.t.Fatal(err)
	}
}

// A record of a schema nobody knows stops its partition, until a person
// decides: for one record, or for all of them.
func TestUnknownSchemaStopsUntilAPersonDecides(t *testing.T) {
	in := install(t, 1)
	p := in.start("p0")
	entries, letters := in.reader(kafka.Entries), in.reader(kafka.DeadLetters)
	newer := codec.SingleObject().AppendEvent(nil, subtract("newer", event.TimeOf(time.Now()), 1))
	copy(newer[2:10], "\x11\x22\x33\x44\x55\x66\x77\x88")

	in.sendGood("before")
	in.awaitEntry(entries, "before")
	unknown := in.send(event.Subtracts, 0, "alice", newer)
	in.sendGood("behind")
	in.mustStop(p, unknown)
	// It doesn't help to start it again.
	p.start()
	in.mustStop(p, unknown)

	skip := kafka.Skip{Position: event.Position{Topic: event.Subtracts, Offset: unknown.Offset}, By: "test", Reason: "ours"}
	if err := kafka.ProduceSkip(t.Context(), in.client, in.names, skip); err != nil {
		t.Fatal(err)
	}
	p.start()
	in.awaitEntry(entries, "behind")
	in.mustBe(in.next(letters, 1)[0], newer, event.Quarantined)

	unknown = in.send(event.Subtracts, 0, "alice", newer)
	in.mustStop(p, unknown)
	p.command = in.processor("p0", "--unknown-schema", "dead-letter")
	p.start()
	in.sendGood("last")
	in.awaitEntry(entries, "last")
	in.mustBe(in.next(letters, 1)[0], newer, event.Malformed)
	in.verify()
	p.stop()
}

// mustStop checks that a process stops for a person to decide about a record,
// and says which.
func (in *installation) mustStop(p *process, r *kgo.Record) {
	in.t.Helper()
	if status := p.wait(); status != 3 {
		in.t.Fatalf("exit status %d, expected 3", status)
	}
	for _, said := range []string{fmt.Sprintf("subtracts/%d/%d", r.Partition, r.Offset), "8877665544332211"} {
		if !p.logged(said) {
			in.t.Errorf("the log doesn't say %s", said)
		}
	}
}

func (in *installation) mustBe(letter *kgo.Record, value []byte, code event.Code) {
	in.t.Helper()
	if !bytes.Equal(letter.Value, value) || headersOf(letter)["__streams.errors.exception"] != code.String() {
		in.t.Errorf("the dead letter is %q (%v), expected %q as %s", letter.Value, headersOf(letter), value, code)
	}
}

func headersOf(r *kgo.Record) map[string]string {
	h := map[string]string{}
	for _, header := range r.Headers {
		h[header.Key] = string(header.Value)
	}
	return h
}

// reader reads an output topic from its beginning, committed records only.
func (in *installation) reader(output kafka.Output) *kgo.Client {
	in.t.Helper()
	from := map[int32]kgo.Offset{}
	for p := range in.partitions {
		from[p] = kgo.NewOffset().AtStart()
	}
	client, err := kgo.NewClient(append(kafka.FollowerOptions(in.options),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{in.names.Output(output): from}))...)
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(client.Close)
	return client
}

// next waits for n more records.
func (in *installation) next(client *kgo.Client, n int) []*kgo.Record {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(in.t.Context(), endWithin)
	defer cancel()
	var records []*kgo.Record
	for len(records) < n {
		records = slices.AppendSeq(records, func(yield func(*kgo.Record) bool) {
			for r := range client.PollRecords(ctx, n-len(records)).RecordsAll() {
				if !r.Attrs.IsControl() && !yield(r) {
					return
				}
			}
		})
		if ctx.Err() != nil {
			in.t.Fatalf("%d of %d records came", len(records), n)
		}
	}
	return records
}

// awaitEntry waits for the entry of an event.
func (in *installation) awaitEntry(client *kgo.Client, id string) {
	in.t.Helper()
	for {
		var e event.Entry
		if err := new(codec.Decoder).DecodeEntry(in.next(client, 1)[0].Value, &e); err != nil {
			in.t.Fatal(err)
		}
		if e.EventID == id {
			return
		}
	}
}
