package api

import (
	"bytes"
	"encoding/json"
	"slices"

	"highwater/pkg/event"
)

// Schema is a JSON Schema as OpenAPI 3.1 takes it, the part of it that is used
// here. The zero Schema is any value.
type Schema struct {
	// Ref names one of the document's schemas; then nothing else is given.
	Ref         string
	Type        string
	Nullable    bool
	Description string
	Format      string
	Pattern     string
	Enum        []string
	Minimum     *int64
	Maximum     *int64
	Default     any
	Example     any
	Items       *Schema
	// Properties are an object's, in the order in which they are shown. An
	// object has no others.
	Properties []Property
	// OneOf are alternatives.
	OneOf []Schema
	// Map is the schema of an object's values whose names are free.
	Map *Schema
}

// Property is one member of an object.
type Property struct {
	Name     string
	Schema   Schema
	Optional bool
}

// Ref is the schema of this name.
func Ref(name string) Schema { return Schema{Ref: name} }

// Text is a string.
func Text(description string) Schema { return Schema{Type: "string", Description: description} }

// Integer is a whole number.
func Integer(description string) Schema {
	return Schema{Type: "integer", Format: "int64", Description: description}
}

// Bool is true or false.
func Bool(description string) Schema { return Schema{Type: "boolean", Description: description} }

// Time is a time in an answer.
func Time(description string) Schema {
	return Schema{Type: "string", Format: "date-time", Description: description, Example: "2026-01-01T00:00:00.000000Z"}
}

// Array is a list.
func Array(items Schema, description string) Schema {
	return Schema{Type: "array", Items: &items, Description: description}
}

// Object is an object of these members and no others.
func Object(description string, properties ...Property) Schema {
	return Schema{Type: "object", Description: description, Properties: properties}
}

// OrNull is the schema or null.
func (s Schema) OrNull() Schema {
	if s.Ref != "" {
		return Schema{OneOf: []Schema{s, {Type: "null"}}}
	}
	s.Nullable = true
	return s
}

// Described is the schema with another description.
func (s Schema) Described(description string) Schema {
	s.Description = description
	return s
}

// TimeSchema is a time in a query.
var TimeSchema = Schema{
	Type: "string", Example: "2026-01-01T00:00:00Z",
	Description: "RFC 3339 with an offset and at most six digits of a second, or whole microseconds since 1970.",
}

// ProblemSchema is what an error looks like.
var ProblemSchema = Object("What went wrong (RFC 9457).",
	Property{Name: "type", Schema: Text("urn:highwater:problem: and the code.")},
	Property{Name: "title", Schema: Text("The status in words.")},
	Property{Name: "status", Schema: Integer("The HTTP status.")},
	Property{Name: "code", Schema: Text("For programs; a code never changes its meaning.")},
	Property{Name: "field", Schema: Text("The parameter, header or field at fault."), Optional: true},
	Property{Name: "detail", Schema: Text("What is wrong and what to do.")},
	Property{Name: "event_id", Schema: Text("The event it is about, where that needs saying."), Optional: true},
)

// MarshalJSON writes the schema.
func (s Schema) MarshalJSON() ([]byte, error) {
	var m members
	if s.Ref != "" {
		m.add("$ref", "#/components/schemas/"+s.Ref)
		return m.bytes()
	}
	switch {
	case s.Type != "" && s.Nullable:
		m.add("type", []string{s.Type, "null"})
	case s.Type != "":
		m.add("type", s.Type)
	}
	if s.Description != "" {
		m.add("description", s.Description)
	}
	if s.Format != "" {
		m.add("format", s.Format)
	}
	if s.Pattern != "" {
		m.add("pattern", s.Pattern)
	}
	if s.Enum != nil {
		m.add("enum", s.enum())
	}
	if s.Minimum != nil {
		m.add("minimum", *s.Minimum)
	}
	if s.Maximum != nil {
		m.add("maximum", *s.Maximum)
	}
	if s.Default != nil {
		m.add("default", s.Default)
	}
	if s.Example != nil {
		m.add("examples", []any{s.Example})
	}
	if s.Items != nil {
		m.add("items", *s.Items)
	}
	if s.OneOf != nil {
		m.add("oneOf", s.OneOf)
	}
	if s.Map != nil {
		m.add("additionalProperties", *s.Map)
	}
	if s.Properties != nil {
		s.addProperties(&m)
	}
	return m.bytes()
}

// enum has null too where the value may be.
func (s *Schema) enum() []any {
	var all []any
	for _, word := range s.Enum {
		all = append(all, word)
	}
	if s.Nullable {
		all = append(all, nil)
	}
	return all
}

func (s *Schema) addProperties(m *members) {
	var properties members
	var required []string
	for _, p := range s.Properties {
		properties.add(p.Name, p.Schema)
		if !p.Optional {
			required = append(required, p.Name)
		}
	}
	m.add("properties", &properties)
	if required != nil {
		m.add("required", required)
	}
	m.add("additionalProperties", false)
}

// refs lists the schemas that a schema names.
func (s *Schema) refs() []string {
	if s == nil {
		return nil
	}
	all := slices.Concat(s.Items.refs(), s.Map.refs())
	if s.Ref != "" {
		all = append(all, s.Ref)
	}
	for i := range s.Properties {
		all = append(all, s.Properties[i].Schema.refs()...)
	}
	for i := range s.OneOf {
		all = append(all, s.OneOf[i].refs()...)
	}
	return all
}

// members is a JSON object whose members keep their order.
type members struct {
	buf bytes.Buffer
	err error
}

func (m *members) add(name string, value any) {
	if m.err != nil {
		return
	}
	separator := byte(',')
	if m.buf.Len() == 0 {
		separator = '{'
	}
	m.buf.WriteByte(separator)
	for i, part := range []any{name, value} {
		if i > 0 {
			m.buf.WriteByte(':')
		}
		b, err := json.Marshal(part)
		if err != nil {
			m.err = err
			return
		}
		m.buf.Write(b)
	}
}

func (m *members) bytes() ([]byte, error) {
	if m.err != nil {
		return nil, m.err
	}
	if m.buf.Len() == 0 {
		return []byte("{}"), nil
	}
	return append(bytes.Clone(m.buf.Bytes()), '}'), nil
}

// MarshalJSON writes the object.
func (m *members) MarshalJSON() ([]byte, error) { return m.bytes() }

// Parameters that several routes take.
var (
	Asset = Param{
		Name: "asset", Description: "Which of the user's assets.",
		Schema: Schema{Type: "string", Pattern: "^[a-z0-9][a-z0-9._-]{0,63}$", Default: event.DefaultAsset},
	}
	Limit = Param{
		Name: "limit", Description: "At most so many items.",
		Schema: Schema{Type: "integer", Minimum: new(int64(1)), Maximum: new(int64(MaxLimit)), Default: DefaultLimit},
	}
	Cursor = Param{
		Name: "cursor", Description: "Where the page before ended: its next_cursor.", Schema: Schema{Type: "string"},
	}
)
