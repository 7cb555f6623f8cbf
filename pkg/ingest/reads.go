package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"highwater/pkg/api"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

const (
	// maxEntryBytes bounds what the query service answers: more than the
	// largest entry has in JSON.
	maxEntryBytes = 64 << 20
	// readIdle is how long a connection to it is kept that nobody uses.
	readIdle = 90 * time.Second
)

// reads asks the query service.
type reads struct {
	url    string
	client *http.Client
	// outcomes and users have a place for each question of their kind, which
	// differ in patience: one about an outcome may wait at the query service for
	// long, one about an order's user keeps an event from being written.
	outcomes, users chan struct{}
	logger          *slog.Logger
	metrics         *metrics

	mu sync.Mutex
	// away, guarded by mu, says that the last question was not answered.
	away bool
}

func newReads(cfg *Config, m *metrics) *reads {
	return &reads{
		url: strings.TrimSuffix(cfg.QueryURL, "/"), logger: cfg.Logger, metrics: m,
		outcomes: make(chan struct{}, cfg.MaxReads), users: make(chan struct{}, cfg.MaxReads),
		client: &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConns: 2 * cfg.MaxReads, MaxIdleConnsPerHost: 2 * cfg.MaxReads, IdleConnTimeout: readIdle,
		}},
	}
}

func (q *reads) close() { q.client.CloseIdleConnections() }

// outcomeURL is where the outcome of an event can be asked that was recorded
// at a position. Without the position, what isn't processed yet couldn't be
// told from a dead letter.
func (q *reads) outcomeURL(user, id, position string) string {
	return q.url + "/v1/users/" + api.Segment(user) + "/entries/" + api.Segment(id) + "?min_position=" + url.QueryEscape(position)
}

// errNoEntry says that the query service has included a write and knows no
// entry of its event.
var errNoEntry = errors.New("there is no such entry")

// entry is what the query service has of an event, once it has included the
// record at a position.
func (q *reads) entry(ctx context.Context, user, id string, at event.Position) (outcome, error) {
	body, err := q.get(ctx, q.outcomes, q.outcomeURL(user, id, kafka.FormatPosition(at)))
	if err != nil {
		return outcome{}, err
	}
	o, err := outcomeOfJSON(body)
	if err != nil {
		return outcome{}, fmt.Errorf("the query service's answer about %s: %w", id, err)
	}
	return o, nil
}

// usersOf are users who have a live order of this id, at most two. Where ctx
// ends, the error is its cause.
func (q *reads) usersOf(ctx context.Context, orderID string) ([]string, error) {
	body, err := q.get(ctx, q.users, q.url+"/v1/orders?current=true&limit=2&order_id="+url.QueryEscape(orderID))
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if errors.Is(err, errNoAnswer) {
		q.note(err) // it was asked to wait for nothing
	}
	if err != nil {
		return nil, err
	}
	var page struct {
		Items []struct {
			UserID  string `json:"user_id"`
			OrderID string `json:"order_id"`
		} `json:"items"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, fmt.Errorf("the query service's answer about order %s: %w", orderID, err)
	}
	var users []string
	for _, o := range page.Items {
		if o.OrderID != orderID || event.CheckUser("user_id", o.UserID) != nil {
			return nil, fmt.Errorf("the query service's answer about order %s is about another one", orderID)
		}
		users = append(users, o.UserID)
	}
	return users, nil
}

// errNoAnswer says that a question wasn't answered in time.
var errNoAnswer = errors.New("the query service doesn't answer")

// get is the body of a 200, asked in one of these slots.
func (q *reads) get(ctx context.Context, slots chan struct{}, address string) ([]byte, error) {
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	began := time.Now()
	body, err := q.fetch(ctx, address)
	if ctx.Err() == nil {
		q.metrics.readSeconds.Observe(time.Since(began).Seconds())
		q.note(err)
	}
	return body, err
}

func (q *reads) fetch(ctx context.Context, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := q.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxEntryBytes))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusOK {
		return body, nil
	}
	var p struct {
		Code   string `json:"code"`
		Detail string `json:"detail"`
	}
	_ = json.Unmarshal(body, &p) // what is no problem of ours has no code
	switch {
	case answer.StatusCode == http.StatusNotFound && (p.Code == "unknown_event" || p.Code == "unknown_user"):
		return nil, errNoEntry
	case answer.StatusCode == http.StatusServiceUnavailable:
		return nil, &laterError{shorten(p.Detail)}
	}
	return nil, fmt.Errorf("status %d of %s: %s", answer.StatusCode, q.url, shorten(p.Code+" "+p.Detail))
}

// laterError says that the query service is there and has no answer yet.
type laterError struct{ detail string }

func (e *laterError) Error() string { return e.detail }

// note counts failures, and logs what changed.
func (q *reads) note(err error) {
	_, isLater := errors.AsType[*laterError](err)
	isAway := err != nil && !isLater && !errors.Is(err, errNoEntry)
	if err != nil && !errors.Is(err, errNoEntry) {
		q.metrics.readFailures.Inc()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case isAway && !q.away:
		q.logger.Warn("the query service doesn't answer; outcomes of events that were sent again wait for it", "query_url", q.url, "error", err)
	case !isAway && q.away:
		q.logger.Info("the query service answers again", "query_url", q.url)
	}
	q.away = isAway
}
