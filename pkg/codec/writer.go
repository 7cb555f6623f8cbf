package codec

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/avro"

	"highwater/pkg/event"
)

// maxWriters bounds the foreign schemas a decoder remembers; past it, it
// forgets them all and asks again.
const maxWriters = 1024

// writer is a schema that values were written with.
type writer struct {
	// schema is the one of ours it is read as.
	schema Schema
	// resolved reads what was written in ours; nil where it was ours already.
	resolved *avro.Schema
	// reader is ours.
	reader *avro.Schema
}

// Learn makes the decoder read values that were written with another version
// of one of our schemas.
func (d *Decoder) Learn(text string) error {
	w, fp, err := resolve(text)
	if err != nil {
		return err
	}
	if d.byFingerprint == nil || len(d.byFingerprint) >= maxWriters {
		d.byFingerprint = make(map[uint64]*writer)
	}
	d.byFingerprint[fp] = w
	return nil
}

// resolve finds out how values written with a schema are read as ours.
func resolve(text string) (w *writer, fingerprint uint64, err error) {
	written, err := avro.Parse(text)
	if err != nil {
		return nil, 0, fmt.Errorf("parse the writer's schema: %w", err)
	}
	fp := binary.BigEndian.Uint64(written.Fingerprint(avro.NewRabin()))
	root := written.Root()
	name := root.Name
	if root.Namespace != "" {
		name = root.Namespace + "." + root.Name
	}
	s := schemaByName(name)
	if s == NoSchema {
		return nil, 0, fmt.Errorf("the writer's schema is %q, which Highwater doesn't know", name)
	}
	reader, err := avro.Parse(s.Text(), rawTimes, rawDecimals)
	if err != nil {
		return nil, 0, fmt.Errorf("parse schema %s: %w", s, err)
	}
	if err := sameUnits(root.ExpandReferences(), reader.Root().ExpandReferences(), s.String()); err != nil {
		return nil, 0, err
	}
	if fp == s.Fingerprint() {
		return &writer{schema: s}, fp, nil
	}
	resolved, err := avro.Resolve(written, reader)
	if err != nil {
		return nil, 0, fmt.Errorf("read the writer's schema as %s: %w", s, err)
	}
	return &writer{schema: s, resolved: resolved, reader: reader}, fp, nil
}

// Times and decimals pass through resolution as they stand on the wire.
var (
	rawTimes    = avro.WithCustomType(avro.CustomType{LogicalType: "timestamp-micros"})
	rawDecimals = avro.WithCustomType(avro.CustomType{LogicalType: "decimal"})
)

// sameUnits refuses a writer whose numbers mean something else than ours, such
// as milliseconds: resolution looks at the numbers alone.
func sameUnits(written, ours *avro.SchemaNode, path string) error {
	if written.LogicalType != "" && ours.Type == written.Type && written.LogicalType != ours.LogicalType {
		return fmt.Errorf("%s is %q in the writer's schema, but %q in Highwater's", path, written.LogicalType, ours.LogicalType)
	}
	if written.Scale != ours.Scale && written.LogicalType != "" {
		return fmt.Errorf("%s has %d digits after the point in the writer's schema, but %d in Highwater's", path, written.Scale, ours.Scale)
	}
	switch {
	case written.Type == "union" || ours.Type == "union":
		for _, w := range branches(written) {
			for _, o := range branches(ours) {
				if w.Type != o.Type || w.Name != o.Name {
					continue
				}
				if err := sameUnits(&w, &o, path); err != nil {
					return err
				}
			}
		}
	case written.Type == "record" && ours.Type == "record":
		for _, o := range ours.Fields {
			for _, w := range written.Fields {
				if w.Name != o.Name {
					continue
				}
				if err := sameUnits(&w.Type, &o.Type, path+"."+o.Name); err != nil {
					return err
				}
			}
		}
	case written.Items != nil && ours.Items != nil:
		return sameUnits(written.Items, ours.Items, path)
	case written.Values != nil && ours.Values != nil:
		return sameUnits(written.Values, ours.Values, path)
	}
	return nil
}

func branches(n *avro.SchemaNode) []avro.SchemaNode {
	if n.Type == "union" {
		return n.Branches
	}
	return []avro.SchemaNode{*n}
}

// translate rewrites a value into the bytes that our own schema gives it, so
// that one piece of code reads both.
func (w *writer) translate(body []byte) ([]byte, *event.Refusal) {
	var v any
	rest, err := w.resolved.Decode(body, &v, avro.TaggedUnions())
	if err == nil && len(rest) > 0 {
		err = errors.New(faultTrailing)
	}
	if err != nil {
		return nil, &event.Refusal{Code: event.Malformed, Message: "read as " + w.schema.String() + ": " + err.Error()}
	}
	own, err := w.reader.AppendEncode(make([]byte, 0, len(body)+64), v)
	if err != nil {
		return nil, &event.Refusal{Code: event.Malformed, Message: "rewrite as " + w.schema.String() + ": " + err.Error()}
	}
	return own, nil
}
