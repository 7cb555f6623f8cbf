package codec

import (
	"encoding/binary"
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/avro"
	"pgregory.net/rapid"

	"highwater/pkg/event"
)

// older and newer are other versions of a schema: one that lacks fields of
// ours, one that has more.
func older(tb testing.TB) string {
	tb.Helper()
	return edited(tb, GrantEvent, "Grant", withoutField("priority"))
}

func newer(tb testing.TB) string {
	tb.Helper()
	return edited(tb, GrantEvent, "Grant", withField("campaign", []any{"null", "string"}, nil))
}

// written is a value of another version of GrantEvent, behind its header.
func written(t interface{ Fatal(...any) }, text string, e *event.Event, more native) []byte {
	schema := avro.MustParse(text)
	fields := nativeEvent(e)
	operation := fields["operation"].(native)
	for name, v := range operation {
		maps.Copy(v.(native), more)
		for _, field := range []string{"effective_at", "expires_at"} {
			if branch, ok := v.(native)[field].(native); ok {
				v.(native)[field] = branch["long"]
			}
		}
		operation[name] = v
	}
	value, err := schema.AppendSingleObject(nil, fields)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestOtherVersionsAreRead(t *testing.T) {
	old, young := older(t), newer(t)
	var byFingerprint, fresh Decoder
	byID := Decoder{SchemaByID: func(id uint32) (string, error) { return map[uint32]string{1: old, 2: young}[id], nil }}
	for _, text := range []string{old, young} {
		if err := byFingerprint.Learn(text); err != nil {
			t.Fatal(err)
		}
	}
	grants := events.Filter(func(e event.Event) bool { return e.Kind == event.Grant })
	rapid.Check(t, func(t *rapid.T) {
		e := grants.Draw(t, "event")
		sortMetadata(&e)
		for id, text := range map[int]string{1: old, 2: young} {
			want, more := e, native{"campaign": "spring"}
			if text == old {
				want.Priority, more = 0, native{}
			}
			value := written(t, text, &e, more)
			var got event.Event
			if r := fresh.Decode(event.Grants, []byte(e.User), value, 1, &got); r == nil || r.Code != event.UnknownSchema {
				t.Fatalf("a decoder that wasn't told of the schema says %v", r)
			}
			confluent := binary.BigEndian.AppendUint32([]byte{confluentMagic}, uint32(id))
			confluent = append(confluent, value[singleHeader:]...)
			for name, try := range map[string]struct {
				*Decoder
				value []byte
			}{"by fingerprint": {&byFingerprint, value}, "by id": {&byID, confluent}} {
				if r := try.Decode(event.Grants, []byte(e.User), try.value, 1, &got); r != nil {
					t.Fatalf("%s: %v", name, r)
				}
				sortMetadata(&got)
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("%s: got %+v\nwant %+v", name, got, want)
				}
				if r := try.Decode(event.Grants, []byte(e.User), append(try.value, 0), 1, &got); r == nil || r.Code != event.Malformed {
					t.Fatalf("%s: a byte after the end: %v", name, r)
				}
				if r := try.Decode(event.Grants, []byte(e.User), try.value[:len(try.value)-1], 1, &got); r == nil || r.Code != event.Malformed {
					t.Fatalf("%s: a byte less: %v", name, r)
				}
			}
		}
	})
}

