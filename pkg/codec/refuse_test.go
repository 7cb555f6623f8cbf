package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"highwater/pkg/event"
)

// head is how a value of a schema begins, up to its metadata.
func head(s Schema) []byte {
	b := SingleObject().open(nil, s)
	b = appendText(b, "e1")
	b = appendText(b, "alice")
	b = appendLong(b, 1_000)
	b = appendBool(b, true)
	b = appendLong(b, 0)
	b = appendText(b, "credits")
	return appendText(b, "")
}

// grantOf is a grant behind any metadata.
func grantOf(metadata ...byte) []byte {
	b := append(head(GrantEvent), metadata...)
	b = append(b, 0)
	b = appendText(b, "g1")
	b = appendLong(b, 100)
	return append(b, branchNull, branchNull, 0)
}

// after appends bytes and numbers to a value.
func after(value []byte, parts ...any) []byte {
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			value = appendLong(value, int64(p))
		case string:
			value = appendText(value, p)
		case []byte:
			value = append(value, p...)
		}
	}
	return value
}

func plainEvent(k event.Kind, change func(*event.Event)) event.Event {
	var e event.Event
	e.Clear()
	e.ID, e.User, e.OccurredAt, e.Kind = "e1", "alice", 1_000, k
	if change != nil {
		change(&e)
	}
	e.FillDefaults()
	return e
}

func plainGrant() event.Event {
	return plainEvent(event.Grant, func(e *event.Event) { e.Ref, e.Amount = "g1", 100 })
}

type refusal struct {
	name  string
	value []byte
	code  event.Code
	field string
	says  string
}

func (c refusal) check(t *testing.T, r *event.Refusal) {
	t.Helper()
	switch {
	case r == nil:
		t.Errorf("%s: taken", c.name)
	case r.Code != c.code || r.Field != c.field || !strings.Contains(r.Message, c.says) || r.Message == "":
		t.Errorf("%s: %v; want %v of %q with %q", c.name, r, c.code, c.field, c.says)
	case len(r.Error()) > 400:
		t.Errorf("%s: a message of %d bytes", c.name, len(r.Error()))
	}
}

