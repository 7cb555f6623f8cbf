package verify

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// checkDeadLetters checks that what was put aside is untouched, and rightly
// put aside.
func (h *history) checkDeadLetters() {
	accepted := h.entriesByEvent()
	codes := map[event.Code]int{}
	for _, topic := range event.Inputs {
		for _, in := range h.inputs[topic] {
			if in.letter == nil {
				h.checkNotRefused(in)
				continue
			}
			codes[in.letter.code]++
			if difference := touched(in.record, in.letter.record); difference != "" {
				h.report.fail(checkDeadLetters, "%s is not %s as it came: %s", where(in.letter.record), kafka.FormatPosition(in.position), difference)
			}
			if wrong := h.wrongCode(in, accepted); wrong != "" {
				h.report.fail(checkDeadLetters, "%s: %s (%s) was put aside as %s, but %s",
					where(in.letter.record), kafka.FormatPosition(in.position), in.describe(), in.letter.code, wrong)
			}
		}
	}
	for code := event.Malformed; code <= event.UnknownSchema; code++ {
		if codes[code] > 0 {
			h.report.count(checkDeadLetters, code.String(), codes[code])
		}
	}
}

// entriesByEvent are the entries of events.
func (h *history) entriesByEvent() map[userEvent]*event.Entry {
	entries := map[userEvent]*event.Entry{}
	for _, p := range h.entries {
		if e := &p.value; !e.Kind.IsDue() && e.Kind != event.Received && e.Revision == 0 {
			entries[userEvent{p.value.UserID, p.value.EventID}] = &p.value
		}
	}
	return entries
}

// touched says how a dead letter differs from the record that was put aside.
func touched(was, is *kgo.Record) string {
	if bytes, omits := kafka.LetterOmits(was); omits {
		key, headers := kafka.OmittedLetter(was, bytes)
		was = &kgo.Record{Key: key, Headers: headers}
	}
	switch {
	case !bytes.Equal(was.Key, is.Key) || (was.Key == nil) != (is.Key == nil):
		return fmt.Sprintf("its key was %q and is %q", was.Key, is.Key)
	case !bytes.Equal(was.Value, is.Value) || (was.Value == nil) != (is.Value == nil):
		return fmt.Sprintf("its value of %d bytes is another of %d", len(was.Value), len(is.Value))
	case len(is.Headers) != len(was.Headers)+addedHeaders:
		return fmt.Sprintf("it had %d headers and has %d, %d of them added", len(was.Headers), len(is.Headers), addedHeaders)
	}
	same := func(a, b kgo.RecordHeader) bool { return a.Key == b.Key && bytes.Equal(a.Value, b.Value) }
	if !slices.EqualFunc(was.Headers, is.Headers[:len(was.Headers)], same) {
		return "its headers are others"
	}
	return ""
}

// wrongCode says why a record shouldn't have been put aside as it was; "" if
// it should.
func (h *history) wrongCode(in *input, accepted map[userEvent]*event.Entry) string {
	code := in.letter.code
	e := &in.event
	clock := event.TimeOf(in.letter.record.Timestamp)
	switch {
	case code == event.Quarantined:
		return "" // a person's word
	case in.refusal != nil:
		want := in.refusal.Code
		if want == event.UnknownSchema {
			want = event.Malformed
		}
		if code != want {
			return fmt.Sprintf("expected was %s", want)
		}
	case code == event.Invalid:
		if e.CheckFilledIn() == nil {
			return "it breaks no rule"
		}
	case code == event.FromTheFuture:
		if int64(e.OccurredAt) <= int64(clock)+h.v.FutureSkew {
			return fmt.Sprintf("%s isn't %d s ahead of the clock, which was %s", e.OccurredAt, h.v.FutureSkew/1_000_000, clock)
		}
	case code == event.TooOld:
		if h.v.Horizon == 0 || int64(e.OccurredAt) >= int64(in.letter.stamp.Watermark)-h.v.Horizon {
			return fmt.Sprintf("%s isn't older than the horizon, %d s behind the watermark %s", e.OccurredAt, h.v.Horizon/1_000_000, in.letter.stamp.Watermark)
		}
	case code == event.EventConflict:
		return h.noConflict(in, accepted[userEvent{e.User, e.ID}])
	default:
		return "nothing is wrong with it"
	}
	return ""
}

// noConflict says why a record is in no conflict with the entry of its event.
func (h *history) noConflict(in *input, first *event.Entry) string {
	if first == nil {
		return "no other event has its id"
	}
	other := h.find(first.Input)
	if other == nil {
		return "" // told as a failure of the inputs
	}
	if other.event.SameContent(&in.event) {
		return "it is what entry " + fmt.Sprint(first.Seq) + " was made of"
	}
	later := other.position.Topic == in.position.Topic && other.position.Offset > in.position.Offset ||
		millis(first.CommittedAt) > in.letter.record.Timestamp.UnixMilli() && !h.chain.wentBack
	if later {
		return fmt.Sprintf("the event it conflicts with, %s, was processed after it", kafka.FormatPosition(first.Input))
	}
	return ""
}

// checkNotRefused checks that what was taken lay within the bounds of time.
func (h *history) checkNotRefused(in *input) {
	e := in.entry
	if e == nil || in.refusal != nil {
		return
	}
	if int64(e.OccurredAt) > int64(e.CommittedAt)+h.v.FutureSkew {
		h.report.fail(checkDeadLetters, "%s of %s (%s) is at %s, more than %d s ahead of the clock (%s), but entry %d was made of it",
			e.EventID, e.UserID, kafka.FormatPosition(in.position), e.OccurredAt, h.v.FutureSkew/1_000_000, e.CommittedAt, e.Seq)
	}
	if h.v.Horizon > 0 && int64(e.OccurredAt) < int64(e.Watermark)-h.v.Horizon {
		h.report.fail(checkDeadLetters, "%s of %s (%s) is at %s, beyond the horizon of %d s behind the watermark %s, but entry %d was made of it",
			e.EventID, e.UserID, kafka.FormatPosition(in.position), e.OccurredAt, h.v.Horizon/1_000_000, e.Watermark, e.Seq)
	}
}
