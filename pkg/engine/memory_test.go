package engine_test

import (
	"iter"
	"maps"
	"slices"
	"sort"
	"strings"
)

// memory is the plainest Rows: a map, and its keys sorted when needed. What a
// read gave is spoilt by the next one.
type memory struct {
	rows   map[string][]byte
	given  []byte
	sorted []string
	stale  bool
}

func newMemory() *memory { return &memory{rows: map[string][]byte{}} }

func (m *memory) Get(key []byte) ([]byte, bool) {
	v, ok := m.rows[string(key)]
	return m.give(v), ok
}

// give is a copy of a value in memory that the next one takes.
func (m *memory) give(v []byte) []byte {
	for i := range m.given {
		m.given[i] = 0xdb
	}
	if len(v) > cap(m.given) {
		m.given = make([]byte, 0, 2*len(v))
	}
	m.given = append(m.given[:0], v...)
	return m.given
}

func (m *memory) Set(key, value []byte) {
	if _, ok := m.rows[string(key)]; !ok {
		m.stale = true
	}
	m.rows[string(key)] = slices.Clone(value)
}

func (m *memory) Delete(key []byte) {
	delete(m.rows, string(key))
	m.stale = true
}

func (m *memory) DeleteRange(from, to []byte) {
	maps.DeleteFunc(m.rows, func(k string, _ []byte) bool { return k >= string(from) && k < string(to) })
	m.stale = true
}

func (m *memory) between(from, to []byte) []string {
	if m.stale {
		m.sorted = m.sorted[:0]
		for k := range m.rows {
			m.sorted = append(m.sorted, k)
		}
		slices.Sort(m.sorted)
		m.stale = false
	}
	a := sort.SearchStrings(m.sorted, string(from))
	b := sort.SearchStrings(m.sorted, string(to))
	return m.sorted[a:max(a, b)]
}

func (m *memory) Scan(from, to []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		for _, k := range m.between(from, to) {
			if !yield([]byte(k), m.rows[k]) {
				return
			}
		}
	}
}

func (m *memory) ScanBack(from, to []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		for _, k := range slices.Backward(m.between(from, to)) {
			if !yield([]byte(k), m.rows[k]) {
				return
			}
		}
	}
}

// String is the rows as text, to compare two states.
func (m *memory) String() string {
	var b strings.Builder
	for _, k := range m.between(nil, []byte{0xff}) {
		b.WriteString(k)
		b.WriteByte(0xff)
		b.Write(m.rows[k])
		b.WriteByte(0xff)
	}
	return b.String()
}
