package trace

import (
	"bytes"
	"fmt"
	"time"

	"highwater/pkg/codec"
	"highwater/pkg/event"
)

// bad adds records that end as dead letters: the ways of spoiling take turns.
func (m *mill) bad(count int) {
	for i := range count {
		from := m.sent[m.rng.IntN(len(m.sent))]
		r := Record{Topic: event.Subtracts, Key: []byte(from.event.User), At: from.at + 1 + m.upTo(m.Shuffle)}
		e := from.event
		if i%len(spoils) != conflict {
			e.ID = fmt.Sprintf("bad-%d", i+1)
		}
		spoils[i%len(spoils)](m, &e, &r)
		m.made = append(m.made, r)
	}
}

// conflict is the place in spoils of the one that must keep the event's id.
const conflict = 0

var spoils = []func(m *mill, e *event.Event, r *Record){
	conflict: func(m *mill, e *event.Event, r *Record) {
		e.Amount++
		r.Value, r.Bad = m.encode(e, m.JSON), event.EventConflict
	},
	func(m *mill, _ *event.Event, r *Record) {
		r.Value, r.Bad = make([]byte, 1+m.rng.IntN(200)), event.Malformed
		for i := range r.Value {
			r.Value[i] = byte(m.rng.Uint32())
		}
		r.Value[0] = 0xff
	},
	func(m *mill, e *event.Event, r *Record) {
		whole := m.encode(e, false)
		r.Value, r.Bad = whole[:1+m.rng.IntN(len(whole)-1)], event.Malformed
	},
	func(_ *mill, e *event.Event, r *Record) {
		r.Value = bytes.Replace(codec.AppendEventJSON(nil, e), []byte(`{`), []byte(`{"amount":1,`), 1)
		r.Bad = event.Malformed
	},
	func(_ *mill, e *event.Event, r *Record) {
		r.Value = bytes.Replace(codec.AppendEventJSON(nil, e), []byte(`{`), []byte(`{"tokens":1,`), 1)
		r.Bad = event.Malformed
	},
	func(m *mill, e *event.Event, r *Record) {
		e.Amount = 0
		r.Value, r.Bad = m.encode(e, m.JSON), event.Invalid
	},
	func(m *mill, e *event.Event, r *Record) {
		r.Key = []byte(e.User + "-s-sibling")
		r.Value, r.Bad = m.encode(e, m.JSON), event.Invalid
	},
	func(m *mill, e *event.Event, r *Record) {
		r.Topic = event.Grants
		r.Value, r.Bad = m.encode(e, m.JSON), event.Invalid
	},
	func(m *mill, e *event.Event, r *Record) {
		e.OccurredAt = event.TimeOf(time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC))
		r.Value, r.Bad = m.encode(e, m.JSON), event.FromTheFuture
	},
}
