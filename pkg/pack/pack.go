// Package pack writes and reads the parts that rows of state are made of:
// varints, signed varints, times, and strings with their length in front, or
// what they don't share with another one.
//
// It owns no format: what the parts mean, and in which version, belongs to
// who writes the row. A Reader never panics and never allocates by a number
// it read; the strings it gives share the row's memory.
//
//	row := pack.String(pack.Int(nil, -5), "alice")
//	r := pack.NewReader(string(row))
//	n, user := r.Int(), r.String()
//	if err := r.Close(); err != nil { ... }
package pack

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// Uint appends v as a varint.
func Uint(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

// Big appends v as a varint with its highest byte in front, which has as many
// ones at its top as bytes follow. Where rows that are neighbours have nearly
// the same numbers, a compression finds that.
func Big(b []byte, v uint64) []byte {
	n := max(0, bits.Len64(v)-1) / 7
	if n >= 8 {
		return binary.BigEndian.AppendUint64(append(b, 0xff), v)
	}
	v |= (1<<n - 1) << (7*n + 8)
	for ; n >= 0; n-- {
		b = append(b, byte(v>>(8*n)))
	}
	return b
}

// Int appends v as a signed varint.
func Int(b []byte, v int64) []byte { return binary.AppendVarint(b, v) }

// String appends s with its length in front.
func String(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// sharedBits hold how many bytes two strings share at most.
const sharedBits = 4

// Like appends s as what differs from a string that begins like it: length and
// shared bytes in one varint, then the rest.
func Like(b []byte, other, s string) []byte {
	n := 0
	for n < min(len(other), len(s), 1<<sharedBits-1) && other[n] == s[n] {
		n++
	}
	b = binary.AppendUvarint(b, uint64(len(s)-n)<<sharedBits|uint64(n))
	return append(b, s[n:]...)
}

// ErrCorrupt says that a row isn't what its writer wrote.
var ErrCorrupt = errors.New("row is cut short or corrupt")

// Reader takes a row apart. After the first failure it gives zero values;
// Close tells.
type Reader struct {
	rest   string
	failed bool
}

// NewReader reads row.
func NewReader(row string) Reader { return Reader{rest: row} }

// Uint reads a varint.
func (r *Reader) Uint() uint64 {
	var v uint64
	for i := 0; i < len(r.rest) && i < binary.MaxVarintLen64; i++ {
		c := r.rest[i]
		if c < 0x80 {
			if i == binary.MaxVarintLen64-1 && c > 1 {
				break
			}
			r.rest = r.rest[i+1:]
			return v | uint64(c)<<(7*i)
		}
		v |= uint64(c&0x7f) << (7 * i)
	}
	return uint64(r.fail())
}

// Big reads a varint that begins with its highest byte.
func (r *Reader) Big() uint64 {
	first := r.Byte()
	n := bits.LeadingZeros8(^first)
	if n > len(r.rest) {
		return uint64(r.fail())
	}
	v := uint64(first) & (0x7f >> n)
	for i := range n {
		v = v<<8 | uint64(r.rest[i])
	}
	r.rest = r.rest[n:]
	return v
}

// Int reads a signed varint.
func (r *Reader) Int() int64 {
	u := r.Uint()
	return int64(u>>1) ^ -int64(u&1)
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if len(r.rest) == 0 {
		return byte(r.fail())
	}
	c := r.rest[0]
	r.rest = r.rest[1:]
	return c
}

// String reads a string with its length in front.
func (r *Reader) String() string {
	n := r.Uint()
	if n > uint64(len(r.rest)) {
		r.fail()
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

// Like reads a string of which the other one is known.
func (r *Reader) Like(other string) string {
	v := r.Uint()
	shared, n := v&(1<<sharedBits-1), v>>sharedBits
	if shared > uint64(len(other)) || n > uint64(len(r.rest)) {
		r.fail()
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	if shared == 0 {
		return s
	}
	return other[:shared] + s
}

// Count reads the length of a list whose items take at least minBytes each.
func (r *Reader) Count(minBytes int) int {
	n := r.Uint()
	if n > uint64(len(r.rest)/minBytes) {
		return r.fail()
	}
	return int(n)
}

// Rest reads all that is left.
func (r *Reader) Rest() string {
	s := r.rest
	r.rest = ""
	return s
}

// Left is how many bytes have not been read.
func (r *Reader) Left() int { return len(r.rest) }

// Fail says that the row is corrupt: what was read of it can't be.
func (r *Reader) Fail() { r.fail() }

// Failed reports whether the row turned out corrupt so far.
func (r *Reader) Failed() bool { return r.failed }

// Close reports ErrCorrupt where the row didn't hold exactly what was read.
func (r *Reader) Close() error {
	if r.failed || r.rest != "" {
		return ErrCorrupt
	}
	return nil
}

func (r *Reader) fail() int {
	r.failed, r.rest = true, ""
	return 0
}
