package event

import (
	"fmt"
	"math/big"
	"math/bits"
	"strings"
)

// Decimal is an exact number with 18 digits after the point: a 256-bit two's
// complement integer of 10^-18, least significant word first. It holds every
// decimal(72,18), is comparable with ==, and costs no allocation to add.
type Decimal [4]uint64

// DecimalScale is the number of digits after the point.
const DecimalScale = 18

const unit = 1_000_000_000_000_000_000 // 10^18

// quantityBound is 10^18: an order's amount or price is below it.
var quantityBound = DecimalOf(unit)

// DecimalOf is the whole number n.
func DecimalOf(n int64) Decimal {
	d, err := DecimalFromBig(new(big.Int).Mul(big.NewInt(n), big.NewInt(unit)))
	if err != nil {
		panic("event: I4: a 64-bit number always fits a Decimal")
	}
	return d
}

// Add is d + o.
func (d Decimal) Add(o Decimal) Decimal {
	var s Decimal
	var carry uint64
	for i := range d {
		s[i], carry = bits.Add64(d[i], o[i], carry)
	}
	return s
}

// Sub is d - o.
func (d Decimal) Sub(o Decimal) Decimal {
	var s Decimal
	var borrow uint64
	for i := range d {
		s[i], borrow = bits.Sub64(d[i], o[i], borrow)
	}
	return s
}

// Neg is -d.
func (d Decimal) Neg() Decimal { return Decimal{}.Sub(d) }

// Sign is -1, 0 or 1.
func (d Decimal) Sign() int {
	switch {
	case int64(d[3]) < 0:
		return -1
	case d == Decimal{}:
		return 0
	}
	return 1
}

// Cmp is -1, 0 or 1 as d is below, at or above o.
func (d Decimal) Cmp(o Decimal) int { return d.Sub(o).Sign() }

// Notional is d x price, rounded half to even at 18 digits. Both must be
// amounts or prices that an order may carry: above zero, below 10^18.
func (d Decimal) Notional(price Decimal) Decimal {
	// Both fit 128 bits, so four partial products fill 256.
	var p [4]uint64
	for i := range 2 {
		var carry uint64
		for j := range 2 {
			hi, lo := bits.Mul64(d[i], price[j])
			var c uint64
			lo, c = bits.Add64(lo, p[i+j], 0)
			hi += c
			lo, c = bits.Add64(lo, carry, 0)
			hi += c
			p[i+j], carry = lo, hi
		}
		p[i+2] += carry
	}
	var q Decimal
	var rem uint64
	for i := 3; i >= 0; i-- {
		q[i], rem = bits.Div64(rem, p[i], unit)
	}
	const half = unit / 2
	if rem > half || rem == half && q[0]&1 == 1 {
		q = q.Add(Decimal{1})
	}
	return q
}

// Big is the number of 10^-18 as a big integer.
func (d Decimal) Big() *big.Int {
	neg := d.Sign() < 0
	if neg {
		d = d.Neg()
	}
	n := new(big.Int)
	for i := 3; i >= 0; i-- {
		n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(d[i]))
	}
	if neg {
		n.Neg(n)
	}
	return n
}

// DecimalFromBig is n x 10^-18.
func DecimalFromBig(n *big.Int) (Decimal, error) {
	if n.BitLen() > 255 {
		return Decimal{}, fmt.Errorf("a number of %d bits doesn't fit decimal(72,18)", n.BitLen())
	}
	var d Decimal
	abs := new(big.Int).Abs(n)
	mask := new(big.Int).SetUint64(^uint64(0))
	for i := range d {
		d[i] = new(big.Int).And(abs, mask).Uint64()
		abs.Rsh(abs, 64)
	}
	if n.Sign() < 0 {
		d = d.Neg()
	}
	return d, nil
}

// String is the shortest exact text, such as "12.5".
func (d Decimal) String() string {
	n := d.Big()
	sign := ""
	if n.Sign() < 0 {
		sign = "-"
		n.Neg(n)
	}
	s := n.String()
	if len(s) <= DecimalScale {
		s = strings.Repeat("0", DecimalScale+1-len(s)) + s
	}
	whole, frac := s[:len(s)-DecimalScale], strings.TrimRight(s[len(s)-DecimalScale:], "0")
	if frac == "" {
		return sign + whole
	}
	return sign + whole + "." + frac
}

// ParseDecimal reads [0-9]{1,18}(\.[0-9]{1,18})?, the form of an order's
// amount and price.
func ParseDecimal(s string) (Decimal, error) {
	whole, frac, point := strings.Cut(s, ".")
	if !digits(whole) || point && !digits(frac) {
		return Decimal{}, fmt.Errorf("%q is not a decimal of up to 18 digits before and 18 after the point, such as \"12.50\"", clip(s))
	}
	var w, f uint64
	for i := range len(whole) {
		w = w*10 + uint64(whole[i]-'0')
	}
	for i := range DecimalScale {
		f *= 10
		if i < len(frac) {
			f += uint64(frac[i] - '0')
		}
	}
	hi, lo := bits.Mul64(w, unit)
	lo, carry := bits.Add64(lo, f, 0)
	return Decimal{lo, hi + carry}, nil
}

func digits(s string) bool {
	if len(s) < 1 || len(s) > DecimalScale {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// ParseTotal reads a notional or a sum of notionals: decimal(72,18), so up to
// 54 digits before the point and 18 after it.
func ParseTotal(s string) (Decimal, error) {
	const wholeDigits = 54
	whole, frac, point := strings.Cut(s, ".")
	if len(whole) == 0 || len(whole) > wholeDigits || len(frac) > DecimalScale || point && frac == "" ||
		strings.Trim(whole+frac, "0123456789") != "" {
		return Decimal{}, fmt.Errorf("%q is not a decimal of up to %d digits before and %d after the point, such as \"12.50\"", clip(s), wholeDigits, DecimalScale)
	}
	n, _ := new(big.Int).SetString(whole+frac+strings.Repeat("0", DecimalScale-len(frac)), 10)
	return DecimalFromBig(n)
}
