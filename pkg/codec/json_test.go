package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"highwater/pkg/event"
)

func TestParseEventJSON(t *testing.T) {
	const now = event.Time(77)
	base := `"type":"grant","event_id":"e1","user_id":"alice","occurred_at":1000,"grant_id":"g1","amount":100`
	for _, c := range []struct {
		in     string
		change func(*event.Event)
	}{
		{`{` + base + `}`, func(*event.Event) {}},
		{" \t\r\n{ " + strings.ReplaceAll(base, ":", " :\n") + " } \n", func(*event.Event) {}},
		{`{` + base + `,"sequence":-9223372036854775808}`, func(e *event.Event) { e.Sequence = -1 << 63 }},
		{`{` + base + `,"sequence":-0}`, func(*event.Event) {}},
		{`{` + base + `,"asset":"credits","source":"","metadata":{}}`, func(*event.Event) {}},
		{`{` + base + `,"asset":"gold","priority":1000}`, func(e *event.Event) { e.Asset, e.Priority = "gold", 1000 }},
		{`{` + base + `,"effective_at":1000}`, func(*event.Event) {}},
		{`{` + base + `,"effective_at":0,"expires_at":"1970-01-01T01:00:00.000001+01:00"}`, func(e *event.Event) { e.EffectiveAt, e.ExpiresAt = 0, 1 }},
		{`{` + base + `,"metadata":{"k":"v","":"\u0000\ud83d\ude00\/\b\f\n\r\t\"\\"}}`, func(e *event.Event) {
			e.Metadata = []event.Pair{{Key: "k", Value: "v"}, {Key: "", Value: "\x00\U0001f600/\b\f\n\r\t\"\\"}}
		}},
		{strings.Replace(`{`+base+`}`, `"amount"`, `"\u0061mount"`, 1), func(*event.Event) {}},
		{strings.Replace(`{`+base+`}`, `"alice"`, `"\u00e4lice ü"`, 1), func(e *event.Event) { e.User = "älice ü" }},
		{strings.Replace(`{`+base+`}`, `"occurred_at":1000,`, ``, 1), func(e *event.Event) { e.OccurredAt, e.TimeGiven = now, false }},
	} {
		want := plainGrant()
		c.change(&want)
		var got event.Event
		if r := ParseEventJSON([]byte(c.in), now, &got); r != nil {
			t.Errorf("%s: %v", c.in, r)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", c.in, got, want)
		}
	}
}

