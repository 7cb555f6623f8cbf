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
func ParseTime(s string) (Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0, fmt.Errorf("%q is not an RFC 3339 time with an offset, such as 2026-01-01T00:00:00Z", s)
	}
	if t.Nanosecond()%1000 != 0 {
		return 0, fmt.Errorf("%q has more than six digits of a second", s)
	}
	m := Time(t.UnixMicro())
	if !m.Valid() {
		return 0, fmt.Errorf("%q lies outside 1970-01-01 to 9999-12-31 (UTC)", s)
	}
	return m, nil
}
