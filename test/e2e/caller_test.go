package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"highwater/pkg/event"
)

const (
	// attemptWithin bounds one attempt of a call, answerWithin all of them.
	attemptWithin = 5 * time.Second
	answerWithin  = time.Minute
	// impatient is the share of attempts that are broken off early, as by a
	// client who loses patience or the network: in hundredths.
	impatient = 5
)

// request is one operation as HTTP takes it.
type request struct {
	method, path string
	id           string
	body         map[string]any
	// fact says that it is answered once it is recorded, without an entry.
	fact bool
}

// requestOf is how a user's operation is asked for.
func requestOf(user, asset string, c *called) request {
	r := request{method: http.MethodPost, path: "/v1/users/" + user, id: c.id, body: map[string]any{"event_id": c.id, "asset": asset}}
	if c.given > 0 {
		r.body["amount"] = c.given
	}
	if c.expires > 0 {
		// Left out, the time would be that of each attempt, and one after
		// expires_at would be invalid.
		r.body["expires_at"], r.body["occurred_at"] = c.expires, c.begun
	}
	switch c.kind {
	case event.Add:
		r.path += "/adds"
	case event.Spend:
		r.path += "/spends"
	case event.Hold:
		r.path += "/holds"
	case event.Transfer:
		r.path += "/transfers"
		r.body["to_user_id"] = c.to
	case event.Refund:
		r.path += "/refunds"
		r.body["spend_id"] = c.ref
	case event.Capture:
		r.path += "/holds/" + c.ref + "/capture"
	case event.Release:
		r.path += "/holds/" + c.ref + "/release"
	case event.Grant:
		r.path += "/grants"
		r.body["grant_id"] = c.ref
	case event.Revoke:
		r.method = http.MethodDelete
		r.path += "/grants/" + c.ref
	}
	r.fact = c.kind == event.Add || c.kind == event.Grant || c.kind == event.Revoke
	return r
}

// said is an entry as HTTP gives it, as far as it is decided once.
type said struct {
	EventID string  `json:"event_id"`
	UserID  string  `json:"user_id"`
	Outcome string  `json:"outcome"`
	Code    *string `json:"code"`
	Amount  *int64  `json:"amount"`
	Slices  []struct {
		GrantID   string  `json:"grant_id"`
		Amount    int64   `json:"amount"`
		ExpiresAt *string `json:"expires_at"`
	} `json:"slices"`
}

// caller sends operations to any of several ingest services until it has an
// answer. It is one goroutine's.
type caller struct {
	client  *http.Client
	ingests []string
	rng     *rand.Rand
	// patient says that no attempt is broken off early.
	patient bool
	// attempts counts requests.
	attempts int
}

// unansweredError says that a call had no answer in time.
type unansweredError struct{ last string }

func (e *unansweredError) Error() string {
	return fmt.Sprintf("no answer within %s; the last attempt: %s", answerWithin, e.last)
}

// call sends an operation, again and again with the same event_id, until it is
// decided; a fact, until it is recorded, for which there is no entry.
func (c *caller) call(ctx context.Context, r request) (*said, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	body, err := json.Marshal(r.body)
	if err != nil {
		return nil, err
	}
	again := time.NewTimer(0)
	defer again.Stop()
	last := "none"
	for {
		select {
		case <-ctx.Done():
			return nil, &unansweredError{last}
		case <-again.C:
		}
		c.attempts++
		s, problem, err := c.attempt(ctx, r, body)
		if err != nil || s != nil {
			return s, err
		}
		if problem == "" {
			return nil, nil
		}
		last = problem
		again.Reset(time.Duration(5+c.rng.IntN(100)) * time.Millisecond)
	}
}

// attempt sends once. Without an entry and an error, either the operation is a
// fact and recorded, or the problem says why it is to be sent again.
func (c *caller) attempt(ctx context.Context, r request, body []byte) (s *said, problem string, err error) {
	within := attemptWithin
	if !c.patient && c.rng.IntN(100) < impatient {
		within = time.Duration(c.rng.IntN(20_000)) * time.Microsecond
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, r.method, c.ingests[c.rng.IntN(len(c.ingests))]+r.path, bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", r.id)
	answer, err := c.client.Do(request)
	if err != nil {
		return nil, err.Error(), nil
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err.Error(), nil
	}
	return understand(r, answer.StatusCode, text)
}

// understand reads an answer.
func understand(r request, status int, text []byte) (s *said, problem string, err error) {
	switch {
	case status == http.StatusOK:
		s = &said{}
		if err := json.Unmarshal(text, s); err != nil {
			return nil, "", fmt.Errorf("%s: an entry that isn't one: %w: %s", r.path, err, text)
		}
		return s, "", nil
	case status == http.StatusAccepted:
		var recorded struct {
			Status string `json:"status"`
		}
		if err := json.Unmarshal(text, &recorded); err != nil || recorded.Status != "recorded" {
			return nil, "", fmt.Errorf("%s: a 202 that says %s", r.path, text)
		}
		if r.fact {
			return nil, "", nil
		}
		return nil, "recorded, but not decided in time", nil
	case status >= http.StatusInternalServerError:
		return nil, string(text), nil
	}
	var p struct {
		Code  string `json:"code"`
		Entry *said  `json:"entry"`
	}
	if err := json.Unmarshal(text, &p); err != nil || p.Entry == nil || p.Entry.Code == nil || *p.Entry.Code != p.Code {
		return nil, "", fmt.Errorf("%s %v: status %d, and no entry of that code: %s", r.path, r.body, status, text)
	}
	if want := statusOf[p.Code]; want != status {
		return nil, "", fmt.Errorf("%s: status %d for %s, expected %d", r.path, status, p.Code, want)
	}
	return p.Entry, "", nil
}

// statusOf is how a rejection is answered.
var statusOf = map[string]int{
	event.InsufficientFunds.String(): http.StatusPaymentRequired,
	event.UnknownReference.String():  http.StatusNotFound,
	event.NotASpend.String():         http.StatusConflict,
	event.BeforeReference.String():   http.StatusConflict,
	event.HoldResolved.String():      http.StatusConflict,
	event.HoldIsExpired.String():     http.StatusConflict,
	event.ExceedsHeld.String():       http.StatusConflict,
	event.AlreadyRefunded.String():   http.StatusConflict,
	event.ExceedsRefundable.String(): http.StatusConflict,
	event.RiskLimited.String():       http.StatusTooManyRequests,
}
