package kafka

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
)

// HeaderOmitted stands in a record that would have been too large, and says
// what it lacks: of a dead letter, which is without its record's value and
// headers, how many bytes that has; of an entry or a correction, how many
// slices and repayments (package codec).
const HeaderOmitted = "highwater.omitted"

const (
	// letterRoom is what a dead letter needs beside the record it is made of:
	// its own headers and Kafka's framing.
	letterRoom = 64 << 10
	// maxLetterKeyBytes is the longest key that a letter keeps where it omits
	// the rest.
	maxLetterKeyBytes = 1 << 10
)

// LetterOmits reports whether a dead letter must be without what it is about,
// and how many bytes that has. A topic bounds what its producers send, which
// may be compressed a thousand times; what comes out may fit no topic.
func LetterOmits(r *kgo.Record) (bytes int, omits bool) {
	bytes = len(r.Key) + len(r.Value)
	for i := range r.Headers {
		// Two lengths stand before each header's parts.
		bytes += len(r.Headers[i].Key) + len(r.Headers[i].Value) + 10
	}
	return bytes, bytes > MaxOutputBytes-letterRoom
}

// OmittedLetter is what is left of such a record: a key that may be a user's,
// and the size.
func OmittedLetter(r *kgo.Record, bytes int) (key []byte, headers []kgo.RecordHeader) {
	if len(r.Key) <= maxLetterKeyBytes {
		key = r.Key
	}
	return key, []kgo.RecordHeader{{Key: HeaderOmitted, Value: strconv.AppendInt(nil, int64(bytes), 10)}}
}
