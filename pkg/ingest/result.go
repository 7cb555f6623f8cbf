package ingest

import (
	"encoding/json"
	"net/http"
	"time"

	"highwater/pkg/api"
	"highwater/pkg/event"
)

// Status says what became of an event at the door.
type Status string

// The statuses; the package doc says what each of them promises.
const (
	statusRecorded Status = "recorded"
	statusRefused  Status = "refused"
	statusUnknown  Status = "unknown"
)

// Result is what is answered about one event.
type Result struct {
	// EventID is "" where the event can't be read so far.
	EventID string `json:"event_id"`
	Status  Status `json:"status"`
	// Code and Message say why, unless the event is recorded.
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	// Position is topic/partition/offset of a recorded event.
	Position string `json:"position,omitempty"`
}

// retryAfter is when to try again while Kafka is away.
const retryAfter = 2 * time.Second

// problem is the result of a request of one event, as an error; nil where the
// event was recorded.
func (r *Result) problem() error {
	if r.Status == statusRecorded {
		return nil
	}
	p := unavailable(r.Message)
	p.EventID = r.EventID
	return p
}

func unavailable(detail string) *api.Problem {
	return &api.Problem{Status: http.StatusServiceUnavailable, Code: api.Unavailable, Detail: detail, RetryAfter: retryAfter}
}

// refused is a refused event as a problem.
func refused(r *event.Refusal) *api.Problem {
	status := http.StatusUnprocessableEntity
	if r.Code == event.Malformed {
		status = http.StatusBadRequest
	}
	return api.Refused(status, r)
}

// describe is a refusal in one line, with its field.
func describe(r *event.Refusal) string {
	if r.Field == "" {
		return r.Message
	}
	return r.Field + ": " + r.Message
}

func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("ingest: a result can't be written: " + err.Error())
	}
	return text
}