// A writer whose orders are decimals, and whose records are of all kinds.
func TestOtherVersionsOfOrdersAndRecordsAreRead(t *testing.T) {
	order := edited(t, OrderEvent, "OrderEvent", withField("desk", "string", ""))
	entry := edited(t, EntryRecord, "Entry", withField("note", "string", ""))
	var d Decoder
	for _, text := range []string{order, entry} {
		if err := d.Learn(text); err != nil {
			t.Fatal(err)
		}
	}
	rewrite := func(t *rapid.T, text string, own []byte, s Schema) []byte {
		var v any
		if _, err := avro.MustParse(s.Text(), rawTimes, rawDecimals).DecodeSingleObject(own, &v, avro.TaggedUnions()); err != nil {
			t.Fatal(err)
		}
		value, err := avro.MustParse(text, rawTimes, rawDecimals).AppendSingleObject(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	enc := SingleObject()
	orders := events.Filter(func(e event.Event) bool { return e.Kind.IsOrder() })
	rapid.Check(t, func(t *rapid.T) {
		e := orders.Draw(t, "event")
		var got event.Event
		if r := d.Decode(event.Orders, []byte(e.User), rewrite(t, order, enc.AppendEvent(nil, &e), OrderEvent), 1, &got); r != nil {
			t.Fatal(r)
		}
		sortMetadata(&e)
		sortMetadata(&got)
		if !reflect.DeepEqual(got, e) {
			t.Fatalf("got %+v\nwant %+v", got, e)
		}
		want := entries.Draw(t, "entry")
		var back event.Entry
		if err := d.DecodeEntry(rewrite(t, entry, enc.AppendEntry(nil, &want), EntryRecord), &back); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, want) {
			t.Fatalf("got %+v\nwant %+v", back, want)
		}
	})
}

func TestWritersThatCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct{ text, why string }{
		"no schema":      {`{"type":`, "parse the writer's schema"},
		"not one of us":  {`{"type":"record","name":"Order","namespace":"shop","fields":[]}`, `"shop.Order"`},
		"milliseconds":   {edited(t, GrantEvent, "GrantEvent", withType("occurred_at", map[string]any{"type": "long", "logicalType": "timestamp-millis"})), "timestamp-millis"},
		"in a union":     {edited(t, GrantEvent, "Grant", withType("expires_at", []any{"null", map[string]any{"type": "long", "logicalType": "timestamp-millis"}})), "timestamp-millis"},
		"other decimals": {edited(t, OrderEvent, "Place", withType("price", map[string]any{"type": "bytes", "logicalType": "decimal", "precision": 36, "scale": 9})), "price"},
		"another type":   {edited(t, GrantEvent, "Grant", withType("amount", "string")), "amount"},
		"no user":        {edited(t, GrantEvent, "GrantEvent", withoutField("user_id")), "user_id"},
	} {
		var d Decoder
		if err := d.Learn(c.text); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: Learn says %v; want %q", name, err, c.why)
		}
		byID := Decoder{SchemaByID: func(uint32) (string, error) { return c.text, nil }}
		r := byID.Decode(event.Grants, nil, []byte{confluentMagic, 0, 0, 0, 9, 1, 2, 3}, 1, new(event.Event))
		if r == nil || r.Code != event.UnknownSchema || !strings.Contains(r.Message, "schema id 9") || !strings.Contains(r.Message, c.why) {
			t.Errorf("%s: Decode says %v; want unknown_schema of id 9 and %q", name, r, c.why)
		}
	}
}

// A registry that is away is asked again; one that answered isn't.
func TestRegistryIsAskedOnce(t *testing.T) {
	asked, away := 0, true
	d := Decoder{SchemaByID: func(id uint32) (string, error) {
		asked++
		if away {
			return "", errors.New("the registry is away")
		}
		return SubtractEvent.Text(), nil
	}}
	var e event.Event
	e.Clear()
	e.ID, e.User, e.Kind, e.Amount, e.Asset = "e", "u", event.Subtract, 1, "credits"
	value := binary.BigEndian.AppendUint32([]byte{confluentMagic}, 7)
	value = append(value, SingleObject().AppendEvent(nil, &e)[singleHeader:]...)
	for range 3 {
		r := d.Decode(event.Subtracts, []byte("u"), value, 1, new(event.Event))
		if r == nil || r.Code != event.UnknownSchema || !strings.Contains(r.Message, "the registry is away") {
			t.Fatalf("while the registry is away: %v", r)
		}
	}
	away = false
	for range 3 {
		if r := d.Decode(event.Subtracts, []byte("u"), value, 1, new(event.Event)); r != nil {
			t.Fatal(r)
		}
	}
	if asked != 4 {
		t.Errorf("asked %d times, want 4", asked)
	}
}

func TestConfluentNeedsEveryID(t *testing.T) {
	if _, err := Confluent(map[Schema]uint32{GrantEvent: 1}); err == nil || !strings.Contains(err.Error(), SubtractEvent.String()) {
		t.Errorf("an encoder without ids: %v", err)
	}
}

// What is learned is bounded.
func TestWritersAreBounded(t *testing.T) {
	d := Decoder{SchemaByID: func(uint32) (string, error) { return GrantEvent.Text(), nil }}
	for id := range uint32(maxWriters + 10) {
		value := binary.BigEndian.AppendUint32([]byte{confluentMagic}, id)
		d.Decode(event.Grants, nil, value, 1, new(event.Event))
	}
	if len(d.byID) > maxWriters {
		t.Errorf("%d schemas are remembered, at most %d should be", len(d.byID), maxWriters)
	}
}
