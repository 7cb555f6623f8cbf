package ledger_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
	"highwater/pkg/pack"
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
			if err := b.Decode(string(s.before.AppendTo(nil))); err != nil {
				t.Fatalf("before %v: %v", s, err)
			}
			if r := (event.Result{Amount: event.NoAmount}); s.op != nil {
				b.Apply(s.op, &r)
			} else {
				b.Due(&r)
			}
			if !b.Equal(s.after) || b.DueTime() != s.after.DueTime() {
				t.Fatalf("%v makes a decoded account %+v, not %+v", s, b, s.after)
			}
		})
	})
}

// The form of version 2, byte for byte: it is never written differently.
func TestEncodedForm(t *testing.T) {
	a := &ledger.Account{}
	apply := func(op event.Placed) { a.Apply(&op, &event.Result{}) }
	check := func(want string) {
		t.Helper()
		if got := string(a.AppendTo(nil)); got != want {
			t.Errorf("the account is\n%q, not\n%q", got, want)
		}
	}
	const none = event.NoTime
	check("\x02" + "\x00" + "\x00" + "\x00" + "\x00" + "\x00" + "\x00")
	apply(event.Placed{Kind: event.Revoke, ID: "r", Marks: event.KnownMark, Time: 1}.
		With(event.Details{Ref: "gone", OccurredAt: 1, EffectiveAt: none, ExpiresAt: none}))
	apply(event.Placed{Kind: event.Grant, ID: "e1", Amount: 5, Time: 2}.
		With(event.Details{Ref: "g1", OccurredAt: 2, EffectiveAt: none, ExpiresAt: 300, Priority: 7}))
	apply(event.Placed{Kind: event.Grant, ID: "e2", Amount: 6, Time: 3}.
		With(event.Details{Ref: "g2", OccurredAt: 3, EffectiveAt: 200, ExpiresAt: none}))
	check("\x02" +
		"\x01" + "\x02g1" + "\x05" + "\x08" + "\x84\xa8" + "\x07" + "\x00" +
		"\x01" + "\x02g2" + "\x06" + "\x83\x20" + "\x00" + "\x00" + "\x00" +
		"\x00" + "\x01" + "\x04gone" + "\x00" + "\x00")
	apply(event.Placed{Kind: event.Subtract, ID: "s", Amount: 8, Time: 4, Marks: event.DebtMark})
	check("\x02" + "\x00" + "\x01" + "\x02g2" + "\x06" + "\x83\x20" + "\x00" + "\x00" + "\x00" +
		"\x01" + "\x01s" + "\x03" + "\x01" + "\x04gone" + "\x00" + "\x00")
}

// The same, of what is held, drawn and restored.
func TestEncodedFormOfHoldsAndDraws(t *testing.T) {
	a := &ledger.Account{}
	apply := func(op event.Placed, expires event.Time) {
		d := op.Details()
		d.ExpiresAt = expires
		op = op.With(d)
		a.Apply(&op, &event.Result{})
	}
	check := func(want string) {
		t.Helper()
		if got := string(a.AppendTo(nil)); got != want {
			t.Errorf("the account is\n%q, not\n%q", got, want)
		}
	}
	const none, accepted = event.NoTime, event.Accepted
	apply(event.Placed{Kind: event.Add, ID: "a", Amount: 5, Time: 2}, 300)
	apply(event.Placed{Kind: event.Spend, ID: "s", Amount: 4, Time: 3, Outcome: accepted, Marks: event.RefundedMark}, none)
	apply(event.Placed{Kind: event.Hold, ID: "h", Amount: 3, Time: 4, Outcome: accepted, Marks: event.RefundedMark | event.ForfeitMark}, 310)
	apply(event.Placed{Kind: event.Spend, ID: "t", Amount: 2, Time: 5, Outcome: accepted, Marks: event.RefundedMark | event.DebtMark}, none)
	apply(event.Placed{Kind: event.Add, ID: "b", Amount: 1, Time: 6}, none)
	const (
		hold = "\x01" + "\x01h" + "\x10" + "\x84\xc8" + "\x03" + "\x01" +
			"\x01" + "\x01a" + "\x01" + "\x08" + "\x84\xa8" + "\x00" + "\x00"
		ofHold  = "\x01h" + "\x10" + "\x00" + "\x00" + "\x00"
		ofSpend = "\x01s" + "\x0c" + "\x01" + "\x01a" + "\x04" + "\x08" + "\x84\xa8" + "\x00" + "\x00" + "\x00" + "\x00"
	)
	check("\x02" + "\x00" + "\x00" + "\x01" + "\x01t" + "\x01" + "\x00" + hold +
		"\x03" + ofHold + ofSpend +
		"\x01t" + "\x14" + "\x00" + "\x01" + "\x01b" + "\x01" + "\x18" + "\x00" + "\x00" + "\x00" + "\x01" + "\x01t" + "\x01")
	// What expired at 300 with 297 to go comes back until 602, and pays the
	// one that is owed.
	refund := event.Placed{Kind: event.Refund, ID: "r", Amount: 4, Time: 305, Outcome: accepted}
	refer(&refund, "s")
	apply(refund, none)
	check("\x02" + "\x01" + "\x03r/0" + "\x03" + "\x84\xc4" + "\x84\xa4" + "\x00" + "\x01a" + "\x00" + "\x00" + "\x00" + hold +
		"\x02" + ofHold +
		"\x01t" + "\x14" + "\x00" + "\x02" + "\x01b" + "\x01" + "\x18" + "\x00" + "\x00" + "\x00" +
		"\x03r/0" + "\x01" + "\x84\xc4" + "\x84\xa4" + "\x00" + "\x01a" + "\x00")
}

