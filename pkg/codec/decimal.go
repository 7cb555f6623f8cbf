package codec

import (
	"encoding/binary"

	"highwater/pkg/event"
)

// maxDecimalBytes is the size of an event.Decimal.
const maxDecimalBytes = 32

// appendDecimal appends an Avro decimal: the shortest big-endian two's
// complement form, at least one byte, behind its length.
func appendDecimal(dst []byte, d event.Decimal) []byte {
	var be [maxDecimalBytes]byte
	for i := range d {
		binary.BigEndian.PutUint64(be[8*i:], d[len(d)-1-i])
	}
	sign := byte(0)
	if d.Sign() < 0 {
		sign = 0xff
	}
	from := 0
	for from < len(be)-1 && be[from] == sign && be[from+1]&0x80 == sign&0x80 {
		from++
	}
	return appendBytes(dst, be[from:])
}

// decimal reads an Avro decimal of any length that an event.Decimal holds.
func (c *cursor) decimal(field string) event.Decimal {
	b := c.bytes(field)
	if c.fault != "" {
		return event.Decimal{}
	}
	if len(b) == 0 || len(b) > maxDecimalBytes {
		c.fail(field, "is a decimal of no bytes, or of more than 32")
		return event.Decimal{}
	}
	var be [maxDecimalBytes]byte
	if b[0]&0x80 != 0 {
		for i := range maxDecimalBytes - len(b) {
			be[i] = 0xff
		}
	}
	copy(be[maxDecimalBytes-len(b):], b)
	var d event.Decimal
	for i := range d {
		d[len(d)-1-i] = binary.BigEndian.Uint64(be[8*i:])
	}
	return d
}
