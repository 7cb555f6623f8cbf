package codec

import (
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"

	"github.com/twmb/avro"

	"highwater/pkg/event"
)

func TestFingerprints(t *testing.T) {
	seen := make(map[uint64]Schema)
	for _, s := range Schemas() {
		parsed, err := avro.Parse(s.Text())
		if err != nil {
			t.Fatalf("%v: %v", s, err)
		}
		fp := binary.BigEndian.Uint64(parsed.Fingerprint(avro.NewRabin()))
		if fp != s.Fingerprint() {
			t.Errorf("%v: the schema's fingerprint is %#016x, the table says %#016x", s, fp, s.Fingerprint())
		}
		if root := parsed.Root(); root.Namespace+"."+root.Name != s.String() || root.Namespace != "highwater.v1" {
			t.Errorf("%v calls itself %s.%s", s, root.Namespace, root.Name)
		}
		if other, twice := seen[fp]; twice {
			t.Errorf("%v and %v have one fingerprint", s, other)
		}
		seen[fp] = s
		if schemaByFingerprint(fp) != s || schemaByName(s.String()) != s {
			t.Errorf("%v isn't found", s)
		}
	}
	if len(seen) != 11 {
		t.Errorf("%d schemas, want 11", len(seen))
	}
}

// A field without a word about what it means is a field nobody can use.
func TestEverythingIsDocumented(t *testing.T) {
	for _, s := range Schemas() {
		var root any
		if err := json.Unmarshal([]byte(s.Text()), &root); err != nil {
			t.Fatal(err)
		}
		walkSchema(root, func(node map[string]any) {
			if name, named := node["name"]; named {
				if doc, _ := node["doc"].(string); !strings.HasSuffix(doc, ".") {
					t.Errorf("%v: %v has no doc, or one that is no sentence", s, name)
				}
			}
		})
	}
}

// walkSchema visits every JSON object of a schema, outermost first.
func walkSchema(node any, visit func(map[string]any)) {
	switch node := node.(type) {
	case map[string]any:
		visit(node)
		for _, key := range []string{"fields", "type", "items", "values"} {
			walkSchema(node[key], visit)
		}
	case []any:
		for _, child := range node {
			walkSchema(child, visit)
		}
	}
}

// edited is a schema of ours with the fields of one of its records changed.
func edited(tb testing.TB, s Schema, record string, change func(fields []any) []any) string {
	tb.Helper()
	var root any
	if err := json.Unmarshal([]byte(s.Text()), &root); err != nil {
		tb.Fatal(err)
	}
	found := false
	walkSchema(root, func(node map[string]any) {
		if node["name"] == record && node["type"] == "record" {
			node["fields"] = change(node["fields"].([]any))
			found = true
		}
	})
	if !found {
		tb.Fatalf("%v has no record %s", s, record)
	}
	text, err := json.Marshal(root)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

func withField(name string, typ, fallback any) func([]any) []any {
	return func(fields []any) []any {
		return append([]any{map[string]any{"name": name, "type": typ, "default": fallback}}, fields...)
	}
}

func withoutField(name string) func([]any) []any {
	return func(fields []any) []any {
		kept := make([]any, 0, len(fields))
		for _, f := range fields {
			if f.(map[string]any)["name"] != name {
				kept = append(kept, f)
			}
		}
		return kept
	}
}

func withType(name string, typ any) func([]any) []any {
	return func(fields []any) []any {
		for _, f := range fields {
			if f := f.(map[string]any); f["name"] == name {
				f["type"] = typ
			}
		}
		return fields
	}
}

// recordNames are the names of every record in a schema.
func recordNames(t *testing.T, s Schema) (names []string) {
	t.Helper()
	var root any
	if err := json.Unmarshal([]byte(s.Text()), &root); err != nil {
		t.Fatal(err)
	}
	walkSchema(root, func(node map[string]any) {
		if node["type"] == "record" {
			names = append(names, node["name"].(string))
		}
	})
	return names
}

// Every record may gain a field with a default, and lose one that has a
// default, and still be read by, and read, what was there before.
func TestSchemasEvolve(t *testing.T) {
	for _, s := range Schemas() {
		ours := avro.MustParse(s.Text())
		for _, record := range recordNames(t, s) {
			changes := map[string]func([]any) []any{
				"with a new text":   withField("added", "string", "none"),
				"with a new number": withField("added", []any{"null", "long"}, nil),
			}
			for _, name := range defaulted(t, s, record) {
				changes["without "+name] = withoutField(name)
			}
			for what, change := range changes {
				other, err := avro.Parse(edited(t, s, record, change))
				if err != nil {
					t.Fatalf("%v, %s %s: %v", s, record, what, err)
				}
				if err := avro.CheckCompatibility(other, ours); err != nil {
					t.Errorf("%v, %s %s: we can't read it: %v", s, record, what, err)
				}
				if err := avro.CheckCompatibility(ours, other); err != nil {
					t.Errorf("%v, %s %s: it can't read ours: %v", s, record, what, err)
				}
			}
		}
	}
}

// defaulted are a record's fields with a default, but for those in whose place
// a record is written out that stands elsewhere too.
func defaulted(t *testing.T, s Schema, record string) (names []string) {
	t.Helper()
	edited(t, s, record, func(fields []any) []any {
		for _, f := range fields {
			f := f.(map[string]any)
			defines := false
			walkSchema(f["type"], func(node map[string]any) { defines = defines || node["type"] == "record" })
			if _, ok := f["default"]; ok && !defines {
				names = append(names, f["name"].(string))
			}
		}
		return fields
	})
	return names
}

func TestEventSchema(t *testing.T) {
	for _, topic := range event.Inputs {
		s := EventSchema(topic)
		if !s.IsEvent() {
			t.Errorf("%v has no schema", topic)
		}
		for _, k := range operations[s] {
			if k.Topic() != topic {
				t.Errorf("%v stands in the schema of %v", k, topic)
			}
		}
	}
	if EventSchema(event.Transfers) != NoSchema || EventSchema(event.NoTopic) != NoSchema {
		t.Error("a topic that nobody produces to has a schema")
	}
}
