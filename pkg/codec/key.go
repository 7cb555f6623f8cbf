package codec

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// maxKeyParts and maxKeyBytes bound what ParseKey reads. The longest key has
// two ids of 128 bytes, every byte of which may need an escape.
const (
	maxKeyParts = 8
	maxKeyBytes = 1024
)

// AppendKey appends the key of a compacted topic: a JSON array of strings,
// compact, in UTF-8, with nothing escaped but '"' and '\'. One list of parts
// has one key, byte for byte.
func AppendKey(dst []byte, parts ...string) []byte {
	dst = append(dst, '[')
	for i, part := range parts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		for j := range len(part) {
			if c := part[j]; c == '"' || c == '\\' {
				dst = append(dst, '\\')
			}
			dst = append(dst, part[j])
		}
		dst = append(dst, '"')
	}
	return append(dst, ']')
}

// ParseKey reads what [AppendKey] appends, and nothing else.
func ParseKey(key []byte) ([]string, error) {
	switch {
	case len(key) > maxKeyBytes:
		return nil, fmt.Errorf("a key of %d bytes; at most %d are read", len(key), maxKeyBytes)
	case !utf8.Valid(key):
		return nil, errors.New("the key is not valid UTF-8")
	case string(key) == "[]":
		return nil, nil
	case len(key) == 0 || key[0] != '[':
		return nil, errors.New("the key is no compact JSON array of strings")
	}
	var parts []string
	rest := key[1:]
	for {
		part, n := keyPart(rest)
		if n == 0 || n == len(rest) || len(parts) == maxKeyParts {
			return nil, fmt.Errorf("part %d of the key is no compact JSON string", len(parts)+1)
		}
		parts = append(parts, part)
		switch c := rest[n]; {
		case c == ']' && n+1 == len(rest):
			return parts, nil
		case c != ',':
			return nil, fmt.Errorf("',' or the last ']' should follow part %d of the key", len(parts))
		}
		rest = rest[n+1:]
	}
}

// keyPart reads one string and says how many bytes it takes; 0 for none.
func keyPart(b []byte) (part string, n int) {
	if len(b) == 0 || b[0] != '"' {
		return "", 0
	}
	text := make([]byte, 0, len(b))
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return string(text), i + 1
		case c == '\\':
			i++
			if i == len(b) || b[i] != '"' && b[i] != '\\' {
				return "", 0
			}
			text = append(text, b[i])
		case c < 0x20:
			return "", 0
		default:
			text = append(text, c)
		}
	}
	return "", 0
}
