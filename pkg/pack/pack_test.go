package pack_test

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	"highwater/pkg/pack"
)

// What is written is read back, in its order, and nothing is left.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var row []byte
		var checks []func(*pack.Reader)
		for range rapid.IntRange(0, 20).Draw(t, "parts") {
			switch rapid.IntRange(0, 6).Draw(t, "part") {
			case 0:
				v := rapid.Uint64().Draw(t, "uint")
				row = pack.Uint(row, v)
				checks = append(checks, func(r *pack.Reader) {
					if got := r.Uint(); got != v {
						t.Fatalf("%d is read as %d", v, got)
					}
				})
			case 1:
				v := rapid.Int64().Draw(t, "int")
				row = pack.Int(row, v)
				checks = append(checks, func(r *pack.Reader) {
					if got := r.Int(); got != v {
						t.Fatalf("%d is read as %d", v, got)
					}
				})
			case 2:
				v := rapid.String().Draw(t, "string")
				row = pack.String(row, v)
				checks = append(checks, func(r *pack.Reader) {
					if got := r.String(); got != v {
						t.Fatalf("%q is read as %q", v, got)
					}
				})
			case 3:
				v := rapid.Byte().Draw(t, "byte")
				row = append(row, v)
				checks = append(checks, func(r *pack.Reader) {
					if got := r.Byte(); got != v {
						t.Fatalf("%d is read as %d", v, got)
					}
				})
			case 4:
				v := rapid.Uint64().Draw(t, "big") >> rapid.IntRange(0, 63).Draw(t, "shift")
				row = pack.Big(row, v)
				checks = append(checks, func(r *pack.Reader) {
					if got := r.Big(); got != v {
						t.Fatalf("%d is read as %d", v, got)
					}
				})
			case 6:
				times := rapid.OneOf(rapid.Int64Range(-1, 1<<60), rapid.Map(rapid.Int64Range(0, 1<<50), func(n int64) int64 { return n * 1000 }),
					rapid.Map(rapid.Int64Range(0, 1<<40), func(n int64) int64 { return n * 1_000_000 }), rapid.SampledFrom([]int64{-1, 0, 1, 1 << 60}))
				v, from := times.Draw(t, "time"), times.Draw(t, "from")
				row = pack.Time(row, v, from)
				checks = append(checks, func(r *pack.Reader) {
					if got := r.Time(from); got != v || pack.Long(pack.Short(v)) != v {
						t.Fatalf("%d from %d is read as %d", v, from, got)
					}
				})
			case 5:
				other := rapid.StringMatching("a{0,40}").Draw(t, "other")
				v := rapid.StringMatching("a{0,40}b?").Draw(t, "like it")
				row = pack.Like(row, other, v)
				checks = append(checks, func(r *pack.Reader) {
					if got := r.Like(other); got != v {
						t.Fatalf("%q, like %q, is read as %q", v, other, got)
					}
				})
			}
		}
		r := pack.NewReader(string(row))
		for i, check := range checks {
			if r.Failed() {
				t.Fatalf("part %d can't be read", i)
			}
			check(&r)
		}
		if err := r.Close(); err != nil || r.Left() != 0 {
			t.Fatalf("%d bytes are left: %v", r.Left(), err)
		}
	})
}

