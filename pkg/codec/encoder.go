package codec

import (
	"encoding/binary"
	"fmt"
)

const (
	confluentMagic   = 0x00
	confluentHeader  = 5
	singleMagic0     = 0xc3
	singleMagic1     = 0x01
	singleHeader     = 10
	jsonEventOpening = '{'
)

// Encoder appends events and records as Avro, each behind the header that
// tells its schema. It is safe for concurrent use.
type Encoder struct {
	headers [schemaCount]header
}

type header struct {
	bytes [singleHeader]byte
	n     int
}

// SingleObject is an encoder of Avro's single-object encoding, which needs no
// registry.
func SingleObject() *Encoder {
	var enc Encoder
	for s := GrantEvent; s < schemaCount; s++ {
		h := &enc.headers[s]
		h.bytes[0], h.bytes[1] = singleMagic0, singleMagic1
		binary.LittleEndian.PutUint64(h.bytes[2:], s.Fingerprint())
		h.n = singleHeader
	}
	return &enc
}

// Confluent is an encoder of the Confluent wire format, given the id under
// which each schema is registered.
func Confluent(ids map[Schema]uint32) (*Encoder, error) {
	var enc Encoder
	for s := GrantEvent; s < schemaCount; s++ {
		id, ok := ids[s]
		if !ok {
			return nil, fmt.Errorf("no registry id of schema %s; register it first", s)
		}
		h := &enc.headers[s]
		h.bytes[0] = confluentMagic
		binary.BigEndian.PutUint32(h.bytes[1:], id)
		h.n = confluentHeader
	}
	return &enc, nil
}

func (enc *Encoder) open(dst []byte, s Schema) []byte {
	h := &enc.headers[s]
	return append(dst, h.bytes[:h.n]...)
}

func appendLong(dst []byte, n int64) []byte { return binary.AppendVarint(dst, n) }

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func appendBytes(dst, b []byte) []byte { return append(appendLong(dst, int64(len(b))), b...) }

func appendText(dst []byte, s string) []byte { return append(appendLong(dst, int64(len(s))), s...) }

// The branches of a union [null, T], as they stand on the wire.
const (
	branchNull  = 0
	branchGiven = 2
)

// appendOptionalLong appends n; null where it is none.
func appendOptionalLong(dst []byte, n, none int64) []byte {
	if n == none {
		return append(dst, branchNull)
	}
	return appendLong(append(dst, branchGiven), n)
}

// appendOptionalText appends s; null where it is empty.
func appendOptionalText(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, branchNull)
	}
	return appendText(append(dst, branchGiven), s)
}
