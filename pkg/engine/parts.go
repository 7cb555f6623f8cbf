package engine

import (
	"math/bits"

	"highwater/pkg/event"
	"highwater/pkg/pack"
)

// wholeMilli is a time without what is behind its milliseconds, wholeSecond
// without what is behind its seconds: other times are mostly whole ones, and so
// is their distance from it.
func wholeMilli(t event.Time) event.Time  { return t - t%1_000 }
func wholeSecond(t event.Time) event.Time { return t - t%1_000_000 }

// appendTime appends a time, or NoTime, as its distance from another one.
func appendTime(b []byte, t, from event.Time) []byte { return pack.Time(b, int64(t), int64(from)) }

func readTime(r *pack.Reader, from event.Time) event.Time { return event.Time(r.Time(int64(from))) }

// A place, as pack's parts:
//
//	time | shape byte: due in its lower three bits, rank in the next three,
//	and whether there are a sequence and a sender | sequence | id | sender
const (
	rankShift   = 3
	dueOfShape  = 1<<rankShift - 1
	hasSequence = 1 << 6
	hasSender   = 1 << 7
)

// appendPlaceParts appends a place whose time is written from another one.
func appendPlaceParts(b []byte, p event.Place, from event.Time) []byte {
	b = appendTime(b, p.Time, from)
	shape := byte(p.Due) | p.Rank<<rankShift
	if p.Sequence != 0 {
		shape |= hasSequence
	}
	if p.From != "" {
		shape |= hasSender
	}
	b = append(b, shape)
	if p.Sequence != 0 {
		b = pack.Int(b, p.Sequence)
	}
	b = pack.String(b, p.ID)
	if p.From != "" {
		b = pack.String(b, p.From)
	}
	return b
}

func readPlaceParts(r *pack.Reader, from event.Time) event.Place {
	p := event.Place{Time: readTime(r, from)}
	shape := r.Byte()
	p.Due, p.Rank = event.Due(shape&dueOfShape), shape&(hasSequence-1)>>rankShift
	if shape&hasSequence != 0 {
		p.Sequence = r.Int()
	}
	p.ID = r.String()
	if shape&hasSender != 0 {
		p.From = r.String()
	}
	return p
}

func appendTerms(b []byte, t *event.Terms) []byte {
	b = pack.String(b, t.Currency)
	b = appendDecimal(b, t.Quantity)
	return appendDecimal(b, t.Price)
}

func readTerms(r *pack.Reader) *event.Terms {
	return &event.Terms{Currency: r.String(), Quantity: readDecimal(r), Price: readDecimal(r)}
}

// A decimal, as pack's parts: a shape byte, then the number's words if isWide
// is set, else the number without its sign and without zeros at its end. There
// are one less of them than the lower five bits say; 0 there is the number 0,
// with nothing behind it.
const (
	zerosOfShape = 1<<5 - 1
	isNegative   = 1 << 5
	isWide       = 1 << 6
)

func appendDecimal(b []byte, d event.Decimal) []byte {
	shape, n := byte(0), d
	switch d.Sign() {
	case 0:
		return append(b, 0)
	case -1:
		shape, n = isNegative, d.Neg()
	}
	high, low, zeros := n[1], n[0], 0
	for _, step := range [...]int{8, 8, 4, 2, 1} {
		power := powersOfTen[step]
		h, rest := bits.Div64(0, high, power)
		l, rest := bits.Div64(rest, low, power)
		if rest == 0 && zeros+step <= event.DecimalScale {
			high, low, zeros = h, l, zeros+step
		}
	}
	if high|n[2]|n[3] != 0 {
		b = append(b, isWide)
		for _, w := range d {
			b = pack.Uint(b, w)
		}
		return b
	}
	return pack.Uint(append(b, shape|byte(zeros+1)), low)
}

// powersOfTen are those by which a decimal's zeros are found and made.
var powersOfTen = func() (powers [event.DecimalScale + 1]uint64) {
	powers[0] = 1
	for i := range event.DecimalScale {
		powers[i+1] = powers[i] * 10
	}
	return powers
}()

func readDecimal(r *pack.Reader) (d event.Decimal) {
	shape := r.Byte()
	switch zeros := int(shape&zerosOfShape) - 1; {
	case shape&isWide != 0:
		for i := range d {
			d[i] = r.Uint()
		}
	case zeros > event.DecimalScale:
		r.Fail()
	case zeros >= 0:
		d[1], d[0] = bits.Mul64(r.Uint(), powersOfTen[zeros])
	}
	if shape&isNegative != 0 {
		d = d.Neg()
	}
	return d
}
