package codec

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAppendKey(t *testing.T) {
	for _, c := range []struct {
		parts []string
		want  string
	}{
		{nil, `[]`},
		{[]string{"alice", "credits"}, `["alice","credits"]`},
		{[]string{`a"b\c`, "ü/日本"}, `["a\"b\\c","ü/日本"]`},
		{[]string{"<&>\u2028", "\x7f"}, "[\"<&>\u2028\",\"\x7f\"]"},
	} {
		if got := string(AppendKey([]byte("before"), c.parts...)); got != "before"+c.want {
			t.Errorf("AppendKey(%q) = %s, want %s", c.parts, got, c.want)
		}
	}
}

// A key is read back, by us and by whoever reads JSON.
func TestKeyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(ids, 1, 3).Draw(t, "parts")
		key := AppendKey(nil, parts...)
		got, err := ParseKey(key)
		if err != nil || !reflect.DeepEqual(got, parts) {
			t.Fatalf("%s: %q, %v", key, got, err)
		}
		var theirs []string
		if err := json.Unmarshal(key, &theirs); err != nil || !reflect.DeepEqual(theirs, parts) {
			t.Fatalf("%s: encoding/json reads %q, %v", key, theirs, err)
		}
	})
}

func TestParseKeyRefuses(t *testing.T) {
	for _, key := range []string{
		"", "[", "]", "[]]", "[,]", `"a"`, `["a"`, `["a",]`, `[ "a"]`, `["a" ]`, `["a"] `, `["a";"b"]`, `["a""b"]`,
		`["a]`, `["\u0061"]`, `["\n"]`, `["\`, "[\"a\n\"]", "[\"\xff\"]", `[1]`, `[null]`, `[["a"]]`,
		`["` + strings.Repeat("a", maxKeyBytes) + `"]`, `[` + strings.Repeat(`"a",`, 8) + `"a"]`,
	} {
		if parts, err := ParseKey([]byte(key)); err == nil {
			t.Errorf("ParseKey(%.40q) = %q", key, parts)
		}
	}
}

// One list of parts has one key.
func FuzzKey(f *testing.F) {
	f.Add([]byte(`["alice","credits"]`))
	f.Add([]byte(`["a\"b\\c",""]`))
	f.Fuzz(func(t *testing.T, key []byte) {
		parts, err := ParseKey(key)
		if err != nil {
			return
		}
		if again := AppendKey(nil, parts...); !bytes.Equal(again, key) {
			t.Fatalf("%q is read as %q, which is written %q", key, parts, again)
		}
	})
}
