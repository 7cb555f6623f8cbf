package codec

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"highwater/pkg/event"
)

// wires are the two Avro forms, each with the decoder that reads it.
func wires(t interface{ Fatal(...any) }) map[string]struct {
	*Encoder
	*Decoder
} {
	registered := make(map[Schema]uint32)
	texts := make(map[uint32]string)
	for i, s := range Schemas() {
		id := uint32(i)*7919 + 1
		registered[s], texts[id] = id, s.Text()
	}
	confluent, err := Confluent(registered)
	if err != nil {
		t.Fatal(err)
	}
	lookup := func(id uint32) (string, error) { return texts[id], nil }
	return map[string]struct {
		*Encoder
		*Decoder
	}{
		"single object": {SingleObject(), new(Decoder)},
		"confluent":     {confluent, &Decoder{SchemaByID: lookup}},
	}
}

// I2: decoding what was appended gives the same event.
func TestEventRoundTrip(t *testing.T) {
	both := wires(t)
	rapid.Check(t, func(t *rapid.T) {
		e := events.Draw(t, "event")
		for name, wire := range both {
			value := wire.AppendEvent([]byte("before"), &e)[len("before"):]
			var got event.Event
			if r := wire.Decode(e.Kind.Topic(), []byte(e.User), value, 1, &got); r != nil {
				t.Fatalf("%s: %v", name, r)
			}
			if !reflect.DeepEqual(got, e) {
				t.Fatalf("%s: got %+v\nwant %+v", name, got, e)
			}
		}
		value := AppendEventJSON([]byte("before"), &e)[len("before"):]
		var got event.Event
		if r := new(Decoder).Decode(e.Kind.Topic(), []byte(e.User), value, 1, &got); r != nil {
			t.Fatalf("%s: %v", value, r)
		}
		e.TimeGiven = true
		if !reflect.DeepEqual(got, e) {
			t.Fatalf("%s: got %+v\nwant %+v", value, got, e)
		}
	})
}

// I2, for every record.
func TestRecordRoundTrip(t *testing.T) {
	both := wires(t)
	t.Run("entry", func(t *testing.T) {
		roundTrip(t, entries, func(t *rapid.T, r *event.Entry) {
			for _, wire := range both {
				same(t, r, wire.AppendEntry(nil, r), wire.DecodeEntry)
			}
		})
	})
	t.Run("correction", func(t *testing.T) {
		roundTrip(t, corrections, func(t *rapid.T, r *event.Correction) {
			for _, wire := range both {
				same(t, r, wire.AppendCorrection(nil, r), wire.DecodeCorrection)
			}
		})
	})
	t.Run("balance", func(t *testing.T) {
		roundTrip(t, balances, func(t *rapid.T, r *event.Balance) {
			for _, wire := range both {
				same(t, r, wire.AppendBalance(nil, r), wire.DecodeBalance)
			}
		})
	})
	t.Run("order state", func(t *testing.T) {
		roundTrip(t, orderStates, func(t *rapid.T, r *event.OrderState) {
			for _, wire := range both {
				same(t, r, wire.AppendOrderState(nil, r), wire.DecodeOrderState)
			}
		})
	})
	t.Run("order stats", func(t *testing.T) {
		roundTrip(t, orderStats, func(t *rapid.T, r *event.OrderStats) {
			for _, wire := range both {
				same(t, r, wire.AppendOrderStats(nil, r), wire.DecodeOrderStats)
			}
		})
	})
	t.Run("watermark", func(t *testing.T) {
		roundTrip(t, watermarks, func(t *rapid.T, r *event.Watermark) {
			for _, wire := range both {
				same(t, r, wire.AppendWatermark(nil, r), wire.DecodeWatermark)
			}
		})
	})
	t.Run("alert", func(t *testing.T) {
		roundTrip(t, alerts, func(t *rapid.T, r *event.Alert) {
			for _, wire := range both {
				same(t, r, wire.AppendAlert(nil, r), wire.DecodeAlert)
			}
		})
	})
}

func roundTrip[T any](t *testing.T, records *rapid.Generator[T], check func(*rapid.T, *T)) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		r := records.Draw(t, "record")
		check(t, &r)
	})
}

// same checks that a value decodes to the record, that nothing less of it
// does, and that nothing more does.
func same[T any](t *rapid.T, want *T, value []byte, decode func([]byte, *T) error) {
	var got T
	if err := decode(value, &got); err != nil {
		t.Fatalf("%+v: %v", want, err)
	}
	if !reflect.DeepEqual(&got, want) {
		t.Fatalf("got %+v\nwant %+v", &got, want)
	}
	for cut := range value {
		if decode(value[:cut], &got) == nil {
			t.Fatalf("%d of %d bytes decode", cut, len(value))
		}
	}
	if decode(append(value, 0), &got) == nil {
		t.Fatal("a byte after the end decodes")
	}
}
