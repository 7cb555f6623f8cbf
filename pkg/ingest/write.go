package ingest

import (
	"time"

	"highwater/pkg/api"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// write is one event on its way.
type write struct {
	id      string
	begun   time.Time
	timeout time.Duration
	// refusal is why the event was not even tried; then done is nil.
	refusal *Result

	done chan struct{}
	// These are set before done is closed. never says that Kafka never got the
	// event.
	position event.Position
	err      error
	never    bool
}

// refusedWrite is a write that ended before it began.
func refusedWrite(id, code, message string) *write {
	return &write{refusal: &Result{EventID: id, Status: statusRefused, Code: code, Message: message}}
}

// isOver reports whether result gives an answer at once.
func (w *write) isOver() bool {
	if w.refusal != nil {
		return true
	}
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// result waits for Kafka, at most until the time-out is over (I5).
func (w *write) result() Result {
	if w.refusal != nil {
		return *w.refusal
	}
	if !w.isOver() {
		late := time.NewTimer(time.Until(w.begun.Add(w.timeout)))
		defer late.Stop()
		select {
		case <-w.done:
		case <-late.C:
		}
	}
	r := Result{EventID: w.id}
	switch {
	case !w.isOver():
		r.Status, r.Code, r.Message = statusUnknown, api.Unavailable, "Kafka didn't confirm the event within "+w.timeout.String()+"; "+sendAgain
	case w.never:
		r.Status, r.Code, r.Message = statusRefused, api.Unavailable, "the event was not recorded: "+w.err.Error()+"; send it again later"
	case w.err != nil:
		r.Status, r.Code, r.Message = statusUnknown, api.Unavailable, "Kafka didn't take the event: "+w.err.Error()+"; "+sendAgain
	default:
		r.Status, r.Position = statusRecorded, kafka.FormatPosition(w.position)
	}
	return r
}

const sendAgain = "it may have been recorded all the same: send it again with this event_id, it counts once"
