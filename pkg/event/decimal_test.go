package event

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// decimals draws numbers of up to bits bits, either sign, often small or near
// a power of two.
func decimals(bits uint) *rapid.Generator[*big.Int] {
	return rapid.Custom(func(t *rapid.T) *big.Int {
		n := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, int(bits/8)).Draw(t, "bytes"))
		if rapid.Bool().Draw(t, "edge") {
			n.SetBit(new(big.Int), int(rapid.UintRange(0, bits-1).Draw(t, "bit")), 1)
			n.Add(n, big.NewInt(rapid.Int64Range(-1, 1).Draw(t, "off")))
		}
		if rapid.Bool().Draw(t, "negative") {
			n.Neg(n)
		}
		return n
	})
}

func decimalOfBig(t *rapid.T, n *big.Int) Decimal {
	d, err := DecimalFromBig(n)
	if err != nil {
		t.Fatalf("DecimalFromBig(%v): %v", n, err)
	}
	return d
}

// I4: a Decimal is exact.
func TestDecimalAgainstBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := decimals(254).Draw(t, "a"), decimals(254).Draw(t, "b")
		x, y := decimalOfBig(t, a), decimalOfBig(t, b)
		for _, c := range []struct {
			name string
			got  Decimal
			want *big.Int
		}{
			{"x", x, a},
			{"x+y", x.Add(y), new(big.Int).Add(a, b)},
			{"x-y", x.Sub(y), new(big.Int).Sub(a, b)},
			{"-x", x.Neg(), new(big.Int).Neg(a)},
		} {
			if c.got.Big().Cmp(c.want) != 0 {
				t.Fatalf("%s = %v, want %v", c.name, c.got.Big(), c.want)
			}
		}
		if x.Add(y).Sub(y) != x {
			t.Fatal("I4: x+y-y is not x")
		}
		if x.Sign() != a.Sign() {
			t.Fatalf("Sign = %d, want %d", x.Sign(), a.Sign())
		}
		if x.Cmp(y) != a.Cmp(b) {
			t.Fatalf("Cmp = %d, want %d", x.Cmp(y), a.Cmp(b))
		}
		rat, ok := new(big.Rat).SetString(x.String())
		if !ok || rat.Cmp(new(big.Rat).SetFrac(a, big.NewInt(unit))) != 0 {
			t.Fatalf("String = %q, of %v x 10^-18", x.String(), a)
		}
	})
}

func TestDecimalFromBigRefusesWhatDoesNotFit(t *testing.T) {
	wide := new(big.Int).Lsh(big.NewInt(1), 255)
	for _, n := range []*big.Int{wide, new(big.Int).Neg(wide), new(big.Int).Lsh(wide, 300)} {
		if _, err := DecimalFromBig(n); err == nil {
			t.Errorf("a number of %d bits is taken", n.BitLen())
		}
	}
	most := new(big.Int).Sub(wide, big.NewInt(1))
	if d, err := DecimalFromBig(most); err != nil || d.Big().Cmp(most) != 0 {
		t.Errorf("2^255-1: %v, %v", d.Big(), err)
	}
}

// Notional rounds half to even at 18 digits.
func TestNotionalAgainstBig(t *testing.T) {
	quantity := rapid.Custom(func(t *rapid.T) *big.Int {
		n := decimals(120).Draw(t, "n")
		n.Abs(n).Mod(n, quantityBound.Big())
		return n
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := quantity.Draw(t, "a"), quantity.Draw(t, "b")
		got := decimalOfBig(t, a).Notional(decimalOfBig(t, b)).Big()

		want, rem := new(big.Int).QuoRem(new(big.Int).Mul(a, b), big.NewInt(unit), new(big.Int))
		switch rem.Cmp(big.NewInt(unit / 2)) {
		case 1:
			want.Add(want, big.NewInt(1))
		case 0:
			want.Add(want, big.NewInt(int64(want.Bit(0))))
		}
		if got.Cmp(want) != 0 {
			t.Fatalf("%v x %v = %v, want %v", a, b, got, want)
		}
	})
}

func TestNotional(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"2", "3.5", "7"},
		{"0.000000000000000001", "0.5", "0"},
		{"0.000000000000000003", "0.5", "0.000000000000000002"},
		{"0.000000000000000001", "0.500000000000000001", "0.000000000000000001"},
		{"999999999999999999.999999999999999999", "999999999999999999.999999999999999999", "999999999999999999999999999999999998"},
	} {
		a, err1 := ParseDecimal(c.a)
		b, err2 := ParseDecimal(c.b)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if got := a.Notional(b).String(); got != c.want {
			t.Errorf("%s x %s = %s, want %s", c.a, c.b, got, c.want)
		}
	}
}

func TestParseDecimal(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"0", "0"},
		{"007", "7"},
		{"12.50", "12.5"},
		{"0.000000000000000001", "0.000000000000000001"},
		{"999999999999999999.999999999999999999", "999999999999999999.999999999999999999"},
	} {
		d, err := ParseDecimal(c.in)
		if err != nil || d.String() != c.want {
			t.Errorf("ParseDecimal(%q) = %s, %v; want %s", c.in, d, err, c.want)
		}
		if whole, ok := new(big.Rat).SetString(c.in); !ok || whole.Cmp(new(big.Rat).SetFrac(d.Big(), big.NewInt(unit))) != 0 {
			t.Errorf("ParseDecimal(%q) is %v x 10^-18", c.in, d.Big())
		}
	}
	for _, in := range []string{
		"", ".", "1.", ".5", "-1", "+1", "1e3", " 1", "1 ", "1.2.3", "0x1", "NaN", "1,5", "١",
		"1000000000000000000", "0.0000000000000000001", strings.Repeat("1", 1<<20),
	} {
		if d, err := ParseDecimal(in); err == nil {
			t.Errorf("ParseDecimal(%.40q) = %s, want an error", in, d)
		} else if len(err.Error()) > 300 {
			t.Errorf("ParseDecimal of %d bytes: an error of %d bytes", len(in), len(err.Error()))
		}
	}
}

func TestDecimalOf(t *testing.T) {
	for _, n := range []int64{0, 1, -1, 1<<63 - 1, -1 << 63} {
		if got := DecimalOf(n).String(); got != big.NewInt(n).String() {
			t.Errorf("DecimalOf(%d) = %s", n, got)
		}
	}
}

// Sums and notionals have more digits than amounts and prices.
func TestParseTotal(t *testing.T) {
	for _, s := range []string{"0", "1", "12.5", strings.Repeat("9", 54) + "." + strings.Repeat("9", 18), "1000000000000000000000"} {
		if d, err := ParseTotal(s); err != nil || d.String() != s {
			t.Errorf("%s is read as %s: %v", s, d, err)
		}
	}
	for _, s := range []string{"", ".5", "5.", "-1", "+1", "1e6", "1_0", " 1", strings.Repeat("1", 55), "1." + strings.Repeat("1", 19), "1.2.3"} {
		if d, err := ParseTotal(s); err == nil {
			t.Errorf("%q is read as %s", s, d)
		}
	}
}