func TestJSONRefusals(t *testing.T) {
	const base = `"type":"grant","event_id":"e1","user_id":"alice","occurred_at":2000,"grant_id":"g1","amount":100`
	with := func(field string) []byte { return []byte(`{` + base + `,` + field + `}`) }
	put := func(was, is string) []byte { return []byte(strings.Replace(`{`+base+`}`, was, is, 1)) }
	place := func(amount, price string) []byte {
		return []byte(`{"type":"place","event_id":"e1","user_id":"alice","order_id":"o1","currency":"EUR","amount":` + amount + `,"price":` + price + `}`)
	}
	op := func(name, fields string) []byte {
		return []byte(`{"type":"` + name + `","event_id":"e1","user_id":"alice","occurred_at":1000` + fields + `}`)
	}
	var pairs strings.Builder
	for i := range 17 {
		fmt.Fprintf(&pairs, `,"%d":""`, i)
	}
	const m, inv = event.Malformed, event.Invalid
	for _, c := range []refusal{
		{"nothing", nil, m, "", "object"},
		{"white space", []byte(" \n"), m, "", "object"},
		{"an array", []byte("[" + base + "]"), m, "", "object"},
		{"a number", []byte("1"), m, "", "object"},
		{"a byte order mark", append([]byte("\ufeff"), put("", "")...), m, "", "object"},
		{"too large", append(put("", ""), bytes.Repeat([]byte(" "), MaxEventBytes)...), m, "", "at most 1048576"},
		{"two events", append(put("", ""), put("", "")...), m, "", "follows the end"},
		{"a zero byte after", append(put("", ""), 0), m, "", "follows the end"},
		{"no quotes", put(`"type"`, `type`), m, "", "double quotes"},
		{"single quotes", put(`"grant"`, `'grant'`), m, "type", "starts no JSON value"},
		{"no colon", put(`"type":`, `"type" `), m, "type", "':'"},
		{"no comma", put(`,"amount"`, ` "amount"`), m, "", "','"},
		{"two commas", put(`,"amount"`, `,,"amount"`), m, "", "double quotes"},
		{"last comma", put(`100`, `100,`), m, "", "double quotes"},
		{"a comment", put(`100`, `100/**/`), m, "", "','"},
		{"no value", put(`100`, ``), m, "amount", "starts no JSON value"},
		{"unknown field", with(`"colour":"red"`), m, "colour", "not a field"},
		{"unknown field of no words", with(`"\n\u0000":1`), m, `\n\x00`, "not a field"},
		{"unknown field of many words", with(`"` + strings.Repeat("ü", 500) + `":1`), m, strings.Repeat("ü", 40) + "...", "not a field"},
		{"another case", put(`"amount"`, `"Amount"`), m, "Amount", "not a field"},
		{"a field of another operation", with(`"order_id":"o1"`), m, "order_id", "not a field of grant"},
		{"an amount to release", op("release", `,"hold_id":"h","amount":1`), m, "amount", "not a field of release"},
		{"a field twice", with(`"amount":100`), m, "amount", "twice"},
		{"a field twice, once escaped", with(`"\u0061mount":100`), m, "amount", "twice"},
		{"metadata twice", with(`"metadata":{},"metadata":{}`), m, "metadata", "twice"},
		{"a key twice", with(`"metadata":{"k":"v","\u006b":"w"}`), m, "metadata", "twice"},
		{"unknown type", put(`"grant"`, `"steal"`), m, "type", `"steal"`},
		{"type in another case", put(`"grant"`, `"Grant"`), m, "type", `"Grant"`},
		{"an incoming transfer", put(`"grant"`, `"received"`), m, "type", `"received"`},
		{"a type of no text", put(`"grant"`, `7`), m, "type", "the number 7"},
		{"an object", put(`100`, `{"units":100}`), m, "amount", "flat"},
		{"an array for a text", put(`"g1"`, `["g1"]`), m, "grant_id", "flat"},
		{"an object in metadata", with(`"metadata":{"k":{}}`), m, "metadata", "flat"},
		{"an array for metadata", with(`"metadata":[]`), m, "metadata", "flat"},
		{"leading zero", put(`100`, `0100`), m, "amount", "leading zero"},
		{"plus", put(`100`, `+100`), m, "amount", "starts no JSON value"},
		{"minus alone", put(`100`, `-`), m, "amount", "digit"},
		{"point alone", put(`100`, `1.`), m, "amount", "digit"},
		{"exponent alone", put(`100`, `1e+`), m, "amount", "digit"},
		{"not a number", put(`100`, `NaN`), m, "amount", "starts no JSON value"},
		{"half a literal", put(`100`, `nul`), m, "amount", "starts no JSON value"},
		{"too much of a literal", put(`100`, `nulll`), m, "", "','"},
		{"invalid UTF-8", put(`alice`, "al\xffce"), m, "user_id", "UTF-8"},
		{"overlong UTF-8", put(`alice`, "al\xc0\x80ce"), m, "user_id", "UTF-8"},
		{"surrogate in UTF-8", put(`alice`, "al\xed\xa0\x80ce"), m, "user_id", "UTF-8"},
		{"invalid UTF-8 after an escape", put(`alice`, "\\u0061\xff"), m, "user_id", "UTF-8"},
		{"invalid UTF-8 in a name", with("\"k\xff\":1"), m, "", "UTF-8"},
		{"high surrogate alone", put(`alice`, `\ud800`), m, "user_id", "surrogate"},
		{"low surrogate alone", put(`alice`, `\udc00\ud800`), m, "user_id", "surrogate"},
		{"two high surrogates", put(`alice`, `\ud800\ud800`), m, "user_id", "surrogate"},
		{"half an escape", put(`alice`, `\u00g0`), m, "user_id", "hexadecimal"},
		{"no escape", put(`alice`, `\x41`), m, "user_id", "escape"},
		{"a tab as it is", put(`alice`, "al\tice"), m, "user_id", "control character"},
		{"a line end after an escape", put(`alice`, "\\n\n"), m, "user_id", "control character"},

		{"no type", put(`"type":"grant",`, ``), inv, "type", "missing"},
		{"no event_id", put(`"event_id":"e1",`, ``), inv, "event_id", "missing"},
		{"no user_id", put(`"user_id":"alice",`, ``), inv, "user_id", "missing"},
		{"no grant_id", put(`"grant_id":"g1",`, ``), inv, "grant_id", "missing"},
		{"no amount", put(`,"amount":100`, ``), inv, "amount", "missing"},
		{"no amount of a spend", op("spend", ""), inv, "amount", "missing"},
		{"no price", []byte(`{"type":"place","event_id":"e1","user_id":"alice","order_id":"o1","currency":"EUR","amount":"1"}`), inv, "price", "missing"},
		{"no currency", []byte(`{"type":"place","event_id":"e1","user_id":"alice","order_id":"o1","amount":"1","price":"1"}`), inv, "currency", "missing"},
		{"a number for a text", put(`"alice"`, `5`), inv, "user_id", "must be a string"},
		{"null for a text", with(`"asset":null`), inv, "asset", "null"},
		{"null for a time", with(`"expires_at":null`), inv, "expires_at", "null"},
		{"true for a number", with(`"sequence":true`), inv, "sequence", "true"},
		{"a text for a number", put(`100`, `"100"`), inv, "amount", "integer"},
		{"a point", put(`100`, `1.0`), inv, "amount", "without point"},
		{"an exponent", put(`100`, `1e3`), inv, "amount", "without point"},
		{"2^63", put(`100`, `9223372036854775808`), inv, "amount", "64-bit"},
		{"2^53+1", put(`100`, `9007199254740993`), inv, "amount", "2^53"},
		{"0", put(`100`, `0`), inv, "amount", "2^53"},
		{"-1", put(`100`, `-1`), inv, "amount", "2^53"},
		{"-1 of a refund", op("refund", `,"spend_id":"s","amount":-1`), inv, "amount", "2^53"},
		{"sequence of 2^63", with(`"sequence":9223372036854775808`), inv, "sequence", "64-bit"},
		{"a huge number", put(`100`, strings.Repeat("1", 500)), inv, "amount", "64-bit"},
		{"priority of 2^32", with(`"priority":4294967296`), inv, "priority", "outside"},
		{"priority of -1", with(`"priority":-1`), inv, "priority", "outside"},
		{"no asset", with(`"asset":""`), inv, "asset", "empty"},
		{"metadata of a text", with(`"metadata":"k"`), inv, "metadata", "object of strings"},
		{"metadata of null", with(`"metadata":null`), inv, "metadata", "object of strings"},
		{"a number in metadata", with(`"metadata":{"k":1}`), inv, "metadata", `"k"`},
		{"17 pairs", with(`"metadata":{` + pairs.String()[1:] + `}`), inv, "metadata", "17 pairs"},
		{"seven digits", put(`2000`, `"2026-01-01T00:00:00.1234567Z"`), inv, "occurred_at", "six digits"},
		{"a time of a float", put(`2000`, `1000.5`), inv, "occurred_at", "microseconds"},
		{"a time of no offset", put(`2000`, `"2026-01-01T00:00:00"`), inv, "occurred_at", "offset"},
		{"a time of -1", put(`2000`, `-1`), inv, "occurred_at", "outside"},
		{"expires_at of -1", with(`"expires_at":-1`), inv, "expires_at", "outside"},
		{"after the year 9999", put(`2000`, `253402300800000000`), inv, "occurred_at", "outside"},
		{"a control character", put(`alice`, `\u007f`), inv, "user_id", "U+007F"},
		{"a slash", put(`e1`, `e\/1`), inv, "event_id", "slash"},
		{"a decimal of a number", place(`12.5`, `"1"`), inv, "amount", "as a string"},
		{"a decimal of 19 digits", place(`"1"`, `"1234567890123456789"`), inv, "price", "18 after"},
		{"a decimal below zero", place(`"-1"`, `"1"`), inv, "amount", "decimal"},
		{"a decimal of an exponent", place(`"1e3"`, `"1"`), inv, "amount", "decimal"},
		{"a decimal of zero", place(`"0.0"`, `"1"`), inv, "amount", "above zero"},
	} {
		c.check(t, ParseEventJSON(c.value, 1, new(event.Event)))
	}
}

