package ingest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// preference is what a request's Prefer headers (RFC 7240) ask for, as far as
// it means something here.
type preference struct {
	// async asks for an answer before the outcome; where wait is given too, for
	// one that doesn't wait longer than that.
	async bool
	// wait is how long to wait, where hasWait.
	wait    time.Duration
	hasWait bool
}

// preferenceOf reads the headers. What can't be read is ignored, as the RFC
// wants it; of a preference that is given twice, the first counts.
func preferenceOf(r *http.Request, maxWait time.Duration) preference {
	var p preference
	seen := map[string]bool{}
	for _, header := range r.Header.Values("Prefer") {
		for _, text := range splitQuoted(header, ',') {
			name, value := preferenceText(splitQuoted(text, ';')[0])
			if name == "" || seen[name] {
				continue
			}
			seen[name] = true
			switch name {
			case "respond-async":
				p.async = true
			case "wait":
				seconds, err := strconv.ParseUint(value, 10, 32)
				if err == nil && value[0] != '+' {
					p.wait, p.hasWait = min(time.Duration(seconds)*time.Second, maxWait), true
				}
			}
		}
	}
	return p
}

// preferenceText is one preference without its parameters: a name in lower
// case, and its value without quotes.
func preferenceText(text string) (name, value string) {
	name, value, _ = strings.Cut(text, "=")
	value = strings.Trim(value, " \t")
	if quoted, ok := strings.CutPrefix(value, `"`); ok {
		value = strings.ReplaceAll(strings.TrimSuffix(quoted, `"`), `\`, "")
	}
	return strings.ToLower(strings.Trim(name, " \t")), value
}

// splitQuoted splits at a separator that doesn't stand in quotes.
func splitQuoted(text string, separator byte) []string {
	var parts []string
	begin, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == separator && !quoted:
			parts = append(parts, text[begin:i])
			begin = i + 1
		}
	}
	return append(parts, text[begin:])
}

// waits is how long to wait for an outcome; the default where the request
// says nothing.
func (p preference) waits(otherwise time.Duration) time.Duration {
	switch {
	case p.hasWait:
		return p.wait
	case p.async:
		return 0
	}
	return otherwise
}

// apply says in an answer what was heeded: of a wait only one that lasted until
// the outcome or the end of its time.
func (p preference) apply(h http.Header, isAsync, hasWaited bool) {
	var applied []string
	if p.async && isAsync {
		applied = append(applied, "respond-async")
	}
	if p.hasWait && hasWaited {
		// What max.wait cuts it to may have a fraction.
		applied = append(applied, "wait="+strconv.FormatFloat(p.wait.Seconds(), 'f', -1, 64))
	}
	if applied != nil {
		h.Set("Preference-Applied", strings.Join(applied, ", "))
	}
}