// Every row that is cut short, longer, or of another version is refused.
func TestDecodeRefusesWhatNoRowIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a ledger.Account
		var rows []string
		history(t, func(s *step) { rows = append(rows, string(s.after.AppendTo(nil))) })
		if len(rows) == 0 {
			return
		}
		row := rows[rapid.IntRange(0, len(rows)-1).Draw(t, "row")]
		for n := range len(row) {
			if err := a.Decode(row[:n]); err == nil {
				t.Fatalf("%q, cut to %d bytes, is taken for a row", row, n)
			}
		}
		if err := a.Decode(row + "\x00"); err == nil {
			t.Fatalf("%q with a byte behind it is taken for a row", row)
		}
		for _, version := range []string{"\x00", "\x01", "\x03", "\xff"} {
			if err := a.Decode(version + row[1:]); err == nil || !strings.Contains(err.Error(), "version") {
				t.Fatalf("version %q: %v", version, err)
			}
		}
	})
}

// A row of the right form that no account can have written is refused, by the
// name of its part.
func TestDecodeRefusesWhatNoAccountIs(t *testing.T) {
	const (
		most  = "\xff\xff\xff\xff\xff\xff\xff\xff\x7f" // 2^63-1
		over  = "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"
		late  = "\xff\x7f\xff\xff\xff\xff\xff\xff\xf0" // 2^61-4 behind
		b     = "\x01b" + "\x05" + "\x08" + "\x00" + "\x00" + "\x00"
		a     = "\x01a" + "\x05" + "\x08" + "\x00" + "\x00" + "\x00"
		debt  = "\x01" + "\x01t" + "\x01"
		holdB = "\x01b" + "\x10" + "\x14" + "\x05" + "\x00" + "\x01" + a
		drawB = "\x01b" + "\x10" + "\x00" + "\x00" + "\x00"
	)
	grant := func(amount, from, until, priority string) string {
		return "\x01" + "\x01a" + amount + from + until + priority + "\x00"
	}
	hold := func(at, until, left, forfeit string) string {
		return "\x01" + "\x01h" + at + until + left + forfeit + "\x01" + a
	}
	for _, c := range []struct{ name, part, row string }{
		{"nothing remains", "usable", grant("\x00", "\x08", "\x00", "\x00") + "\x00\x00\x00\x00\x00"},
		{"less than nothing remains", "usable", grant(over, "\x08", "\x00", "\x00") + "\x00\x00\x00\x00\x00"},
		{"effective outside time", "usable", grant("\x01", late, "\x00", "\x00") + "\x00\x00\x00\x00\x00"},
		{"expires outside time", "usable", grant("\x01", "\x08", late, "\x00") + "\x00\x00\x00\x00\x00"},
		{"negative priority", "usable", grant("\x01", "\x08", "\x00", "\xff\xff\xff\xff\x0f") + "\x00\x00\x00\x00\x00"},
		{"not in the order of drawing", "usable", "\x02" + b + a + "\x00\x00\x00\x00\x00"},
		{"twice the same", "usable", "\x02" + a + a + "\x00\x00\x00\x00\x00"},
		{"more than a balance", "usable", "\x02" + a + "\x01b" + most + "\x08" + "\x00" + "\x00" + "\x00" + "\x00\x00\x00\x00\x00"},
		{"not in the order of activation", "future", "\x00\x02" + b + a + "\x00\x00\x00\x00"},
		{"nothing to come", "future", "\x00" + grant("\x00", "\x08", "\x00", "\x00") + "\x00\x00\x00\x00"},
		{"a debt of nothing", "debts", "\x00\x00" + "\x01" + "\x01t" + "\x00" + "\x00\x00\x00"},
		{"more debt than a balance", "debts", "\x00\x00" + "\x02" + "\x01t" + "\x01" + "\x01u" + most + "\x00\x00\x00"},
		{"a debt while something is available", "debts", "\x01" + a + "\x00" + debt + "\x00\x00\x00"},
		{"revoked not in order", "revoked", "\x00\x00\x00" + "\x02" + "\x01b" + "\x01a" + "\x00\x00"},
		{"revoked twice", "revoked", "\x00\x00\x00" + "\x02" + "\x01a" + "\x01a" + "\x00\x00"},
		{"a hold outside time", "holds", "\x00\x00\x00\x00" + hold(late, "\x00", "\x05", "\x00") + "\x00"},
		{"a hold over before it began", "holds", "\x00\x00\x00\x00" + hold("\x10", "\x06", "\x05", "\x00") + "\x00"},
		{"nothing left of a hold", "holds", "\x00\x00\x00\x00" + "\x01" + "\x01h" + "\x10" + "\x00" + "\x00" + "\x00" + "\x00" + "\x00"},
		{"more set aside than is left", "holds", "\x00\x00\x00\x00" + hold("\x10", "\x14", "\x04", "\x00") + "\x00"},
		{"a policy of neither kind", "holds", "\x00\x00\x00\x00" + hold("\x10", "\x14", "\x05", "\x02") + "\x00"},
		{"two holds of one id", "holds", "\x00\x00\x00\x00" + "\x02" + holdB + holdB + "\x00"},
		{"two draws of one id", "draws", "\x00\x00\x00\x00\x00" + "\x02" + drawB + drawB},
		{"draws outside time", "draws", "\x00\x00\x00\x00\x00" + "\x01" + "\x01b" + late + "\x00\x00\x00"},
		{"draws of nothing", "draws", "\x00\x00\x00\x00\x00" + "\x01" + "\x01b" + "\x10" + grant("\x00", "\x08", "\x00", "\x00") + "\x00\x00"},
		{"repaid nothing", "draws", "\x00\x00\x00\x00\x00" + "\x01" + "\x01b" + "\x10" + "\x00" + grant("\x00", "\x08", "\x00", "\x00") + "\x00"},
		{"short of nothing", "draws", "\x00\x00\x00\x00\x00" + "\x01" + "\x01b" + "\x10" + "\x00\x00" + "\x01" + "\x01t" + "\x00"},
	} {
		var account ledger.Account
		err := account.Decode("\x02" + c.row)
		if !errors.Is(err, pack.ErrCorrupt) || !strings.Contains(err.Error(), " "+c.part+":") {
			t.Errorf("%s: %v, which doesn't name %s", c.name, err, c.part)
		}
	}
	// What the rows above are made of is sound.
	var account ledger.Account
	if err := account.Decode("\x02" + "\x02" + a + b + "\x01" + a + "\x00" + "\x02" + "\x01a" + "\x01b" + hold("\x10", "\x14", "\x05", "\x01") + "\x01" + drawB); err != nil {
		t.Error(err)
	}
}

// Whatever a row says, Decode doesn't panic; what it takes it writes as it
// was.
func FuzzDecode(f *testing.F) {
	f.Add("")
	f.Add("\x02\x00\x00\x00\x00\x00\x00")
	f.Add("\x02\x01\x02g1\x05\x08\x84\xa8\x07\x00\x01\x02g2\x06\x83\x20\x00\x00\x00\x00\x01\x04gone\x00\x00")
	f.Add("\x02\x00\x00\x01\x01t\x01\x00\x01\x01h\x10\x84\xc8\x03\x01\x01\x01a\x01\x08\x84\xa8\x00\x00" +
		"\x02\x01h\x10\x00\x00\x00\x01t\x14\x00\x01\x01b\x01\x18\x00\x00\x00\x01\x01t\x01")
	f.Add("\x02\x01\x03r/0\x03\x84\xc4\x84\xa4\x00\x01a\x00\x00\x00\x00\x00")
	f.Add("\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
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
