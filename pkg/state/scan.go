package state

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// reader reads a database or a snapshot of it. It keeps iterators between
// scans, for making one costs as much as a seek; a scan within a scan takes
// another one.
type reader struct {
	store     *Store
	db        pebble.Reader
	iterators []*pebble.Iterator
	scans     []*scan
	value     []byte
	err       error
	// generation counts changes of the database that the iterators don't see.
	generation int
}

// read reads what was applied.
func (d *reader) read(key []byte) (value []byte, ok bool) {
	if err := d.store.Err(); err != nil {
		d.fail(err)
		return nil, false
	}
	value, closer, err := d.db.Get(key)
	if err != nil {
		if !errors.Is(err, pebble.ErrNotFound) {
			d.fail(fmt.Errorf("read row %x: %w", key, err))
		}
		return nil, false
	}
	d.value = append(d.value[:0], value...)
	if err := closer.Close(); err != nil {
		d.fail(fmt.Errorf("read row %x: %w", key, err))
		return nil, false
	}
	return d.value, true
}

// fail remembers the first error.
func (d *reader) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *reader) forget() { d.err = nil }

// maxIdleIterators bounds what is kept: each holds the files it saw.
const maxIdleIterators = 4

func (d *reader) iterator(from, to []byte) (*pebble.Iterator, error) {
	if n := len(d.iterators); n > 0 {
		it := d.iterators[n-1]
		d.iterators = d.iterators[:n-1]
		it.SetBounds(from, to)
		return it, nil
	}
	return d.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
}

func (d *reader) release(it *pebble.Iterator, generation int) {
	err := it.Error()
	if err != nil || generation != d.generation || len(d.iterators) == maxIdleIterators {
		err = errors.Join(err, it.Close())
	} else {
		d.iterators = append(d.iterators, it)
	}
	if err != nil {
		d.fail(fmt.Errorf("scan rows: %w", err))
	}
}

func (d *reader) closeIterators() {
	d.generation++
	for _, it := range d.iterators {
		if err := it.Close(); err != nil {
			d.fail(fmt.Errorf("scan rows: %w", err))
		}
	}
	clear(d.iterators)
	d.iterators = d.iterators[:0]
}

// scan merges the layers of Rows and the database within bounds, in one
// direction.
type scan struct {
	back   bool
	runs   []run
	layers []*layer // newest first
	base   *pebble.Iterator
	live   bool // base stands at a row
	passed bool // which was yielded
}

// run is a sorted part of a layer; what was yielded is cut off.
type run struct {
	layer int // index into layers: the lower, the newer
	items []item
}

// scan runs one over the database, and over the layers of rows unless that is
// nil.
func (d *reader) scan(from, to []byte, back bool, rows *Rows, yield func(key, value []byte) bool) {
	if len(from) == 0 {
		from = nil
	}
	if len(to) == 0 {
		to = nil
	}
	if to != nil && bytes.Compare(from, to) >= 0 {
		return
	}
	if err := d.store.Err(); err != nil {
		d.fail(err)
		return
	}
	base, err := d.iterator(from, to)
	if err != nil {
		d.fail(fmt.Errorf("scan rows: %w", err))
		return
	}
	s := &scan{}
	if n := len(d.scans); n > 0 {
		s, d.scans = d.scans[n-1], d.scans[:n-1]
	}
	s.base, s.back = base, back
	generation := d.generation
	if rows != nil {
		for i := range rows.layers() {
			s.add(rows.layer(i), from, to)
		}
	}
	defer func() {
		d.release(base, generation)
		s.reset()
		d.scans = append(d.scans, s)
	}()
	s.start()
	for {
		key, value, ok := s.next(d)
		if !ok || !yield(key, value) {
			return
		}
	}
}

func (s *scan) reset() {
	clear(s.runs)
	clear(s.layers)
	*s = scan{runs: s.runs[:0], layers: s.layers[:0]}
}