func TestAvroRefusals(t *testing.T) {
	enc := SingleObject()
	bytesOf := func(e event.Event) []byte { return enc.AppendEvent(nil, &e) }
	grant := bytesOf(plainGrant())
	order := func(amount []byte) []byte {
		return after(head(OrderEvent), []byte{0, 0}, "o1", "EUR", len(amount), amount, 1, []byte{1})
	}
	entry := event.Entry{Kind: event.Grant, ArrivedAt: event.NoTime, Result: event.Result{Outcome: event.Applied}}
	pairs := binary.AppendVarint(nil, 17)
	for i := range 17 {
		pairs = after(pairs, fmt.Sprint(i), "v")
	}
	long := bytes.Repeat([]byte{0x80}, 9)
	const m, inv = event.Malformed, event.Invalid
	for _, c := range []refusal{
		{"nothing", nil, m, "", "empty"},
		{"text", []byte("hello"), m, "", "byte 68"},
		{"half a mark", []byte{0xc3}, m, "", "C3 01"},
		{"another mark", []byte{0xc3, 0x02, 1, 2, 3, 4, 5, 6, 7, 8}, m, "", "C3 01"},
		{"half a fingerprint", grant[:9], m, "", "C3 01"},
		{"unknown fingerprint", []byte{0xc3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 0}, event.UnknownSchema, "", "0807060504030201"},
		{"no registry", []byte{0, 0, 0, 0, 1}, m, "", "registry"},
		{"a record", enc.AppendEntry(nil, &entry), m, "", "highwater.v1.Entry is not an event"},
		{"too large", append(grant, make([]byte, MaxEventBytes)...), m, "", "at most 1048576"},
		{"a byte more", append(bytes.Clone(grant), 0), m, "", "follow"},
		{"header alone", grant[:10], m, "event_id", "too early"},
		{"negative length", after(grant[:10:10], -1), m, "event_id", "too early"},
		{"long length", after(grant[:10:10], 1<<40), m, "event_id", "too early"},
		{"longest length", after(grant[:10:10], []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}), m, "event_id", "too early"},
		{"endless number", after(grant[:10:10], long, []byte{0x80, 0x80}), m, "event_id", "variable-length"},
		{"number of 65 bits", after(grant[:10:10], long, []byte{2}), m, "event_id", "variable-length"},
		{"number longer than it needs", after(grant[:10:10], []byte{0x84, 0x00}, []byte("e1")), m, "event_id", "variable-length"},
		{"cut number", after(grant[:10:10], []byte{0x80}), m, "event_id", "too early"},
		{"time_given of 2", after(grant[:10:10], "e1", "alice", 1, []byte{2}), m, "time_given", "neither"},
		{"map bomb", grantOf(binary.AppendVarint(nil, 1<<60)...), m, "metadata", "more items"},
		{"sized map bomb", grantOf(after(nil, -1<<60, 3)...), m, "metadata", "more items"},
		{"smallest count", grantOf(binary.AppendVarint(nil, -1<<63)...), m, "metadata", "more items"},
		{"smallest count, sized", grantOf(after(nil, -1<<63, 1)...), m, "metadata", "more items"},
		{"negative size", grantOf(after(nil, -1, -4, "k", "v", 0)...), m, "metadata", "more items"},
		{"size of more", grantOf(after(nil, -1, 5, "k", "v", 0)...), m, "metadata", "another size"},
		{"size of less", grantOf(after(nil, -1, 3, "k", "v", 0)...), m, "metadata", "another size"},
		{"the same key twice", grantOf(after(nil, 2, "k", "v", "k", "w", 0)...), m, "metadata", "twice"},
		{"the same key in two blocks", grantOf(after(nil, 1, "k", "v", 1, "k", "v", 0)...), m, "metadata", "twice"},
		{"17 pairs", grantOf(after(nil, pairs, 0)...), inv, "metadata", "17 pairs"},
		{"branch 2 of 2", after(head(GrantEvent), 0, 2, "g1"), m, "operation", "branch"},
		{"branch -1", after(head(GrantEvent), 0, -1, "g1"), m, "operation", "branch"},
		{"branch of a time", after(head(GrantEvent), 0, 0, "g1", 1, 2), m, "effective_at", "branch"},
		{"priority of 33 bits", after(head(GrantEvent), 0, 0, "g1", 1, 0, 0, 1<<32), m, "priority", "32-bit"},
		{"decimal of nothing", order(nil), m, "amount", "no bytes"},
		{"decimal of 33 bytes", order(make([]byte, 33)), m, "amount", "more than 32"},
		{"amount of zero", order([]byte{0}), inv, "amount", "above zero"},
		{"amount below zero", order([]byte{0xff}), inv, "amount", "above zero"},
		{"amount of 10^18", order([]byte{0, 0xc0, 0x97, 0xce, 0x7b, 0xc9, 0x07, 0x15, 0xb3, 0x4b, 0x9f, 0x10, 0, 0, 0, 0}), inv, "amount", "18 digits"},
		{"effective_at -1", after(head(GrantEvent), 0, 0, "g1", 1, 1, -1, 0, 0), inv, "effective_at", "-1"},
		{"expires_at -1", after(head(GrantEvent), 0, 0, "g1", 1, 0, 1, -1, 0), inv, "expires_at", "-1"},
		{"refund of -1", after(head(LedgerEvent), 0, 2, "s1", 1, -1), inv, "amount", "-1"},
		{"asset without a name", bytes.Replace(grantOf(0), []byte("\x0ecredits"), []byte("\x00"), 1), inv, "asset", "empty"},
		{"bytes that are no UTF-8", bytes.Replace(grantOf(0), []byte("\x04e1"), []byte("\x04e\xff"), 1), inv, "event_id", "UTF-8"},
		{"control character", bytes.Replace(grantOf(0), []byte("\x04g1"), []byte("\x04g\n"), 1), inv, "grant_id", "U+000A"},
		{"2^63-1 credits", after(head(SubtractEvent), 0, 0, 1<<63-1), inv, "amount", "2^53"},
		{"another topic", bytesOf(plainEvent(event.Subtract, func(e *event.Event) { e.Amount = 1 })), inv, "operation", "subtracts"},
		{"another user", bytesOf(plainEvent(event.Revoke, func(e *event.Event) { e.User, e.Ref = "bob", "g" })), inv, "user_id", `"alice"`},
	} {
		topic := event.Grants
		for _, s := range []Schema{SubtractEvent, LedgerEvent, OrderEvent} {
			if len(c.value) > singleHeader && c.name != "another topic" && bytes.HasPrefix(c.value, enc.open(nil, s)) {
				topic = event.Inputs[s-GrantEvent]
			}
		}
		c.check(t, new(Decoder).Decode(topic, []byte("alice"), c.value, 1, new(event.Event)))
	}
	confluent := Decoder{SchemaByID: func(uint32) (string, error) { return GrantEvent.Text(), nil }}
	refusal{"half an id", nil, m, "", "schema id"}.check(t, confluent.Decode(event.Grants, nil, []byte{0, 1, 2}, 1, new(event.Event)))
	small := Decoder{MaxBytes: 20}
	refusal{"larger than it is told", nil, m, "", "at most 20"}.check(t, small.Decode(event.Grants, []byte("alice"), grant, 1, new(event.Event)))
	refusal{"no key", nil, inv, "user_id", `""`}.check(t, new(Decoder).Decode(event.Grants, nil, grant, 1, new(event.Event)))
}

