package ledger_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
)

// A decoded account goes on like the one that was encoded.
func TestEncodeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(s *step) {
			row := s.after.AppendTo([]byte("in front"))
			b := ledger.Account{}
			if err := b.Decode(strings.TrimPrefix(string(row), "in front")); err != nil {
				t.Fatalf("after %v: %v", s, err)
			}
			if !b.Equal(s.after) || b.Balances() != s.after.Balances() || b.DueTime() != s.after.DueTime() {
				t.Fatalf("after %v the row gives %+v, not %+v", s, b, s.after)
			}
		})
	})
}

// The form of version 1, byte for byte: it is never written differently.
func TestEncodedForm(t *testing.T) {
	a := &ledger.Account{}
	apply := func(op event.Placed) {
		op.OccurredAt = op.Time
		a.Apply(&op, &event.Result{})
	}
	if got, want := string(a.AppendTo(nil)), "\x01\x00\x00\x00\x00"; got != want {
		t.Errorf("the empty account is %q, not %q", got, want)
	}
	none := event.NoTime
	apply(event.Placed{Kind: event.Revoke, ID: "r", Ref: "gone", Marks: event.KnownMark, Time: 1, EffectiveAt: none, ExpiresAt: none})
	apply(event.Placed{Kind: event.Grant, ID: "e1", Ref: "g1", Amount: 5, Time: 2, EffectiveAt: none, ExpiresAt: 300, Priority: 7})
	apply(event.Placed{Kind: event.Grant, ID: "e2", Ref: "g2", Amount: 6, Time: 3, EffectiveAt: 200, ExpiresAt: none})
	const first = "\x01" +
		"\x01" + "\x02g1" + "\x05" + "\x02" + "\xad\x02" + "\x07" +
		"\x01" + "\x02g2" + "\x06" + "\xc8\x01" + "\x00" + "\x00" +
		"\x00" +
		"\x01" + "\x04gone"
	if got := string(a.AppendTo(nil)); got != first {
		t.Errorf("the account is\n%q, not\n%q", got, first)
	}
	apply(event.Placed{Kind: event.Subtract, ID: "s", Amount: 8, Time: 4, EffectiveAt: none, ExpiresAt: none, Marks: event.DebtMark})
	const second = "\x01" + "\x00" + "\x01" + "\x02g2" + "\x06" + "\xc8\x01" + "\x00" + "\x00" + "\x01" + "\x01s" + "\x03" + "\x01" + "\x04gone"
	if got := string(a.AppendTo(nil)); got != second {
		t.Errorf("the account is\n%q, not\n%q", got, second)
	}
}

// Every row that is cut short, longer, or of another version is refused.
func TestDecodeRefusesWhatNoRowIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := string(history(t, func(*step) {}).AppendTo(nil))
		var a ledger.Account
		for n := range len(row) {
			if err := a.Decode(row[:n]); err == nil {
				t.Fatalf("%q, cut to %d bytes, is taken for a row", row, n)
			}
		}
		if err := a.Decode(row + "\x00"); err == nil {
			t.Fatalf("%q with a byte behind it is taken for a row", row)
		}
		for _, version := range []string{"\x00", "\x02", "\xff"} {
			if err := a.Decode(version + row[1:]); err == nil || !strings.Contains(err.Error(), "version") {
				t.Fatalf("version %q: %v", version, err)
			}
		}
	})
}

// Whatever a row says, Decode doesn't panic; what it takes it writes as it
// was.
func FuzzDecode(f *testing.F) {
	f.Add("")
	f.Add("\x01\x00\x00\x00\x00")
	f.Add("\x01\x01\x02g1\x05\x02\xad\x02\x07\x01\x02g2\x06\xc8\x01\x00\x00\x01\x01s\x03\x01\x04gone")
	f.Add("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
	f.Fuzz(func(t *testing.T, row string) {
		var a, b ledger.Account
		if a.Decode(row) != nil {
			return
		}
		again := string(a.AppendTo(nil))
		if err := b.Decode(again); err != nil || !a.Equal(&b) || a.Balances() != b.Balances() || a.DueTime() != b.DueTime() {
			t.Fatalf("%q is written as %q, which gives %+v, not %+v: %v", row, again, b, a, err)
		}
	})
}
