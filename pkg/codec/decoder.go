package codec

import (
	"encoding/binary"
	"fmt"

	"highwater/pkg/event"
)

// MaxEventBytes is the largest event that is read unless a decoder is told
// otherwise; a larger one is malformed.
const MaxEventBytes = 1 << 20

// MaxRecordBytes is the largest published record that is read.
const MaxRecordBytes = 16 << 20

// Decoder reads events and published records in any of their forms. The zero
// value reads JSON and single objects written with today's schemas. A decoder
// belongs to one goroutine.
type Decoder struct {
	// SchemaByID finds the schema that the registry holds under an id. Nil
	// where no registry is configured: values that need one are malformed
	// then. What it finds is remembered. An error makes the value one of an
	// unknown schema; the next such value asks again. A shell that wants to
	// tell a registry that is away from an id that doesn't exist waits, or
	// takes note, inside the function.
	SchemaByID func(id uint32) (text string, err error)
	// MaxBytes bounds an event; 0 stands for MaxEventBytes.
	MaxBytes int

	byID          map[uint32]*writer
	byFingerprint map[uint64]*writer
}

// Decode reads one record of an input topic into e: its key, its value and the
// time Kafka gave it, which stands in for an occurred_at left out of JSON. On
// a refusal e means nothing. Strings of e alias value.
func (d *Decoder) Decode(topic event.Topic, key, value []byte, timestamp event.Time, e *event.Event) *event.Refusal {
	maxBytes := d.MaxBytes
	if maxBytes == 0 {
		maxBytes = MaxEventBytes
	}
	switch {
	case len(value) == 0:
		return malformed("", "the value is empty")
	case len(value) > maxBytes:
		return malformed("", "the value has %d bytes; at most %d are read", len(value), maxBytes)
	case value[0] == jsonEventOpening:
		if r := parseEvent(value, &Given{Now: timestamp}, e); r != nil {
			return r
		}
	default:
		if r := d.decodeAvro(value, e); r != nil {
			return r
		}
	}
	if e.Kind.Topic() != topic {
		return invalid("operation", "%s doesn't belong to the topic %s; send it to %s", e.Kind, topic, e.Kind.Topic())
	}
	if alias(key) != e.User {
		return invalid("user_id", "%s is not the record's key %s; give both the same bytes", quote(e.User), quote(alias(key)))
	}
	e.FillDefaults()
	return e.Check()
}

func (d *Decoder) decodeAvro(value []byte, e *event.Event) *event.Refusal {
	s, body, r := d.open(value)
	if r != nil {
		return r
	}
	if !s.IsEvent() {
		return malformed("", "a %s is not an event", s)
	}
	c := cursor{buf: body}
	c.event(s, e)
	return c.end()
}

// open finds out the schema of a value and gives the bytes after its header,
// rewritten if another version wrote them.
func (d *Decoder) open(value []byte) (Schema, []byte, *event.Refusal) {
	switch value[0] {
	case singleMagic0:
		if len(value) < singleHeader || value[1] != singleMagic1 {
			return 0, nil, malformed("", "C3 starts no single-object encoding; C3 01 and 8 bytes of fingerprint should follow")
		}
		body := value[singleHeader:]
		fp := binary.LittleEndian.Uint64(value[2:])
		if s := schemaByFingerprint(fp); s != NoSchema {
			return s, body, nil
		}
		w, ok := d.byFingerprint[fp]
		if !ok {
			return 0, nil, &event.Refusal{Code: event.UnknownSchema, Message: fmt.Sprintf(
				"no schema has the fingerprint %016x (bytes % x); update Highwater, or write with a schema it knows", fp, value[2:singleHeader])}
		}
		return w.read(body)
	case confluentMagic:
		if d.SchemaByID == nil {
			return 0, nil, malformed("", "00 starts the Confluent wire format, but no schema registry is configured; set schema.registry.url")
		}
		if len(value) < confluentHeader {
			return 0, nil, malformed("", "the value ends within the 4 bytes of a registry's schema id")
		}
		w, r := d.writerByID(binary.BigEndian.Uint32(value[1:]))
		if r != nil {
			return 0, nil, r
		}
		return w.read(value[confluentHeader:])
	}
	return 0, nil, malformed("", "byte %02X starts no known encoding; 00 is Confluent's, C3 01 Avro's single object, { JSON", value[0])
}

func (w *writer) read(body []byte) (Schema, []byte, *event.Refusal) {
	if w.resolved == nil {
		return w.schema, body, nil
	}
	own, r := w.translate(body)
	return w.schema, own, r
}

func (d *Decoder) writerByID(id uint32) (*writer, *event.Refusal) {
	if w, ok := d.byID[id]; ok {
		return w, nil
	}
	text, err := d.SchemaByID(id)
	if err != nil {
		return nil, &event.Refusal{Code: event.UnknownSchema, Message: fmt.Sprintf("schema id %d: %v", id, err)}
	}
	w, _, err := resolve(text)
	if err != nil {
		return nil, &event.Refusal{Code: event.UnknownSchema, Message: fmt.Sprintf("schema id %d: %v", id, err)}
	}
	if d.byID == nil || len(d.byID) >= maxWriters {
		d.byID = make(map[uint32]*writer)
	}
	d.byID[id] = w
	return w, nil
}