// A block that says its size is as good as one that doesn't.
func TestSizedBlocksAreRead(t *testing.T) {
	want := plainGrant()
	want.Metadata = []event.Pair{{Key: "k", Value: "v"}, {Key: "", Value: ""}, {Key: "l", Value: "w"}}
	var got event.Event
	value := grantOf(after(nil, -2, 6, "k", "v", "", "", 1, "l", "w", 0)...)
	if r := new(Decoder).Decode(event.Grants, []byte("alice"), value, 1, &got); r != nil {
		t.Fatal(r)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

// A decimal in more bytes than it needs is the same decimal.
func TestPaddedDecimalsAreRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := sums.Draw(t, "decimal")
		own := appendDecimal(nil, d)[1:]
		sign := byte(0)
		if d.Sign() < 0 {
			sign = 0xff
		}
		pad := rapid.IntRange(0, maxDecimalBytes-len(own)).Draw(t, "padding")
		c := cursor{buf: after(nil, pad+len(own), bytes.Repeat([]byte{sign}, pad), own)}
		if got := c.decimal("amount"); got != d || c.end() != nil {
			t.Fatalf("got %v, want %v: %v", got, d, c.end())
		}
	})
}

// Every cut of a value is malformed, and so is a byte after it.
func TestCutEventsAreMalformed(t *testing.T) {
	enc := SingleObject()
	rapid.Check(t, func(t *rapid.T) {
		e := events.Draw(t, "event")
		for _, value := range [][]byte{enc.AppendEvent(nil, &e), AppendEventJSON(nil, &e)} {
			for cut := range value {
				r := new(Decoder).Decode(e.Kind.Topic(), []byte(e.User), value[:cut:cut], 1, new(event.Event))
				if r == nil || r.Code != event.Malformed {
					t.Fatalf("%d of %d bytes: %v", cut, len(value), r)
				}
			}
			r := new(Decoder).Decode(e.Kind.Topic(), []byte(e.User), append(value, 'x'), 1, new(event.Event))
			if r == nil || r.Code != event.Malformed {
				t.Fatalf("a byte after the end: %v", r)
			}
		}
	})
}

