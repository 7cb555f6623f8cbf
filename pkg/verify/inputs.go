package verify

import (
	"fmt"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// userEvent names an event of a user.
type userEvent struct{ user, id string }

// checkInputs checks that every input record is accounted for exactly once.
func (h *history) checkInputs() {
	h.matchEntries()
	h.matchLetters()
	accepted := h.accepted()
	taken := int64(0)
	for _, t := range h.chain.transactions {
		taken += t.events
	}
	records := int64(len(h.inputs[event.Transfers]))
	for _, topic := range event.Inputs {
		for _, in := range h.inputs[topic] {
			records++
			h.account(in, accepted)
		}
	}
	if records != taken {
		h.report.fail(checkChangelog, "partition %d: its transactions say they took %d input records, but there are %d", h.partition, taken, records)
	}
	h.report.count(checkChangelog, "events", int(taken))
	h.report.count(checkInputs, "records", int(records))
	h.report.count(checkInputs, "dead letters", len(h.deadLetters))
}

// matchEntries finds each entry's input record.
func (h *history) matchEntries() {
	last := map[event.Topic]int64{}
	for _, p := range h.entries {
		e := &p.value
		if e.Kind.IsDue() {
			if e.Input != (event.Position{}) {
				h.report.fail(checkInputs, "%s: %s of %s is a due item, but names the input %s", where(p.record), e.EventID, e.UserID, kafka.FormatPosition(e.Input))
			}
			continue
		}
		h.report.count(checkInputs, "entries", 1)
		if e.Kind == event.Received {
			continue // see checkReceived
		}
		in := h.find(e.Input)
		switch {
		case in == nil:
			h.report.fail(checkInputs, "%s: %s of %s names the input %s, where there is no record that was taken", where(p.record), e.EventID, e.UserID, kafka.FormatPosition(e.Input))
			continue
		case in.entry != nil && in.entry.Outcome == event.Pending && e.Revision == 1:
			continue // the decision of what waited
		case in.entry != nil:
			h.report.fail(checkInputs, "%s: %s of %s names the input %s, which entry %d has already: applied twice", where(p.record), e.EventID, e.UserID, kafka.FormatPosition(e.Input), in.entry.Seq)
			continue
		case in.position.Offset < last[in.position.Topic]:
			h.report.fail(checkInputs, "%s: %s of %s comes from %s, but offset %d was processed before", where(p.record), e.EventID, e.UserID, kafka.FormatPosition(e.Input), last[in.position.Topic]-1)
		}
		last[in.position.Topic] = in.position.Offset + 1
		in.entry = e
		if in.refusal != nil {
			h.report.fail(checkInputs, "%s: %s of %s comes from %s, which can't be taken: %v", where(p.record), e.EventID, e.UserID, kafka.FormatPosition(e.Input), in.refusal)
		}
	}
}

// matchLetters finds each dead letter's input record.
func (h *history) matchLetters() {
	for _, l := range h.deadLetters {
		in := h.find(l.input)
		position := kafka.FormatPosition(l.input)
		switch {
		case in == nil:
			h.report.fail(checkInputs, "%s names the input %s, where there is no record that was taken", where(l.record), position)
		case in.letter != nil:
			h.report.fail(checkInputs, "%s names the input %s, which %s has already: put aside twice", where(l.record), position, where(in.letter.record))
		case in.entry != nil:
			h.report.fail(checkInputs, "%s puts the input %s aside, but entry %d was made of it", where(l.record), position, in.entry.Seq)
		default:
			in.letter = l
		}
	}
}

// accepted are the input records that made an entry, by their events' ids.
// Two of one id are a failure.
func (h *history) accepted() map[userEvent]*input {
	accepted := map[userEvent]*input{}
	for _, topic := range event.Inputs {
		for _, in := range h.inputs[topic] {
			if in.entry == nil || in.refusal != nil {
				continue // never taken, or told as a failure above
			}
			key := userEvent{in.event.User, in.event.ID}
			if first := accepted[key]; first != nil {
				h.report.fail(checkInputs, "%s of %s was applied twice: %s made entry %d, %s made entry %d",
					key.id, key.user, kafka.FormatPosition(first.position), first.entry.Seq, kafka.FormatPosition(in.position), in.entry.Seq)
				continue
			}
			accepted[key] = in
		}
	}
	return accepted
}

// account checks what became of one record, given the events that made an
// entry.
func (h *history) account(in *input, accepted map[userEvent]*input) {
	position := kafka.FormatPosition(in.position)
	first := accepted[userEvent{in.event.User, in.event.ID}]
	// A copy has its first one's kind, so both are of one topic.
	isCopy := in.refusal == nil && in.entry == nil && first != nil && first.event.SameContent(&in.event) &&
		first.position.Offset < in.position.Offset
	switch {
	case in.entry != nil:
		return
	case in.letter != nil:
		if isCopy && in.letter.code != event.Quarantined {
			h.report.fail(checkDeadLetters, "%s: %s (%s of %s) was put aside as %s, but is a copy of %s",
				where(in.letter.record), position, in.event.ID, in.event.User, in.letter.code, kafka.FormatPosition(first.position))
		}
		return
	case isCopy:
		h.report.count(checkInputs, "duplicates", 1)
		return
	}
	h.report.fail(checkInputs, "%s (%s) has neither an entry nor a dead letter, and is a copy of nothing: it was lost", position, in.describe())
}

// describe says what a record holds.
func (in *input) describe() string {
	if in.refusal != nil {
		return in.refusal.Error()
	}
	return fmt.Sprintf("%s %q of %q", in.event.Kind, in.event.ID, in.event.User)
}