// Whatever makes the bytes malformed comes before a rule they break.
func TestMalformedComesBeforeInvalid(t *testing.T) {
	in := `{"type":"subtract","event_id":"","user_id":5,"occurred_at":"soon","amount":1.5,"metadata":{"k":1},"amount":2}`
	refusal{"both", nil, event.Malformed, "amount", "twice"}.check(t, ParseEventJSON([]byte(in), 1, new(event.Event)))
}

func TestParseGivenJSON(t *testing.T) {
	given := Given{Now: 9, Kind: event.Capture, User: "alice", Ref: "h1", SpareID: "spare"}
	for _, c := range []struct {
		in     string
		change func(*Given, *event.Event)
	}{
		{`{}`, func(*Given, *event.Event) {}},
		{`{"event_id":"own"}`, func(_ *Given, e *event.Event) { e.ID = "own" }},
		{`{}`, func(g *Given, e *event.Event) { g.ID, e.ID = "header", "header" }},
		{`{"event_id":"header"}`, func(g *Given, e *event.Event) { g.ID, e.ID = "header", "header" }},
		{`{"type":"capture","user_id":"alice","hold_id":"h1","amount":3}`, func(_ *Given, e *event.Event) { e.Amount = 3 }},
		{`{"occurred_at":5}`, func(_ *Given, e *event.Event) { e.OccurredAt, e.TimeGiven = 5, true }},
	} {
		g, want := given, plainEvent(event.Capture, func(e *event.Event) {
			e.ID, e.OccurredAt, e.TimeGiven, e.Ref = "spare", 9, false, "h1"
		})
		c.change(&g, &want)
		var got event.Event
		if r := ParseGivenJSON([]byte(c.in), &g, &got); r != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v", c.in, r, got, want)
		}
	}
	const m, inv = event.Malformed, event.Invalid
	for _, c := range []refusal{
		{"another user", []byte(`{"user_id":"bob"}`), inv, "user_id", "contradicts"},
		{"another hold", []byte(`{"hold_id":"h2"}`), inv, "hold_id", "contradicts"},
		{"another operation", []byte(`{"type":"release"}`), inv, "type", "capture"},
		{"no operation", []byte(`{"type":"steal"}`), m, "type", "no operation"},
		{"a field of another", []byte(`{"spend_id":"s"}`), m, "spend_id", "not a field of capture"},
		{"no event_id", []byte(`{"event_id":""}`), inv, "event_id", "empty"},
		{"nothing", nil, m, "", "object"},
	} {
		c.check(t, ParseGivenJSON(c.value, &given, new(event.Event)))
	}
	header := given
	header.ID = "header"
	refusal{"another event_id", nil, inv, "event_id", "contradicts"}.check(t, ParseGivenJSON([]byte(`{"event_id":"own"}`), &header, new(event.Event)))
}