// I1: what claims much and holds little costs little.
func TestBombsAllocateLittle(t *testing.T) {
	enc := SingleObject()
	c := event.Correction{Cause: event.Cause{Kind: event.Grant}}
	correction := enc.AppendCorrection(nil, &c)
	entry := event.Entry{Kind: event.Grant, ArrivedAt: event.NoTime, Result: event.Result{Outcome: event.Applied}}
	bombs := map[string]func() error{
		"metadata": func() error {
			if r := new(Decoder).Decode(event.Grants, []byte("alice"), grantOf(binary.AppendVarint(nil, 1<<60)...), 1, new(event.Event)); r != nil {
				return r
			}
			return nil
		},
		"changes": func() error {
			// The counts of both arrays stand before the last six numbers.
			value := after(correction[:len(correction)-8:len(correction)-8], 1<<60)
			return new(Decoder).DecodeCorrection(value, new(event.Correction))
		},
		"slices": func() error {
			value := enc.AppendEntry(nil, &entry)
			return new(Decoder).DecodeEntry(after(value[:len(value)-16:len(value)-16], 1<<60), new(event.Entry))
		},
	}
	for name, decode := range bombs {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := decode()
		runtime.ReadMemStats(&after)
		if r, _ := err.(*event.Refusal); r == nil || r.Field != name {
			t.Errorf("%s: %v", name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
			t.Errorf("%s: %d bytes allocated", name, n)
		}
	}
}

func TestRecordRefusals(t *testing.T) {
	enc := SingleObject()
	grant := plainGrant()
	entry := event.Entry{EventID: "e", UserID: "u", Kind: event.Grant, ArrivedAt: event.NoTime, Result: event.Result{Outcome: event.Applied, Amount: 1}}
	value := enc.AppendEntry(nil, &entry)
	swapIn := func(value []byte, was, is string) []byte {
		if !bytes.Contains(value, []byte(was)) {
			t.Fatalf("% x has no % x", value, was)
		}
		return bytes.Replace(value, []byte(was), []byte(is), 1)
	}
	swap := func(was, is string) []byte { return swapIn(value, was, is) }
	pause := entry
	pause.Kind, pause.Input = event.Pause, event.Position{Topic: event.Orders, Offset: 1}
	pause.Order = event.OrderChange{OrderID: "o1", Status: event.Paused}
	order := enc.AppendEntry(nil, &pause)
	const m = event.Malformed
	for _, c := range []refusal{
		{"nothing", nil, m, "", "empty"},
		{"an event", enc.AppendEvent(nil, &grant), m, "", "GrantEvent"},
		{"too large", append(value, make([]byte, MaxRecordBytes)...), m, "", "at most 16777216"},
		{"no kind", swap("\x0agrant", "\x0agrasp"), m, "kind", "no kind"},
		{"no outcome", swap("\x0eapplied", "\x0eapplies"), m, "outcome", "no outcome"},
		{"no code", swap("\x0eapplied\x00", "\x0eapplied\x02\x02x"), m, "code", "no code"},
		{"an empty code", swap("\x0eapplied\x00", "\x0eapplied\x02\x00"), m, "code", "null stands for none"},
		{"no balance", swap("\x00\x00\x02\x00\x02\x00\x02\x00\x00", "\x00\x00\x00\x00\x00\x00"), m, "balance_after", "null exactly"},
		{"another kind", swap("\x0agrant", "\x0apause"), m, "balance_after", "null exactly"},
		{"an order of credits", swapIn(order, "\x00\x02\x02\x04o1", "\x00\x00"), m, "order", "exactly for orders"},
		{"no state", swapIn(order, "\x0cPAUSED", "\x0cPAUSES"), m, "order.state", "no state"},
		{"an order and a count", swapIn(order, "PAUSED\x00", "PAUSED\x02\x06"), m, "order.cancelled", "exactly for cancel_all"},
		{"no topic", swapIn(order, "orders", "border"), m, "input", "no input topic"},
	} {
		err := new(Decoder).DecodeEntry(c.value, new(event.Entry))
		r, _ := err.(*event.Refusal)
		c.check(t, r)
	}
}
