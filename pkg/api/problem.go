package api

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"highwater/pkg/event"
)

// Codes of problems that no event can have. The others are [event.Code]s.
const (
	NotFound             = "not_found"
	MethodNotAllowed     = "method_not_allowed"
	UnsupportedMediaType = "unsupported_media_type"
	TooLarge             = "too_large"
	Unavailable          = "unavailable"
	Internal             = "internal"
)

// Problem is an error as RFC 9457 writes it, and a Go error.
type Problem struct {
	Status int
	// Code is for programs and never changes its meaning.
	Code string
	// Field is the parameter, header or part of the body at fault, if one is.
	Field string
	// Detail says what is wrong and what to do.
	Detail string
	// EventID is the event that the problem is about, where its sender needs
	// it to go on.
	EventID string
	// Entry is what became of that event, as JSON, where that is the problem.
	Entry json.RawMessage
	// RetryAfter, where above zero, says when to try again.
	RetryAfter time.Duration
	// Allow lists the methods that the path knows, for a 405.
	Allow string
}

// Problemf is a problem with a formatted detail.
func Problemf(status int, code, field, format string, args ...any) *Problem {
	return &Problem{Status: status, Code: code, Field: field, Detail: fmt.Sprintf(format, args...)}
}

// Invalid is a 400 about a parameter.
func Invalid(field, format string, args ...any) *Problem {
	return Problemf(http.StatusBadRequest, event.Invalid.String(), field, format, args...)
}

// Refused is a refusal as a problem of a status; nil for nil.
func Refused(status int, r *event.Refusal) *Problem {
	if r == nil {
		return nil
	}
	return &Problem{Status: status, Code: r.Code.String(), Field: r.Field, Detail: r.Message}
}

// Error is the problem in one line.
func (p *Problem) Error() string {
	if p.Field == "" {
		return p.Code + ": " + p.Detail
	}
	return p.Code + ": " + p.Field + ": " + p.Detail
}

// problemJSON is the problem on the wire.
type problemJSON struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Field  string `json:"field,omitempty"`
	Detail string `json:"detail"`
	// Extension members, as RFC 9457 calls them.
	EventID string          `json:"event_id,omitempty"`
	Entry   json.RawMessage `json:"entry,omitempty"`
}

// MarshalJSON gives the members of RFC 9457, code, field, event_id and entry.
func (p *Problem) MarshalJSON() ([]byte, error) {
	return json.Marshal(problemJSON{
		Type: "urn:highwater:problem:" + p.Code, Title: http.StatusText(p.Status),
		Status: p.Status, Code: p.Code, Field: p.Field, Detail: p.Detail, EventID: p.EventID, Entry: p.Entry,
	})
}

// WriteTo answers a request with the problem.
func (p *Problem) WriteTo(w http.ResponseWriter) {
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
	if p.Allow != "" {
		w.Header().Set("Allow", p.Allow)
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic("api: I1: a problem can't be written: " + err.Error())
	}
	write(w, p.Status, "application/problem+json", body)
}

// WriteJSON answers a request with a JSON value.
func WriteJSON(w http.ResponseWriter, status int, body []byte) {
	write(w, status, "application/json", body)
}

// WriteText answers a request with plain text.
func WriteText(w http.ResponseWriter, status int, body []byte) {
	write(w, status, "text/plain; charset=utf-8", body)
}

func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// The only error left is a caller who has gone.
	_, _ = w.Write(body)
}
