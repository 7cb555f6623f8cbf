package plain

import (
	"strconv"
	"strings"
	"time"

	"highwater/pkg/event"
)

// Number writes digits in threes: 1,234,567.
func Number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}

// Change is a Number that always says its sign.
func Change(n int64) string {
	if n > 0 {
		return "+" + Number(n)
	}
	return Number(n)
}

// Count is a number of things, such as "1 entry" or "1,200 entries".
func Count[N int | int32 | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(int64(n)) + " " + many
}

// Span is a length of time, such as how late an event is: two units at most,
// and never finer than milliseconds.
func Span(micros int64) string {
	d := time.Duration(micros) * time.Microsecond
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return strings.TrimSuffix(d.Round(time.Second).String(), "0s")
	}
	hours := int64(d.Round(time.Minute) / time.Hour)
	minutes := int64(d.Round(time.Minute)%time.Hour) / int64(time.Minute)
	switch {
	case hours >= 48:
		return Number(hours/24) + "d" + strconv.FormatInt(hours%24, 10) + "h"
	case minutes == 0:
		return strconv.FormatInt(hours, 10) + "h"
	}
	return strconv.FormatInt(hours, 10) + "h" + strconv.FormatInt(minutes, 10) + "m"
}

// Time is an instant in UTC, to the second and with its date.
func Time(t event.Time) string {
	if t == event.NoTime {
		return "never"
	}
	return t.AsTime().Format("2006-01-02 15:04:05")
}

// Clock is an instant's time of day in UTC, with the date where it isn't
// today's.
func Clock(t, today event.Time) string {
	if t == event.NoTime {
		return "never"
	}
	if t.AsTime().Format(time.DateOnly) == today.AsTime().Format(time.DateOnly) {
		return t.AsTime().Format(time.TimeOnly)
	}
	return Time(t)
}

// Text is a value of somebody's, with what can't be shown escaped (I1).
func Text(s string) string {
	clean := true
	for _, r := range s {
		if !strconv.IsPrint(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	return strconv.Quote(s)
}