func (s *scan) add(l *layer, from, to []byte) {
	if l.empty() {
		return
	}
	for _, items := range l.within(from, to) {
		if len(items) > 0 {
			s.runs = append(s.runs, run{len(s.layers), items})
		}
	}
	s.layers = append(s.layers, l)
}

func (s *scan) start() {
	if s.back {
		s.live = s.base.Last()
	} else {
		s.live = s.base.First()
	}
}

// next is the next row. The slices are valid until the scan goes on.
func (s *scan) next(d *reader) (key, value []byte, ok bool) {
	if s.passed {
		s.passed = false
		s.step()
	}
	for {
		head := s.head()
		if head < 0 {
			if !s.live {
				return nil, nil, false
			}
			if s.skipDeleted() {
				continue
			}
			return s.baseRow(d)
		}
		l := s.layers[s.runs[head].layer]
		e := &l.entries[s.peek(head).index]
		key = l.key(e)
		if s.live {
			switch c := bytes.Compare(s.base.Key(), key); {
			case c == 0:
				s.step()
			case (c < 0) != s.back:
				if s.skipDeleted() {
					continue
				}
				return s.baseRow(d)
			}
		}
		s.pop(head, key)
		if e.change != isSet || s.covered(key, s.runs[head].layer) {
			continue
		}
		return key, l.value(e), true
	}
}

// baseRow yields the row that the database stands at, and leaves it there
// until the scan goes on.
func (s *scan) baseRow(d *reader) (key, value []byte, ok bool) {
	value, err := s.base.ValueAndErr()
	if err != nil {
		d.fail(fmt.Errorf("scan rows: %w", err))
		return nil, nil, false
	}
	s.passed = true
	return s.base.Key(), value, true
}

func (s *scan) step() {
	if s.back {
		s.live = s.base.Prev()
	} else {
		s.live = s.base.Next()
	}
}

// skipDeleted moves the database behind the deleted range that it stands in,
// if it does.
func (s *scan) skipDeleted() bool {
	for _, l := range s.layers {
		if len(l.ranges) == 0 {
			continue
		}
		if r := l.covering(s.base.Key()); r != nil {
			if s.back {
				s.live = s.base.SeekLT(r.from)
			} else {
				s.live = s.base.SeekGE(r.to)
			}
			return true
		}
	}
	return false
}

// covered reports whether a layer newer than the given one deleted the key by
// a range.
func (s *scan) covered(key []byte, layer int) bool {
	for _, l := range s.layers[:layer] {
		if len(l.ranges) > 0 && l.covering(key) != nil {
			return true
		}
	}
	return false
}

// head is the run whose next key comes first, the newest of several; -1 where
// all are done.
func (s *scan) head() int {
	best := -1
	for i := range s.runs {
		if len(s.runs[i].items) == 0 {
			continue
		}
		if best < 0 {
			best = i
			continue
		}
		if c := s.compare(i, best); c < 0 && !s.back || c > 0 && s.back {
			best = i
		}
	}
	return best
}

// compare orders the next keys of two runs.
func (s *scan) compare(i, j int) int {
	a, b := s.peek(i), s.peek(j)
	if a.prefix != b.prefix {
		if a.prefix < b.prefix {
			return -1
		}
		return 1
	}
	return bytes.Compare(s.key(i, a), s.key(j, b))
}

func (s *scan) key(i int, it item) []byte {
	l := s.layers[s.runs[i].layer]
	return l.key(&l.entries[it.index])
}

func (s *scan) peek(i int) item {
	items := s.runs[i].items
	if s.back {
		return items[len(items)-1]
	}
	return items[0]
}

// pop takes a key, which is the head's, from all runs.
func (s *scan) pop(head int, key []byte) {
	prefix := s.peek(head).prefix
	for i := range s.runs {
		r := &s.runs[i]
		if len(r.items) == 0 {
			continue
		}
		if it := s.peek(i); i != head && (it.prefix != prefix || !bytes.Equal(s.key(i, it), key)) {
			continue
		}
		if s.back {
			r.items = r.items[:len(r.items)-1]
		} else {
			r.items = r.items[1:]
		}
	}
}
