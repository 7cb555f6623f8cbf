package codec

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"highwater/pkg/event"
)

// maxShownBytes bounds how much of what somebody sent stands in a message.
const maxShownBytes = 80

func malformed(field, format string, args ...any) *event.Refusal {
	return &event.Refusal{Code: event.Malformed, Field: field, Message: fmt.Sprintf(format, args...)}
}

func invalid(field, format string, args ...any) *event.Refusal {
	return &event.Refusal{Code: event.Invalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// quote shows what somebody sent, in double quotes.
func quote(s string) string { return strconv.Quote(clip(s)) }

// showField shows the name that somebody gave a field.
func showField(name string) string {
	quoted := quote(name)
	return quoted[1 : len(quoted)-1]
}

func clip(s string) string {
	if len(s) <= maxShownBytes {
		return s
	}
	cut := maxShownBytes
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}
