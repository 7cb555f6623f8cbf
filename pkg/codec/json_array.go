package codec

import (
	"iter"

	"highwater/pkg/event"
)

// maxDepth bounds how deeply an element of an array nests; an event nests
// twice.
const maxDepth = 32

// Elements walks over the elements of a JSON array, each as its bytes, so that
// one bad event doesn't stop the others: they are only told apart here, what
// they say is [ParseEventJSON]'s to judge. Where the array itself is broken,
// the last step gives a refusal instead of an element.
func Elements(array []byte) iter.Seq2[[]byte, *event.Refusal] {
	return func(yield func([]byte, *event.Refusal) bool) {
		s := scanner{buf: array}
		if s.open('[', "a JSON array") {
			for first := true; s.more(&first, ']'); {
				s.peek()
				start := s.pos
				s.skip()
				if s.fault == nil && !yield(array[start:s.pos], nil) {
					return
				}
			}
		}
		if r := s.end(); r != nil {
			yield(nil, r)
		}
	}
}

// skip steps over one value, whose brackets and strings it tells apart and
// nothing else.
func (s *scanner) skip() {
	start, depth := s.pos, 0
	for s.pos < len(s.buf) {
		switch c := s.buf[s.pos]; c {
		case '"':
			if !s.skipString() {
				return
			}
			continue
		case '{', '[':
			if depth++; depth > maxDepth {
				s.fail("", "the array nests more than %d deep", maxDepth)
				return
			}
		case '}', ']', ',':
			if depth == 0 {
				if s.pos == start {
					s.fail("", "an element should stand here")
				}
				return
			}
			if c != ',' {
				depth--
			}
		}
		s.pos++
	}
	s.fail("", "the JSON ends within an array")
}

func (s *scanner) skipString() bool {
	for s.pos++; s.pos < len(s.buf); s.pos++ {
		switch s.buf[s.pos] {
		case '\\':
			s.pos++
		case '"':
			s.pos++
			return true
		}
	}
	s.fail("", "the JSON ends within a string")
	return false
}
