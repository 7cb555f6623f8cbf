package trace

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"highwater/pkg/codec"
	"highwater/pkg/event"
)

// Generate makes the load, in the order of arrival.
//
// REQUIRES: at least one user and one asset, Rows within the trace.
func Generate(o Options) []Record {
	if o.Rows == 0 {
		o.Rows = RowCount
	}
	if o.Users < 1 || len(o.Assets) == 0 || o.Rows < 1 || o.Rows > RowCount {
		panic(fmt.Sprintf("trace: %d users, %d assets and %d of %d rows make no load", o.Users, len(o.Assets), o.Rows, RowCount))
	}
	m := &mill{Options: o, rng: rand.New(rand.NewPCG(o.Seed, 0x7472616365)), encoder: codec.SingleObject()}
	table := rows(o.Rows)
	if o.End != 0 {
		shift := o.End - table[len(table)-1].at
		for i := range table {
			table[i].at += shift
		}
	}
	m.start, m.end = table[0].at, table[len(table)-1].at
	for n := range o.Users {
		for _, asset := range o.Assets {
			m.grants(n, asset)
		}
	}
	for i, row := range table {
		m.call(i, row)
	}
	if o.Orders {
		for n := range o.Users {
			m.orders(n)
		}
	}
	m.bad(int(float64(o.Rows) * o.BadPercent / 100))
	slices.SortStableFunc(m.made, func(a, b Record) int { return int(a.At - b.At) })
	return m.made
}

// mill makes records.
type mill struct {
	Options
	rng     *rand.Rand
	encoder *codec.Encoder
	// start and end are the times of the first and the last row.
	start, end event.Time
	made       []Record
	// sent are the events behind the calls, for those who spoil them.
	sent []sent
}

// sent is an event and when it arrives first.
type sent struct {
	event event.Event
	at    event.Time
}

// call makes the record of a row, and perhaps a copy.
func (m *mill) call(i int, r row) {
	e := fresh(event.Subtract, fmt.Sprintf("call-%05d", i+1), User(int(r.hash%uint64(m.Users))), r.at)
	e.Asset = m.Assets[r.hash/uint64(m.Users)%uint64(len(m.Assets))]
	e.Amount = r.tokens
	e.Source = "llm-gateway"
	at := m.shuffled(r.at)
	if m.chance(m.LatePercent) {
		at = m.late(r.at)
	}
	m.add(&e, at)
	m.sent = append(m.sent, sent{e, at})
	if m.chance(m.DuplicatePercent) {
		m.copy(&e, m.shuffled(at))
	}
}

// add makes a record of an event.
func (m *mill) add(e *event.Event, at event.Time) {
	m.made = append(m.made, Record{Topic: e.Kind.Topic(), Key: []byte(e.User), Value: m.encode(e, m.JSON), At: at})
}

// copy makes another record of an event: its producer didn't hear that the
// first was taken. One in four is of another producer, who writes the other
// encoding.
func (m *mill) copy(e *event.Event, at event.Time) {
	m.made = append(m.made, Record{
		Topic: e.Kind.Topic(), Key: []byte(e.User), Value: m.encode(e, m.JSON != (m.rng.IntN(4) == 0)), At: at, Copy: true,
	})
}

func (m *mill) encode(e *event.Event, asJSON bool) []byte {
	if asJSON {
		return codec.AppendEventJSON(nil, e)
	}
	return m.encoder.AppendEvent(nil, e)
}

// shuffled is an arrival on time, but for the shuffle.
func (m *mill) shuffled(at event.Time) event.Time { return at + m.upTo(m.Shuffle) }

// late is an arrival behind the watermark: events of the next minutes have
// arrived before.
func (m *mill) late(at event.Time) event.Time {
	return at + event.Time((m.Shuffle + m.Lateness).Microseconds()) + m.upTo(5*time.Minute)
}

// upTo is a random time from 0 up to d.
func (m *mill) upTo(d time.Duration) event.Time {
	return event.Time(m.rng.Int64N(d.Microseconds() + 1))
}

func (m *mill) chance(percent float64) bool { return m.rng.Float64()*100 < percent }

// within is a random time of the trace.
func (m *mill) within() event.Time { return m.start + event.Time(m.rng.Int64N(int64(m.end-m.start)+1)) }

func fresh(kind event.Kind, id, user string, at event.Time) event.Event {
	var e event.Event
	e.Clear()
	e.Kind, e.ID, e.User, e.OccurredAt, e.Asset = kind, id, user, at, event.DefaultAsset
	return e
}