func TestElements(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
		says string
	}{
		{`[]`, nil, ""},
		{` [ ] `, nil, ""},
		{`[1]`, []string{"1"}, ""},
		{`[{"a":[1,"]"]}, "x\"]\\" ,null]`, []string{`{"a":[1,"]"]}`, `"x\"]\\" `, "null"}, ""},
		{`[{"a":}},{}]`, []string{`{"a":}`}, "','"},
		{`[1,]`, []string{"1"}, "element"},
		{`[,1]`, nil, "element"},
		{`[1`, nil, "ends within"},
		{`["a`, nil, "ends within"},
		{`["a\`, nil, "ends within"},
		{`[1] 2`, []string{"1"}, "follows the end"},
		{`{}`, nil, "array"},
		{``, nil, "array"},
		{strings.Repeat("[", 100), nil, "deep"},
	} {
		var got []string
		says := ""
		for element, r := range Elements([]byte(c.in)) {
			if r != nil {
				says = r.Error()
				continue
			}
			got = append(got, string(element))
		}
		if !reflect.DeepEqual(got, c.want) || (says == "") != (c.says == "") || !strings.Contains(says, c.says) {
			t.Errorf("%s: %q, %q; want %q, %q", c.in, got, says, c.want, c.says)
		}
	}
	for range Elements([]byte(`[1,2]`)) {
		break // leaving early is fine
	}
}

// What is told apart is what encoding/json tells apart.
func TestElementsOfEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(events, 0, 4).Draw(t, "events")
		array := []byte("[")
		for i := range all {
			if i > 0 {
				array = append(array, " , "...)
			}
			array = AppendEventJSON(array, &all[i])
		}
		array = append(array, ']')
		var want []json.RawMessage
		if err := json.Unmarshal(array, &want); err != nil {
			t.Fatal(err)
		}
		n := 0
		for element, r := range Elements(array) {
			if r != nil {
				t.Fatal(r)
			}
			if !bytes.Equal(bytes.TrimSpace(element), want[n]) {
				t.Fatalf("element %d is %s, want %s", n, element, want[n])
			}
			n++
		}
		if n != len(want) {
			t.Fatalf("%d elements, want %d", n, len(want))
		}
	})
}

// The JSON of a record is valid, compact, and has the schema's fields in the
// schema's order, whatever its texts.
func TestRecordJSON(t *testing.T) {
	showAll(t, EntryRecord, entries, AppendEntryJSON)
	showAll(t, CorrectionRecord, corrections, AppendCorrectionJSON)
	showAll(t, BalanceRecord, balances, AppendBalanceJSON)
	showAll(t, OrderStateRecord, orderStates, AppendOrderStateJSON)
	showAll(t, OrderStatsRecord, orderStats, AppendOrderStatsJSON)
	showAll(t, WatermarkRecord, watermarks, AppendWatermarkJSON)
	showAll(t, AlertRecord, alerts, AppendAlertJSON)
}

func showAll[T any](t *testing.T, s Schema, records *rapid.Generator[T], show func([]byte, *T) []byte) {
	t.Helper()
	t.Run(s.String(), func(t *testing.T) {
		fields := recordFields(t, s)
		rapid.Check(t, func(t *rapid.T) {
			r := records.Draw(t, "record")
			text := show([]byte("before"), &r)[len("before"):]
			var compact bytes.Buffer
			if err := json.Compact(&compact, text); err != nil || !bytes.Equal(compact.Bytes(), text) {
				t.Fatalf("%s: %v", text, err)
			}
			dec := json.NewDecoder(bytes.NewReader(text))
			dec.Token()
			for _, name := range fields {
				key, err := dec.Token()
				if err != nil || key != name {
					t.Fatalf("%s: field %v, want %s: %v", text, key, name, err)
				}
				var value json.RawMessage
				if err := dec.Decode(&value); err != nil {
					t.Fatal(err)
				}
			}
			if dec.More() {
				t.Fatalf("%s: more than the schema's fields", text)
			}
		})
	})
}

// recordFields are the names of a schema's own fields, in order.
func recordFields(t *testing.T, s Schema) (names []string) {
	t.Helper()
	var root struct{ Fields []struct{ Name string } }
	if err := json.Unmarshal([]byte(s.Text()), &root); err != nil {
		t.Fatal(err)
	}
	for _, f := range root.Fields {
		names = append(names, f.Name)
	}
	return names
}

// Text is what encoding/json reads back; what is no UTF-8 is replaced as it
// replaces it.
func TestAppendJSONText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.OneOf(rapid.SliceOf(rapid.Byte()), rapid.Custom(func(t *rapid.T) []byte {
			return []byte(rapid.String().Draw(t, "text"))
		})).Draw(t, "bytes"))
		var got string
		if err := json.Unmarshal(appendJSONText(nil, s), &got); err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var same string
		if json.Unmarshal(want, &same); same != got {
			t.Fatalf("%q is read back as %q, encoding/json's as %q", s, got, same)
		}
	})
}
