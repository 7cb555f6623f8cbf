package codec

import (
	"unsafe"

	"highwater/pkg/event"
)

// cursor reads Avro binary. The first fault sticks: every later read gives a
// zero value at once, so that a record is read straight through and asked
// about faults at its end.
type cursor struct {
	buf []byte
	pos int
	// fault is what is wrong with the bytes, field where.
	fault string
	field string
	// broken is the first rule that a well-formed value breaks.
	broken *event.Refusal
}

const (
	faultTruncated = "the value ends too early"
	faultVarint    = "is no shortest variable-length number of at most 64 bits"
	faultBranch    = "names a branch that its union doesn't have"
	faultCount     = "claims more items than the value can hold"
	faultBlock     = "is a block of another size than it claims"
	faultTrailing  = "bytes follow the end of the value"
)

func (c *cursor) fail(field, fault string) {
	if c.fault == "" {
		c.fault, c.field = fault, field
		c.pos = len(c.buf)
	}
}

func (c *cursor) breaks(field, format string, args ...any) {
	if c.broken == nil {
		c.broken = invalid(field, format, args...)
	}
}

// end says what is wrong after everything was read; nil where nothing is.
func (c *cursor) end() *event.Refusal {
	if c.fault == "" && c.pos < len(c.buf) {
		c.fail("", faultTrailing)
	}
	if c.fault != "" {
		return malformed(c.field, "%s", c.fault)
	}
	return c.broken
}

// long reads a zigzag number. Longer forms than needed are refused: one value
// has one form.
func (c *cursor) long(field string) int64 {
	if c.pos < len(c.buf) && c.buf[c.pos] < 0x80 {
		u := c.buf[c.pos]
		c.pos++
		return int64(u>>1) ^ -int64(u&1)
	}
	return c.longTail(field)
}

func (c *cursor) longTail(field string) int64 {
	var u uint64
	for i := range 10 {
		if c.pos+i >= len(c.buf) {
			c.fail(field, faultTruncated)
			return 0
		}
		b := c.buf[c.pos+i]
		u |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			if i > 0 && b == 0 || i == 9 && b > 1 {
				c.fail(field, faultVarint)
				return 0
			}
			c.pos += i + 1
			return int64(u>>1) ^ -int64(u&1)
		}
	}
	c.fail(field, faultVarint)
	return 0
}

func (c *cursor) int(field string) int32 {
	n := c.long(field)
	if int64(int32(n)) != n {
		c.fail(field, "doesn't fit a 32-bit int")
		return 0
	}
	return int32(n)
}

func (c *cursor) bool(field string) bool {
	if c.pos >= len(c.buf) {
		c.fail(field, faultTruncated)
		return false
	}
	b := c.buf[c.pos]
	if b > 1 {
		c.fail(field, "is neither 0 nor 1")
		return false
	}
	c.pos++
	return b == 1
}

// bytes aliases the value.
func (c *cursor) bytes(field string) []byte {
	n := c.long(field)
	if n < 0 || n > int64(len(c.buf)-c.pos) {
		c.fail(field, faultTruncated)
		return nil
	}
	b := c.buf[c.pos : c.pos+int(n)]
	c.pos += int(n)
	return b
}

// text aliases the value.
func (c *cursor) text(field string) string { return alias(c.bytes(field)) }

// branch reads which of n branches of a union follows.
func (c *cursor) branch(field string, n int64) int64 {
	i := c.long(field)
	if i < 0 || i >= n {
		c.fail(field, faultBranch)
		return 0
	}
	return i
}

// given reads whether a value of the union [null, T] follows.
func (c *cursor) given(field string) bool { return c.branch(field, 2) == 1 }

// run is a walk over the items of an array or map.
type run struct {
	left int
	// end is where a block that says its size must end; 0 for others.
	end int
}

// next reports whether another item of at least minBytes follows. It never
// believes a count that the rest of the value can't hold.
func (c *cursor) next(r *run, field string, minBytes int) bool {
	if r.left > 0 {
		r.left--
		return c.fault == ""
	}
	if r.end > 0 && c.pos != r.end {
		c.fail(field, faultBlock)
		return false
	}
	r.end = 0
	n := c.long(field)
	if n == 0 {
		return false
	}
	if n < 0 {
		size := c.long(field)
		if n = -n; n < 0 || size < 0 || size > int64(len(c.buf)-c.pos) {
			c.fail(field, faultCount)
			return false
		}
		r.end = c.pos + int(size)
	}
	if n > int64((len(c.buf)-c.pos)/minBytes) {
		c.fail(field, faultCount)
		return false
	}
	r.left = int(n) - 1
	return c.fault == ""
}

func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