// The forms of version 1, byte for byte.
func TestForms(t *testing.T) {
	for _, c := range []struct{ name, got, want string }{
		{"0", string(pack.Uint(nil, 0)), "\x00"},
		{"127", string(pack.Uint(nil, 127)), "\x7f"},
		{"128", string(pack.Uint(nil, 128)), "\x80\x01"},
		{"2^64-1", string(pack.Uint(nil, math.MaxUint64)), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"},
		{"-1", string(pack.Int(nil, -1)), "\x01"},
		{"1", string(pack.Int(nil, 1)), "\x02"},
		{"-2^63", string(pack.Int(nil, math.MinInt64)), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"},
		{"127 from its top", string(pack.Big(nil, 127)), "\x7f"},
		{"128 from its top", string(pack.Big(nil, 128)), "\x80\x80"},
		{"2^56-1 from its top", string(pack.Big(nil, 1<<56-1)), "\xfe\xff\xff\xff\xff\xff\xff\xff"},
		{"2^56 from its top", string(pack.Big(nil, 1<<56)), "\xff\x01\x00\x00\x00\x00\x00\x00\x00"},
		{"a second", string(pack.Time(nil, 1_000_000, 0)), "\x0e"},
		{"a millisecond", string(pack.Time(nil, 1_000, 0)), "\x0a"},
		{"a microsecond", string(pack.Time(nil, 1, 0)), "\x04"},
		{"no time", string(pack.Time(nil, pack.NoTime, 5)), "\x00"},
		{"the same time", string(pack.Time(nil, 5, 5)), "\x06"},
		{"a second before", string(pack.Time(nil, 5, 1_000_005)), "\x0f"},
		{"ann like nothing", string(pack.Like(nil, "", "ann")), "\x30ann"},
		{"ann like anna", string(pack.Like(nil, "anna", "ann")), "\x03"},
		{"anna like annb", string(pack.Like(nil, "annb", "anna")), "\x13a"},
		{"ann", string(pack.String([]byte("before"), "ann")), "before\x03ann"},
		{"nothing", string(pack.String(nil, "")), "\x00"},
	} {
		if c.got != c.want {
			t.Errorf("%s is written as %q, not %q", c.name, c.got, c.want)
		}
	}
}

// A row that is cut short, or says more than it holds, fails once and for all,
// and then gives zeros.
func TestCorrupt(t *testing.T) {
	for _, c := range []struct {
		name, row string
		read      func(*pack.Reader)
	}{
		{"nothing for a varint", "", func(r *pack.Reader) { r.Uint() }},
		{"a varint without an end", "\x80\x80", func(r *pack.Reader) { r.Uint() }},
		{"a varint of 65 bits", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", func(r *pack.Reader) { r.Uint() }},
		{"a varint of 11 bytes", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", func(r *pack.Reader) { r.Uint() }},
		{"a signed varint of 65 bits", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", func(r *pack.Reader) { r.Int() }},
		{"nothing for a byte", "", func(r *pack.Reader) { r.Byte() }},
		{"nothing for a string", "", func(r *pack.Reader) { _ = r.String() }},
		{"a string cut short", "\x03an", func(r *pack.Reader) { _ = r.String() }},
		{"a string of 2^64-1 bytes", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01ann", func(r *pack.Reader) { _ = r.String() }},
		{"nothing for a big one", "", func(r *pack.Reader) { r.Big() }},
		{"a big one cut short", "\xc0\x01", func(r *pack.Reader) { r.Big() }},
		{"nothing for a time", "", func(r *pack.Reader) { r.Time(0) }},
		{"more shared than the other has", "\x13abc", func(r *pack.Reader) { _ = r.Like("an") }},
		{"a string like another one, cut short", "\x32ab", func(r *pack.Reader) { _ = r.Like("an") }},
		{"2^60-1 bytes like another one", "\xf2\xff\xff\xff\xff\xff\xff\xff\xff\x01ab", func(r *pack.Reader) { _ = r.Like("an") }},
		{"a row that can't be", "abc", func(r *pack.Reader) { r.Fail() }},
		{"more items than bytes", "\x02x", func(r *pack.Reader) { r.Count(1) }},
		{"more items than their bytes", "\x02xxx", func(r *pack.Reader) { r.Count(2) }},
		{"2^64-1 items", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01xxx", func(r *pack.Reader) { r.Count(1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := pack.NewReader(c.row)
			c.read(&r)
			if !r.Failed() || r.Left() != 0 {
				t.Errorf("failed is %v, with %d bytes left", r.Failed(), r.Left())
			}
			if r.Uint() != 0 || r.Int() != 0 || r.Byte() != 0 || r.String() != "" || r.Count(1) != 0 || r.Big() != 0 || r.Like("ann") != "" {
				t.Error("something is read behind a failure")
			}
			if err := r.Close(); !errors.Is(err, pack.ErrCorrupt) {
				t.Errorf("Close says %v", err)
			}
		})
	}
	r := pack.NewReader("\x01\x02")
	r.Byte()
	if err := r.Close(); !errors.Is(err, pack.ErrCorrupt) || r.Failed() {
		t.Errorf("with a byte left Close says %v", err)
	}
	r = pack.NewReader("\x02xxxx")
	if n := r.Count(2); n != 2 || r.Failed() {
		t.Errorf("two items of two bytes are %d", n)
	}
}

// FuzzReader reads whatever there is as whatever there might be: no panic, no
// byte read twice, and varints as encoding/binary reads them.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4}, "\x05\x03ann\x7f\x02xx")
	f.Add([]byte{2, 2}, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01ann")
	f.Add([]byte{0}, "\x80")
	f.Fuzz(func(t *testing.T, parts []byte, row string) {
		r := pack.NewReader(row)
		left := len(row)
		for _, part := range parts {
			rest := row[len(row)-r.Left():]
			switch part % 8 {
			case 0:
				want, n := binary.Uvarint([]byte(rest))
				if got := r.Uint(); n > 0 && (got != want || r.Left() != len(rest)-n) || (n <= 0) != r.Failed() {
					t.Fatalf("%q is read as %d and leaves %d bytes, not as %d in %d", rest, got, r.Left(), want, n)
				}
			case 1:
				want, n := binary.Varint([]byte(rest))
				if got := r.Int(); n > 0 && got != want || (n <= 0) != r.Failed() {
					t.Fatalf("%q is read as %d, not as %d", rest, got, want)
				}
			case 2:
				if s := r.String(); !r.Failed() && (r.Left()+len(s) >= len(rest) || s != rest[len(rest)-r.Left()-len(s):len(rest)-r.Left()]) {
					t.Fatalf("%q gives the string %q and leaves %d bytes", rest, s, r.Left())
				}
			case 3:
				if c := r.Byte(); !r.Failed() && c != rest[0] {
					t.Fatalf("%q gives the byte %d", rest, c)
				}
			case 4:
				if n := r.Count(3); n < 0 || n*3 > r.Left() {
					t.Fatalf("%q counts %d items", rest, n)
				}
			case 5:
				if v := r.Big(); !r.Failed() && len(pack.Big(nil, v)) > len(rest)-r.Left() {
					t.Fatalf("%q is read as %d and leaves %d bytes", rest, v, r.Left())
				}
			case 7:
				const from = 1 << 50
				if at := r.Time(from); !r.Failed() && at >= 0 && at < 1<<60 {
					again := pack.NewReader(string(pack.Time(nil, at, from)))
					if got := again.Time(from); got != at {
						t.Fatalf("%q gives the time %d, which is written and read as %d", rest, at, got)
					}
				}
			case 6:
				if s := r.Like("ann"); !r.Failed() && len(s) > 3+len(rest)-r.Left() {
					t.Fatalf("%q gives the string %q and leaves %d bytes", rest, s, r.Left())
				}
			}
			if r.Left() > left || r.Failed() && r.Left() != 0 {
				t.Fatalf("%d bytes are left of %d", r.Left(), left)
			}
			left = r.Left()
		}
		if err := r.Close(); (err == nil) != (!r.Failed() && r.Left() == 0) {
			t.Fatalf("failed is %v, %d bytes are left, and Close says %v", r.Failed(), r.Left(), err)
		}
	})
}
