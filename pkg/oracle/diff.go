package oracle

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"highwater/pkg/event"
)

// Diff says in a line or two what differs between what a transaction should
// have published and what it did; "" where nothing does. The parts of a long
// correction count as one correction. Texts for people aren't compared: an
// alert's message, a dead letter's field and message. Nor is what a tombstone
// can't carry.
func Diff(want, got *Records) string {
	for _, d := range []string{
		diff("entry", want.Entries, got.Entries, (*text).entry),
		diff("correction", whole(want.Corrections), whole(got.Corrections), (*text).correction),
		diff("balance", want.Balances, got.Balances, (*text).balance),
		diff("settled", want.Settled, got.Settled, (*text).entry),
		diff("order state", want.OrderStates, got.OrderStates, (*text).orderState),
		diff("order stats", want.OrderStats, got.OrderStats, (*text).orderStats),
		diff("alert", want.Alerts, got.Alerts, (*text).alert),
		diff("watermark", want.Watermarks, got.Watermarks, (*text).watermark),
		diff("dead letter", want.DeadLetters, got.DeadLetters, (*text).deadLetter),
		diff("remittance", want.Remittances, got.Remittances, (*text).remittance),
	} {
		if d != "" {
			return d
		}
	}
	return ""
}

// diff is the first difference between two lists of one topic's records.
func diff[T any](topic string, want, got []T, write func(*text, *T)) string {
	var w, g text
	for i := range max(len(want), len(got)) {
		w.b, g.b = w.b[:0], g.b[:0]
		if i < len(want) {
			write(&w, &want[i])
		}
		if i < len(got) {
			write(&g, &got[i])
		}
		if !bytes.Equal(w.b, g.b) {
			return fmt.Sprintf("%s %d of %d, want: %s\n%s %d of %d, got:  %s",
				topic, i+1, len(want), orNone(w.b), topic, i+1, len(got), orNone(g.b))
		}
	}
	return ""
}

func orNone(line []byte) string {
	if len(line) == 0 {
		return "none"
	}
	return string(line)
}

// whole joins the parts of each correction. What is whole has the stamp of
// its first part.
func whole(parts []event.Correction) []event.Correction {
	var out []event.Correction
	for _, p := range parts {
		if last := len(out) - 1; last >= 0 && p.Part == out[last].Part+1 && p.Parts == out[last].Parts && p.Cause == out[last].Cause {
			out[last].Changes = slices.Concat(out[last].Changes, p.Changes)
			out[last].Entries = slices.Concat(out[last].Entries, p.Entries)
			out[last].Part = p.Part
			continue
		}
		out = append(out, p)
	}
	for i := range out {
		if out[i].Part == out[i].Parts {
			out[i].Part, out[i].Parts = 1, 1
		}
	}
	return out
}

// String is all records, one a line, each after its topic's name.
func (r *Records) String() string {
	var b strings.Builder
	lines(&b, "entry", r.Entries, (*text).entry)
	lines(&b, "correction", r.Corrections, (*text).correction)
	lines(&b, "balance", r.Balances, (*text).balance)
	lines(&b, "settled", r.Settled, (*text).entry)
	lines(&b, "order-state", r.OrderStates, (*text).orderState)
	lines(&b, "order-stats", r.OrderStats, (*text).orderStats)
	lines(&b, "alert", r.Alerts, (*text).alert)
	lines(&b, "watermark", r.Watermarks, (*text).watermark)
	lines(&b, "dead-letter", r.DeadLetters, (*text).deadLetter)
	lines(&b, "remittance", r.Remittances, (*text).remittance)
	return b.String()
}

func lines[T any](b *strings.Builder, topic string, records []T, write func(*text, *T)) {
	for i := range records {
		var t text
		write(&t, &records[i])
		fmt.Fprintf(b, "%s %s\n", topic, t.b)
	}
}
