package pack

// NoTime is a time that isn't there.
const NoTime = -1

const (
	milli  = 1_000
	second = 1_000_000
)

// Short is a time in microseconds in short, since few clocks tell those: 0 is
// NoTime, and otherwise the lowest bits tell what it counts.
//
//	seconds, 1, 1 | milliseconds, 0, 1 | microseconds, 0
//
// It takes one bit more than the time.
// REQUIRES: t is NoTime, or not negative.
func Short(t int64) uint64 {
	switch {
	case t == NoTime:
		return 0
	case t%milli != 0:
		return uint64(t) << 1
	case t%second != 0:
		return uint64(t/milli)<<2 | 1
	}
	return uint64(t/second)<<2 | 3
}

// Long is the time that Short made short.
func Long(v uint64) int64 {
	switch {
	case v == 0:
		return NoTime
	case v&1 == 0:
		return int64(v >> 1)
	case v&2 == 0:
		return int64(v>>2) * milli
	}
	return int64(v>>2) * second
}

// Time appends a time, or NoTime, as its distance in short from another one:
// behind it or, with the lowest bit set, before it.
// REQUIRES: both are less than 2^61 from each other.
func Time(b []byte, t, from int64) []byte {
	switch {
	case t == NoTime:
		return append(b, 0)
	case t < from:
		return Big(b, Short(from-t)<<1|1)
	}
	return Big(b, Short(t-from)<<1)
}

// Time reads a time, of which the other one is known.
func (r *Reader) Time(from int64) int64 {
	switch v := r.Big(); {
	case v == 0:
		return NoTime
	case v&1 != 0:
		return from - Long(v>>1)
	default:
		return from + Long(v>>1)
	}
}
