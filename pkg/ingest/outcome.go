package ingest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/api"
	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// outcome is what became of an event that was recorded.
type outcome struct {
	// at is the position of the record that it is of: this event's, or that of
	// the one that was there before, by the same id and of the same content.
	at event.Position
	// code is why the event did nothing; NoCode where it did something.
	code event.Code
	// pending says that nothing is decided yet.
	pending bool
	// message is what a dead letter says.
	message string
	// entry is the entry as JSON; nil for a dead letter.
	entry json.RawMessage
	// source says who told of it.
	source source
}

// source is who told of an outcome, or else how a wait ended; a metric's label.
type source string

// The sources, and the other ends of a wait.
const (
	fromEntries     source = "entries"
	fromDeadLetters source = "dead_letters"
	fromQuery       source = "query"
	timeUp          source = "time_up"
	callerGone      source = "caller_gone"
	tooManyWait     source = "too_many"
)

// isLetter reports whether a dead letter told of it.
func (o *outcome) isLetter() bool { return o.source == fromDeadLetters }

// outcomeOfEntry is what an entry says.
func outcomeOfEntry(e *event.Entry) outcome {
	return outcome{
		at: e.Input, code: e.Code, pending: e.Outcome == event.Pending,
		entry: codec.AppendReplayedEntryJSON(nil, e), source: fromEntries,
	}
}

// outcomeOfLetter is what a dead letter's headers say. What a producer wrote
// into headers of these names stands before them.
func outcomeOfLetter(r *kgo.Record, names kafka.Names) (outcome, error) {
	said := map[string]string{}
	for _, h := range r.Headers {
		said[h.Key] = string(h.Value)
	}
	topic, ok := names.ParseInput(said["__streams.errors.topic"])
	partition, partitionErr := strconv.ParseInt(said["__streams.errors.partition"], 10, 32)
	offset, offsetErr := strconv.ParseInt(said["__streams.errors.offset"], 10, 64)
	code, isCode := event.ParseCode(said["__streams.errors.exception"])
	if !ok || partitionErr != nil || offsetErr != nil || !isCode || code == event.NoCode {
		return outcome{}, fmt.Errorf("the headers don't say what it is a letter of, and why")
	}
	return outcome{
		at:   event.Position{Topic: topic, Partition: int32(partition), Offset: offset},
		code: code, message: said["__streams.errors.message"], source: fromDeadLetters,
	}, nil
}

// outcomeOfJSON is what an entry says as the query service gives it.
func outcomeOfJSON(text []byte) (outcome, error) {
	var said struct {
		Kind    string  `json:"kind"`
		Outcome string  `json:"outcome"`
		Code    *string `json:"code"`
		Input   struct {
			Topic     string `json:"topic"`
			Partition int32  `json:"partition"`
			Offset    int64  `json:"offset"`
		} `json:"input"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return outcome{}, err
	}
	if said.Kind == event.Received.String() {
		return outcome{}, fmt.Errorf("kind: %s is of another user's event", said.Kind)
	}
	o := outcome{at: event.Position{Partition: said.Input.Partition, Offset: said.Input.Offset}, entry: text, source: fromQuery}
	var ok bool
	if o.at.Topic, ok = event.ParseTopic(said.Input.Topic); !ok {
		return outcome{}, fmt.Errorf("input.topic: %q is no input topic", said.Input.Topic)
	}
	kind, ok := event.ParseOutcome(said.Outcome)
	if !ok {
		return outcome{}, fmt.Errorf("outcome: %q is none", said.Outcome)
	}
	o.pending = kind == event.Pending
	if said.Code != nil {
		if o.code, ok = event.ParseCode(*said.Code); !ok {
			return outcome{}, fmt.Errorf("code: %q is none", *said.Code)
		}
	}
	return o, nil
}

// answer is a decided outcome as a request's answer: the entry, or the problem
// that it is.
func (o *outcome) answer(w http.ResponseWriter, id string) error {
	if o.code == event.NoCode {
		api.WriteJSON(w, http.StatusOK, o.entry)
		return nil
	}
	a := answers[o.code]
	p := &api.Problem{Status: a.status, Code: o.code.String(), Detail: a.detail, EventID: id, Entry: o.entry}
	if o.message != "" {
		p.Field, p.Detail = fieldIn(o.message)
	}
	return p
}

// fieldIn parts a dead letter's message from the field that it may begin with.
func fieldIn(message string) (field, detail string) {
	field, detail, ok := strings.Cut(message, ": ")
	if !ok || strings.Trim(field, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "", message
	}
	return field, detail
}
