package service

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// ParseDuration reads Go's notation for durations, with whole days allowed in
// front: 500ms, 10s, 1h30m, 30d, 1d12h. A day is 24 hours. Negative durations
// are refused: no setting has one.
func ParseDuration(s string) (time.Duration, error) {
	wrong := fmt.Errorf("want a duration such as 500ms, 10s, 1h30m or 30d, got %q", s)
	rest := s
	var total time.Duration
	if days, after, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 31)
		if err != nil || time.Duration(n) > math.MaxInt64/day {
			return 0, wrong
		}
		total, rest = time.Duration(n)*day, after
		if rest == "" {
			return total, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || total > math.MaxInt64-d {
		return 0, wrong
	}
	return total + d, nil
}

// FormatDuration writes what ParseDuration reads, in its shortest form: 5m, not
// 5m0s, and whole days as days.
func FormatDuration(d time.Duration) string {
	if d > 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
