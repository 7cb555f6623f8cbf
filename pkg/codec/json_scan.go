package codec

import (
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"highwater/pkg/event"
)

// scanner reads strict JSON (RFC 8259): UTF-8 without a byte order mark, no
// lone surrogates, nothing after the value. The first fault sticks.
type scanner struct {
	buf   []byte
	pos   int
	fault *event.Refusal
}

// token is a JSON value that holds no other: a string with its escapes
// undone, the digits of a number, or a literal's name.
type token struct {
	kind tokenKind
	text string
}

type tokenKind uint8

const (
	noToken tokenKind = iota
	stringToken
	numberToken
	// literalToken is true, false or null.
	literalToken
)

// String says what was found, for messages.
func (t token) String() string {
	switch t.kind {
	case stringToken:
		return "the string " + quote(t.text)
	case numberToken:
		return "the number " + clip(t.text)
	}
	return t.text
}

func (s *scanner) fail(field, format string, args ...any) {
	if s.fault == nil {
		s.fault = malformed(field, "byte %d: %s", s.pos, fmt.Sprintf(format, args...))
		s.pos = len(s.buf)
	}
}

// peek is the next byte that isn't white space; 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.buf) {
		switch c := s.buf[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// take consumes c if it comes next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

// open consumes the bracket that starts an object or array.
func (s *scanner) open(bracket byte, what string) bool {
	if !s.take(bracket) {
		s.fail("", "%s should start here", what)
		return false
	}
	return true
}

// more reports whether another member follows in an object or array, and
// consumes what stands between.
func (s *scanner) more(first *bool, closing byte) bool {
	if s.fault != nil {
		return false
	}
	if s.take(closing) {
		return false
	}
	if !*first && !s.take(',') {
		s.fail("", "',' or '%c' should follow", closing)
		return false
	}
	*first = false
	return true
}

// key reads a member's name and the colon after it.
func (s *scanner) key() string {
	if s.peek() != '"' {
		s.fail("", "a field's name in double quotes should follow")
		return ""
	}
	name := s.str("")
	if s.fault == nil && !s.take(':') {
		s.fail(showField(name), "':' should follow the field's name")
	}
	return name
}

// end notes whatever follows the value as a fault.
func (s *scanner) end() *event.Refusal {
	if s.fault == nil && (s.peek() != 0 || s.pos < len(s.buf)) {
		s.fail("", "something follows the end of the JSON")
	}
	return s.fault
}

// scalar reads a value that holds no other.
func (s *scanner) scalar(field string) token {
	switch c := s.peek(); {
	case c == '"':
		return token{stringToken, s.str(field)}
	case c == '-' || c >= '0' && c <= '9':
		return token{numberToken, s.number(field)}
	case c == '{' || c == '[':
		s.fail(field, "an event is flat; give one value, no object or array")
	case c == 't':
		return s.literal(field, "true")
	case c == 'f':
		return s.literal(field, "false")
	case c == 'n':
		return s.literal(field, "null")
	case s.pos >= len(s.buf):
		s.fail(field, "the JSON ends too early")
	default:
		s.fail(field, "%q starts no JSON value", c)
	}
	return token{}
}

func (s *scanner) literal(field, name string) token {
	if len(s.buf)-s.pos < len(name) || string(s.buf[s.pos:s.pos+len(name)]) != name {
		s.fail(field, "%q starts no JSON value", s.buf[s.pos])
		return token{}
	}
	s.pos += len(name)
	return token{literalToken, name}
}

// number reads a number as it is written.
func (s *scanner) number(field string) string {
	start := s.pos
	if s.at('-') {
		s.pos++
	}
	switch {
	case s.at('0'):
		s.pos++
	case !s.digits():
		s.fail(field, "a digit should follow")
	}
	if s.at('.') {
		s.pos++
		if !s.digits() {
			s.fail(field, "a digit should follow the point")
		}
	}
	if s.at('e') || s.at('E') {
		s.pos++
		if s.at('+') || s.at('-') {
			s.pos++
		}
		if !s.digits() {
			s.fail(field, "a digit should follow the exponent's sign")
		}
	}
	if s.fault != nil {
		return ""
	}
	if s.pos < len(s.buf) && s.buf[s.pos] >= '0' && s.buf[s.pos] <= '9' {
		s.fail(field, "a number has no leading zeros")
		return ""
	}
	return alias(s.buf[start:s.pos])
}

func (s *scanner) at(c byte) bool { return s.pos < len(s.buf) && s.buf[s.pos] == c }

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.buf) && s.buf[s.pos] >= '0' && s.buf[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

// str reads a string; without escapes it aliases the value.
func (s *scanner) str(field string) string {
	s.pos++
	start := s.pos
	for s.pos < len(s.buf) {
		switch c := s.buf[s.pos]; {
		case c == '"':
			text := alias(s.buf[start:s.pos])
			s.pos++
			return text
		case c == '\\':
			return s.escaped(field, start)
		case c < 0x20:
			s.fail(field, "a control character stands in a string; write it as \\u%04x", c)
			return ""
		case c < utf8.RuneSelf:
			s.pos++
		case !s.rune(field):
			return ""
		}
	}
	s.fail(field, "the JSON ends within a string")
	return ""
}

// rune steps over one character of several bytes.
func (s *scanner) rune(field string) bool {
	r, n := utf8.DecodeRune(s.buf[s.pos:])
	if r == utf8.RuneError && n == 1 {
		s.fail(field, "this is not valid UTF-8")
		return false
	}
	s.pos += n
	return true
}

// escaped reads on from the first escape of a string that began at start.
func (s *scanner) escaped(field string, start int) string {
	text := append(make([]byte, 0, s.pos-start+32), s.buf[start:s.pos]...)
	for s.pos < len(s.buf) {
		switch c := s.buf[s.pos]; {
		case c == '"':
			s.pos++
			return alias(text)
		case c == '\\':
			r, ok := s.escape(field)
			if !ok {
				return ""
			}
			text = utf8.AppendRune(text, r)
		case c < 0x20:
			s.fail(field, "a control character stands in a string; write it as \\u%04x", c)
			return ""
		case c < utf8.RuneSelf:
			text = append(text, c)
			s.pos++
		default:
			from := s.pos
			if !s.rune(field) {
				return ""
			}
			text = append(text, s.buf[from:s.pos]...)
		}
	}
	s.fail(field, "the JSON ends within a string")
	return ""
}

var shortEscapes = [256]rune{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// escape reads one escape, two where they are the halves of a surrogate pair.
func (s *scanner) escape(field string) (rune, bool) {
	if s.pos+1 >= len(s.buf) {
		s.fail(field, "the JSON ends within a string")
		return 0, false
	}
	if c := s.buf[s.pos+1]; c != 'u' {
		r := shortEscapes[c]
		if r == 0 {
			s.fail(field, "\\%c is no escape of JSON", c)
			return 0, false
		}
		s.pos += 2
		return r, true
	}
	r, ok := s.hex4(s.pos + 2)
	if !ok {
		s.fail(field, "four hexadecimal digits should follow \\u")
		return 0, false
	}
	if !utf16.IsSurrogate(r) {
		s.pos += 6
		return r, true
	}
	if s.pos+7 < len(s.buf) && s.buf[s.pos+6] == '\\' && s.buf[s.pos+7] == 'u' {
		if low, ok := s.hex4(s.pos + 8); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				s.pos += 12
				return pair, true
			}
		}
	}
	s.fail(field, "\\u%04x is half a surrogate pair", r)
	return 0, false
}

func (s *scanner) hex4(at int) (rune, bool) {
	if at+4 > len(s.buf) {
		return 0, false
	}
	var r rune
	for _, c := range s.buf[at : at+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
