package event

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseTime(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Time
	}{
		{"1970-01-01T00:00:00Z", 0},
		{"1970-01-01T00:00:00.000001Z", 1},
		{"1970-01-01T00:00:00.1Z", 100_000},
		{"1970-01-01t00:00:01z", 1_000_000},
		{"1970-01-01T01:00:00+01:00", 0},
		{"1969-12-31T23:00:00-01:00", 0},
		{"2024-02-29T12:00:00.123456+05:30", 1_709_188_200_123_456},
		{"9999-12-31T23:59:59.999999Z", MaxTime},
	} {
		got, err := ParseTime(c.in)
		if err != nil || got != c.want {
			t.Errorf("ParseTime(%q) = %d, %v; want %d", c.in, got, err, c.want)
		}
	}
}

func TestParseTimeRefuses(t *testing.T) {
	const form, digits, bounds = "RFC 3339", "six digits", "outside"
	for _, c := range []struct{ in, why string }{
		{"", form},
		{"2026-01-01", form},
		{"2026-01-01T00:00:00", form},
		{"2026-01-01 00:00:00Z", form},
		{"2026-01-01T0:00:00Z", form},
		{"2026-01-01T00:00:00,5Z", form},
		{"2026-01-01T00:00:00.Z", form},
		{"2026-01-01T00:00:00.1", form},
		{"2026-02-29T00:00:00Z", form},
		{"2026-13-01T00:00:00Z", form},
		{"2026-00-01T00:00:00Z", form},
		{"2026-01-00T00:00:00Z", form},
		{"2026-01-01T24:00:00Z", form},
		{"2026-01-01T00:60:00Z", form},
		{"2026-12-31T23:59:60Z", form},
		{"2026-01-01T00:00:00+24:00", form},
		{"2026-01-01T00:00:00+01:60", form},
		{"2026-01-01T00:00:00+0100", form},
		{"2026-01-01T00:00:00Z ", form},
		{"+026-01-01T00:00:00Z", form},
		{strings.Repeat("2", 1<<20), form},
		{"2026-01-01T00:00:00.0000000Z", digits},
		{"2026-01-01T00:00:00.1234567Z", digits},
		{"2026-01-01T00:00:00.00000000000001Z", digits},
		{"1969-12-31T23:59:59Z", bounds},
		{"1970-01-01T00:30:00+01:00", bounds},
		{"9999-12-31T23:59:59-01:00", bounds},
	} {
		_, err := ParseTime(c.in)
		if err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("ParseTime(%.40q) = %v; want an error with %q", c.in, err, c.why)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("ParseTime of %d bytes: an error of %d bytes", len(c.in), len(err.Error()))
		}
	}
}

// What a time says of itself is read back, and the standard library agrees.
func TestTimeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := Time(rapid.Int64Range(0, int64(MaxTime)).Draw(t, "at"))
		zone := rapid.IntRange(-23*60-59, 23*60+59).Draw(t, "zone")
		local := at.AsTime().In(time.FixedZone("", zone*60)).Format(time.RFC3339Nano)
		for _, s := range []string{at.String(), string(at.AppendRFC3339(nil)), local} {
			if strings.HasPrefix(s, "10000") {
				continue // local time past the year 9999, which RFC 3339 can't say
			}
			got, err := ParseTime(s)
			if err != nil || got != at {
				t.Fatalf("ParseTime(%q) = %d, %v; want %d", s, got, err, at)
			}
		}
		if TimeOf(at.AsTime()) != at {
			t.Fatalf("TimeOf(%d.AsTime()) = %d", at, TimeOf(at.AsTime()))
		}
	})
}

// Whatever is accepted means what the standard library says it means.
func FuzzParseTime(f *testing.F) {
	f.Add("2024-02-29T12:00:00.123456+05:30")
	f.Add("2026-01-01t00:00:00z")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTime(s)
		if err != nil {
			return
		}
		want, err := time.Parse(time.RFC3339Nano, strings.ToUpper(s))
		if err != nil || want.UnixMicro() != int64(got) {
			t.Fatalf("ParseTime(%q) = %d; time.Parse says %v, %v", s, got, want, err)
		}
	})
}

func TestTimeClamped(t *testing.T) {
	for in, want := range map[Time]Time{
		-1: 0, math.MinInt64: 0, 0: 0, 5: 5, MaxTime: MaxTime, MaxTime + 1: MaxTime, math.MaxInt64: MaxTime,
	} {
		if got := in.Clamped(); got != want {
			t.Errorf("%d: got %d, want %d", in, got, want)
		}
	}
}

func TestTimeAdd(t *testing.T) {
	for _, c := range []struct {
		at     Time
		micros int64
		want   Time
	}{
		{5, 3, 8},
		{5, -3, 2},
		{5, -6, 0},
		{5, -1 << 63, 0},
		{MaxTime, 1, MaxTime},
		{MaxTime - 1, 1, MaxTime},
		{MaxTime, 1<<63 - 1, MaxTime},
	} {
		if got := c.at.Add(c.micros); got != c.want {
			t.Errorf("%d.Add(%d) = %d, want %d", c.at, c.micros, got, c.want)
		}
	}
	if NoTime.String() != "none" || NoTime.Valid() || (MaxTime + 1).Valid() {
		t.Error("NoTime is \"none\" and no instant; nor is what lies after MaxTime")
	}
}
