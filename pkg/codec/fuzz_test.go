package codec

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"highwater/pkg/event"
)

// goldenValues are all values of the golden files, by schema.
func goldenValues(tb testing.TB) map[Schema][][]byte {
	tb.Helper()
	all := make(map[Schema][][]byte)
	for _, s := range Schemas() {
		text, err := os.ReadFile(goldenFile(s))
		if err != nil {
			tb.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		for i := 1; i < len(lines); i += 3 {
			value, err := hex.DecodeString(lines[i])
			if err != nil {
				tb.Fatal(err)
			}
			all[s] = append(all[s], value)
		}
	}
	return all
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// allocationBound is what reading n bytes may allocate: a small multiple of
// them, and what an error's text takes.
func allocationBound(n int) uint64 { return uint64(64*n) + 256<<10 }

// I1, I2, I4: no value makes Decode panic or allocate much; what it takes is
// written again as it is meant, and goavro takes it too.
func FuzzDecode(f *testing.F) {
	for s, values := range goldenValues(f) {
		for _, value := range values {
			f.Add(uint8(s), value)
		}
	}
	codecs := goavroCodecs(f)
	enc := SingleObject()
	dec := Decoder{SchemaByID: func(id uint32) (string, error) { return Schema(1 + id%uint32(schemaCount-1)).Text(), nil }}
	for _, text := range []string{older(f), newer(f)} {
		if err := dec.Learn(text); err != nil {
			f.Fatal(err)
		}
		e := plainGrant()
		f.Add(uint8(0), written(f, text, &e, native{"campaign": "spring"}))
	}
	f.Fuzz(func(t *testing.T, at uint8, value []byte) {
		topic := event.Inputs[int(at)%len(event.Inputs)]
		var e event.Event
		var r *event.Refusal
		key := []byte("alice")
		dec.Decode(topic, key, value, 1, &e) // learns the schema, if one is asked for
		if n := allocated(func() { r = dec.Decode(topic, key, value, 1, &e) }); n > allocationBound(len(value)) {
			t.Fatalf("%d bytes make it allocate %d", len(value), n)
		}
		if r != nil {
			if r.Message == "" || r.Code != event.Malformed && r.Code != event.Invalid && r.Code != event.UnknownSchema {
				t.Fatalf("refused with %v", r)
			}
			return
		}
		if r := e.Check(); r != nil {
			t.Fatalf("I3: %v", r)
		}
		own := enc.AppendEvent(nil, &e)
		var again event.Event
		if r := dec.Decode(topic, key, own, 1, &again); r != nil || !reflect.DeepEqual(again, e) {
			t.Fatalf("I2: %+v is read back as %+v: %v", e, again, r)
		}
		s := EventSchema(topic)
		switch {
		case bytes.HasPrefix(value, enc.open(nil, s)):
			value = value[singleHeader:]
		case value[0] == confluentMagic:
			value = value[confluentHeader:]
		default:
			return // JSON, or another version's bytes
		}
		got, rest, err := codecs[s].NativeFromBinary(value)
		if err != nil || len(rest) > 0 {
			t.Fatalf("goavro refuses what we take: %v, %d bytes left", err, len(rest))
		}
		if metadata := got.(native)["metadata"].(native); len(metadata) != len(e.Metadata) {
			t.Fatalf("goavro finds %d pairs, we %d", len(metadata), len(e.Metadata))
		}
	})
}

// The same for every published record.
func FuzzRecord(f *testing.F) {
	for s, values := range goldenValues(f) {
		if s.IsEvent() {
			continue
		}
		for _, value := range values {
			f.Add(uint8(s), value[singleHeader:])
		}
	}
	codecs := goavroCodecs(f)
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		s := EntryRecord + Schema(which)%(schemaCount-EntryRecord)
		value := append(SingleObject().open(nil, s), body...)
		var again, shown []byte
		var err error
		if n := allocated(func() { again, shown, err = reread(s, value) }); n > allocationBound(len(value)) {
			t.Fatalf("%d bytes make it allocate %d", len(value), n)
		}
		if err != nil {
			return
		}
		if !json.Valid(shown) {
			t.Fatalf("shown as %s", shown)
		}
		twice, _, err := reread(s, again)
		if err != nil || !bytes.Equal(twice, again) {
			t.Fatalf("I2: % x is written again as % x: %v", again, twice, err)
		}
		if _, rest, err := codecs[s].NativeFromBinary(body); err != nil || len(rest) > 0 {
			t.Fatalf("goavro refuses what we take: %v, %d bytes left", err, len(rest))
		}
	})
}

// Whatever JSON we take, encoding/json takes too, and finds the same texts.
func FuzzJSON(f *testing.F) {
	for s, values := range goldenValues(f) {
		for _, value := range values {
			if _, shown, err := reread(s, value); err == nil && s.IsEvent() {
				f.Add(shown)
			}
		}
	}
	f.Add([]byte(`{"type":"cancel_all","event_id":"\ud83d\ude00","user_id":"\u0061","sequence":-0,"metadata":{"\/":"\n"}}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		var e event.Event
		var r *event.Refusal
		if n := allocated(func() { r = ParseEventJSON(value, 7, &e) }); n > allocationBound(len(value)) {
			t.Fatalf("%d bytes make it allocate %d", len(value), n)
		}
		if r != nil {
			return
		}
		var theirs struct {
			Type     string            `json:"type"`
			ID       string            `json:"event_id"`
			User     string            `json:"user_id"`
			Sequence int64             `json:"sequence"`
			Source   string            `json:"source"`
			Currency string            `json:"currency"`
			Metadata map[string]string `json:"metadata"`
		}
		if err := json.Unmarshal(value, &theirs); err != nil {
			t.Fatalf("encoding/json refuses what we take: %v", err)
		}
		metadata := make(map[string]string)
		for _, p := range e.Metadata {
			metadata[p.Key] = p.Value
		}
		if theirs.Type != e.Kind.String() || theirs.ID != e.ID || theirs.User != e.User || theirs.Sequence != e.Sequence ||
			theirs.Source != e.Source || theirs.Currency != e.Currency || len(theirs.Metadata) != len(metadata) {
			t.Fatalf("encoding/json reads %+v, we %+v", theirs, e)
		}
		for key, text := range theirs.Metadata {
			if metadata[key] != text {
				t.Fatalf("encoding/json reads %q as %q, we as %q", key, text, metadata[key])
			}
		}
		shown := AppendEventJSON(nil, &e)
		var again event.Event
		r = ParseEventJSON(shown, 7, &again)
		e.TimeGiven = true
		if r != nil || !reflect.DeepEqual(again, e) {
			t.Fatalf("I2: shown as %s, which is read as %+v: %v", shown, again, r)
		}
	})
}
