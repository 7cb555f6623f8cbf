package codec

import (
	"testing"

	"highwater/pkg/event"
)

// typical are events as most producers send them.
func typical() map[string]event.Event {
	return map[string]event.Event{
		"grant": plainEvent(event.Grant, func(e *event.Event) {
			e.ID, e.User, e.OccurredAt = "01JGFJJZ00Q8N7X3V5T2", "user-000123", 1767225600123456
			e.Ref, e.Amount, e.ExpiresAt = "grant-2026-01", 5_000, 1769904000000000
		}),
		"subtract": plainEvent(event.Subtract, func(e *event.Event) {
			e.ID, e.User, e.OccurredAt = "01JGFJJZ00Q8N7X3V5T2", "user-000123", 1767225600123456
			e.Amount, e.Source = 17, "gateway"
		}),
		"place": plainEvent(event.PlaceOrder, func(e *event.Event) {
			e.ID, e.User, e.OccurredAt = "01JGFJJZ00Q8N7X3V5T2", "user-000123", 1767225600123456
			e.Ref, e.Currency, e.Quantity, e.Price = "order-77", "EUR", event.DecimalOf(12), event.DecimalOf(345)
		}),
	}
}

func typicalEntry() event.Entry {
	return event.Entry{
		EventID: "01JGFJJZ00Q8N7X3V5T2", UserID: "user-000123", Asset: "credits", Kind: event.Subtract,
		OccurredAt: 1767225600123456, EffectiveAt: 1767225600123456, ArrivedAt: 1767225600223456,
		Input: event.Position{Topic: event.Subtracts, Partition: 3, Offset: 123456789},
		Result: event.Result{
			Outcome: event.Applied, Amount: 17, After: event.Balances{Balance: 4983},
			Slices: []event.Slice{{GrantID: "grant-2026-01", Amount: 17, ExpiresAt: 1769904000000000}},
		},
		Stamp: event.Stamp{Partition: 3, Seq: 987654321, Watermark: 1767225590123456, CommittedAt: 1767225600323456},
	}
}

// The hot path costs no allocation: reading an event, in Avro or JSON, and
// writing events and entries.
func TestHotPathDoesNotAllocate(t *testing.T) {
	enc, dec := SingleObject(), new(Decoder)
	out := make([]byte, 0, 4096)
	var got event.Event
	none := func(what string, f func()) {
		t.Helper()
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
	for name, e := range typical() {
		key, avro := []byte(e.User), enc.AppendEvent(nil, &e)
		text := AppendEventJSON(nil, &e)
		for form, value := range map[string][]byte{"avro": avro, "json": text} {
			none("decode "+form+" "+name, func() {
				if r := dec.Decode(e.Kind.Topic(), key, value, 1, &got); r != nil {
					t.Fatal(r)
				}
			})
		}
		none("append "+name, func() { out = enc.AppendEvent(out[:0], &e) })
	}
	entry := typicalEntry()
	none("append entry", func() { out = enc.AppendEntry(out[:0], &entry) })
	none("append entry's JSON", func() { out = AppendEntryJSON(out[:0], &entry) })
	balance := event.Balance{UserID: "u", Asset: "credits", NextChangeAt: event.NoTime}
	none("append balance", func() { out = enc.AppendBalance(out[:0], &balance) })
	none("append key", func() { out = AppendKey(out[:0], balance.UserID, balance.Asset) })
}

func BenchmarkDecode(b *testing.B) {
	enc, dec := SingleObject(), new(Decoder)
	for name, e := range typical() {
		key, avro := []byte(e.User), enc.AppendEvent(nil, &e)
		text := AppendEventJSON(nil, &e)
		for form, value := range map[string][]byte{"avro": avro, "json": text} {
			b.Run(form+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(value)))
				var got event.Event
				for b.Loop() {
					if r := dec.Decode(e.Kind.Topic(), key, value, 1, &got); r != nil {
						b.Fatal(r)
					}
				}
			})
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	enc := SingleObject()
	out := make([]byte, 0, 4096)
	for name, e := range typical() {
		b.Run("event/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				out = enc.AppendEvent(out[:0], &e)
			}
		})
	}
	entry := typicalEntry()
	b.Run("entry", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			out = enc.AppendEntry(out[:0], &entry)
		}
	})
	b.Run("entry json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			out = AppendEntryJSON(out[:0], &entry)
		}
	})
}

func BenchmarkDecodeEntry(b *testing.B) {
	entry := typicalEntry()
	value, dec := SingleObject().AppendEntry(nil, &entry), new(Decoder)
	b.ReportAllocs()
	var got event.Entry
	for b.Loop() {
		if err := dec.DecodeEntry(value, &got); err != nil {
			b.Fatal(err)
		}
	}
}
