package service

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size in bytes, written 4096, 64KiB, 4MiB or 1GiB.
type Bytes int64

var byteUnits = []struct {
	suffix string
	bytes  Bytes
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// ParseBytes reads a size. Units of a thousand are refused: MB means two
// things, MiB one.
func ParseBytes(s string) (Bytes, error) {
	number, unit := s, Bytes(1)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			number, unit = rest, u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil || Bytes(n) > math.MaxInt64/unit {
		return 0, fmt.Errorf("want a size such as 4096, 64KiB, 4MiB or 1GiB, got %q", s)
	}
	return Bytes(n) * unit, nil
}

// String writes the size in the largest unit that divides it.
func (b Bytes) String() string {
	for _, u := range byteUnits {
		if b != 0 && b%u.bytes == 0 {
			return strconv.FormatInt(int64(b/u.bytes), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// UnmarshalText reads a size.
func (b *Bytes) UnmarshalText(text []byte) error {
	parsed, err := ParseBytes(string(text))
	if err != nil {
		return err
	}
	*b = parsed
	return nil
}
