// Package codec turns bytes into events and published records, and back: Avro
// behind a single-object or a Confluent header, and the flat JSON event.
//
// It owns the wire: which schema a value was written with ([Decoder]), the
// typed Avro forms of everything in schemas/ ([Encoder]), the JSON forms of
// events and records, and the keys of compacted topics ([AppendKey]).
//
// It never reads a clock, never speaks to a registry (the shell hands it
// schemas, see [Decoder.SchemaByID]), and never decides what a rule of the
// contract is (that is event.Check).
//
// A value is told by its first byte:
//
//	00 | schema id, 4 bytes, big endian          | Avro   Confluent
//	C3 01 | CRC-64-AVRO, 8 bytes, little endian  | Avro   single object
//	{ ...                                                 JSON event
//
// Strings of a decoded event or record alias the value they were read from:
// they are valid while the value isn't changed, and keep it in memory.
//
// Invariants:
//
//   - I1: no input makes the package panic, and none makes it allocate more
//     than a small multiple of its own length.
//   - I2: decoding what was appended gives the same event or record.
//   - I3: a decoded event passed [event.Event.Check], belongs to its topic and
//     has its user as key.
//   - I4: one event has one form: what is accepted is consumed to its last
//     byte, and no field is said twice.
//
// Use:
//
//	d := codec.Decoder{}
//	var e event.Event
//	if r := d.Decode(event.Grants, key, value, appended, &e); r != nil {
//		return r // malformed, invalid or unknown_schema, names the field
//	}
//	entries := codec.SingleObject()
//	out = entries.AppendEntry(out[:0], &entry)
package codec
