package event

import (
	"fmt"
	"time"
)

// Time is an instant in microseconds since the Unix epoch. Valid instants run
// from 0 to [MaxTime].
type Time int64

const (
	// NoTime stands for "not given" and "never": no expiry, no effective_at.
	NoTime Time = -1
	// MaxTime is 9999-12-31T23:59:59.999999Z.
	MaxTime Time = 253402300799999999
)

const timeLayout = "2006-01-02T15:04:05.000000Z"

// Valid reports whether t is an instant the contract allows.
func (t Time) Valid() bool { return t >= 0 && t <= MaxTime }

// String is RFC 3339 in UTC with six digits; "none" for [NoTime].
func (t Time) String() string {
	if t == NoTime {
		return "none"
	}
	return t.AsTime().Format(timeLayout)
}

// AppendRFC3339 appends t in UTC with six digits.
func (t Time) AppendRFC3339(b []byte) []byte {
	return t.AsTime().AppendFormat(b, timeLayout)
}

// AsTime is t in the standard library's type.
func (t Time) AsTime() time.Time { return time.UnixMicro(int64(t)).UTC() }

// TimeOf is t cut to whole microseconds.
func TimeOf(t time.Time) Time { return Time(t.UnixMicro()) }

// Clamped is the valid time next to t.
func (t Time) Clamped() Time { return min(max(t, 0), MaxTime) }

// Add is t moved by micros, kept within the valid range.
func (t Time) Add(micros int64) Time {
	sum := t + Time(micros)
	switch {
	case micros > 0 && (sum < t || sum > MaxTime):
		return MaxTime
	case sum < 0:
		return 0
	}
	return sum
}

// ParseTime reads RFC 3339 with an offset and at most six digits of a second.
// It is stricter than [time.Parse], which drops digits it can't hold.
func ParseTime(s string) (Time, error) {
	const shortest = len("2006-01-02T15:04:05Z")
	if len(s) < shortest || s[4] != '-' || s[7] != '-' || s[10]|0x20 != 't' || s[13] != ':' || s[16] != ':' {
		return 0, notATime(s)
	}
	var n [7]int // year, month, day, hour, minute, second, microsecond
	for i, from := range [...]int{0, 5, 8, 11, 14, 17} {
		to := from + 2
		if i == 0 {
			to = 4
		}
		var ok bool
		if n[i], ok = number(s[from:to]); !ok {
			return 0, notATime(s)
		}
	}
	rest := s[19:]
	if rest[0] == '.' {
		end := 1
		for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
			end++
		}
		switch {
		case end == 1:
			return 0, notATime(s)
		case end > 7:
			return 0, fmt.Errorf("%q has more than six digits of a second", clip(s))
		}
		n[6], _ = number(rest[1:end])
		for range 7 - end {
			n[6] *= 10
		}
		rest = rest[end:]
	}
	east, ok := offset(rest)
	// Of a month's length only [time.Date] knows: a day too many is another day.
	t := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], n[6]*1000, time.UTC)
	if !ok || n[1] < 1 || n[1] > 12 || t.Day() != n[2] || n[3] > 23 || n[4] > 59 || n[5] > 59 {
		return 0, notATime(s)
	}
	m := TimeOf(t) - Time(east)
	if !m.Valid() {
		return 0, fmt.Errorf("%q lies outside 1970-01-01 to 9999-12-31 (UTC)", s)
	}
	return m, nil
}

// offset reads Z or +hh:mm as microseconds east of UTC.
func offset(s string) (east int64, ok bool) {
	if s == "Z" || s == "z" {
		return 0, true
	}
	if len(s) != len("+01:00") || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return 0, false
	}
	hours, ok1 := number(s[1:3])
	minutes, ok2 := number(s[4:6])
	if !ok1 || !ok2 || hours > 23 || minutes > 59 {
		return 0, false
	}
	east = int64(hours*60+minutes) * 60_000_000
	if s[0] == '-' {
		east = -east
	}
	return east, true
}

// number reads decimal digits and nothing else.
func number(s string) (n int, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, s != ""
}

func notATime(s string) error {
	return fmt.Errorf("%q is not an RFC 3339 time with an offset, such as 2026-01-01T00:00:00Z", clip(s))
}
