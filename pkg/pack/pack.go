// Package pack writes and reads the parts that rows of state are made of:
// varints, signed varints, and strings with their length in front.
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
)

// Uint appends v as a varint.
func Uint(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

// Int appends v as a signed varint.
func Int(b []byte, v int64) []byte { return binary.AppendVarint(b, v) }

// String appends s with its length in front.
func String(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
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
