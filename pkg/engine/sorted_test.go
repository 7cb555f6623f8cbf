package engine_test

import (
	"iter"
	"slices"
	"sort"
)

// sorted is Rows for millions of rows: keys in order, in blocks.
type sorted struct {
	blocks      []*block
	sets, bytes int
}

type block struct {
	keys   []string
	values [][]byte
}

const blockRows = 512

func newSorted() *sorted { return &sorted{blocks: []*block{{}}} }

// find is the block that a key belongs into, and where in it.
func (s *sorted) find(key []byte) (b, i int, found bool) {
	b = max(sort.Search(len(s.blocks), func(i int) bool { return len(s.blocks[i].keys) > 0 && s.blocks[i].keys[0] > string(key) })-1, 0)
	keys := s.blocks[b].keys
	i = sort.Search(len(keys), func(i int) bool { return keys[i] >= string(key) })
	return b, i, i < len(keys) && keys[i] == string(key)
}

func (s *sorted) Get(key []byte) ([]byte, bool) {
	b, i, found := s.find(key)
	if !found {
		return nil, false
	}
	return s.blocks[b].values[i], true
}

func (s *sorted) Set(key, value []byte) {
	s.sets++
	s.bytes += len(key) + len(value)
	at, i, found := s.find(key)
	b := s.blocks[at]
	if found {
		b.values[i] = slices.Clone(value)
		return
	}
	b.keys = slices.Insert(b.keys, i, string(key))
	b.values = slices.Insert(b.values, i, slices.Clone(value))
	if len(b.keys) < blockRows {
		return
	}
	// Keys mostly come behind all others of their kind: the front stays full.
	half := blockRows * 3 / 4
	behind := &block{slices.Clone(b.keys[half:]), slices.Clone(b.values[half:])}
	b.keys, b.values = slices.Clip(b.keys[:half]), slices.Clip(b.values[:half])
	s.blocks = slices.Insert(s.blocks, at+1, behind)
}

func (s *sorted) Delete(key []byte) {
	at, i, found := s.find(key)
	if !found {
		return
	}
	b := s.blocks[at]
	b.keys, b.values = slices.Delete(b.keys, i, i+1), slices.Delete(b.values, i, i+1)
	if len(b.keys) == 0 && len(s.blocks) > 1 {
		s.blocks = slices.Delete(s.blocks, at, at+1)
	}
}

func (s *sorted) DeleteRange(from, to []byte) {
	var keys []string
	for k := range s.Scan(from, to) {
		keys = append(keys, string(k))
	}
	for _, k := range keys {
		s.Delete([]byte(k))
	}
}

func (s *sorted) Scan(from, to []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		for at, i, _ := s.find(from); at < len(s.blocks); at, i = at+1, 0 {
			b := s.blocks[at]
			for ; i < len(b.keys); i++ {
				if b.keys[i] >= string(to) || !yield([]byte(b.keys[i]), b.values[i]) {
					return
				}
			}
		}
	}
}

func (s *sorted) ScanBack(from, to []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		at, i, _ := s.find(to)
		for {
			for i--; i >= 0; i-- {
				if s.blocks[at].keys[i] < string(from) || !yield([]byte(s.blocks[at].keys[i]), s.blocks[at].values[i]) {
					return
				}
			}
			if at--; at < 0 {
				return
			}
			i = len(s.blocks[at].keys)
		}
	}
}
