package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/service"
)

// maxResultBytes bounds one line of the service's answer.
const maxResultBytes = 1 << 20

// result is what the ingest service says about one event.
type result struct {
	Status  string `json:"status"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// throughIngest streams events to the service, which answers while it reads.
func (s *send) throughIngest(ctx context.Context, t *tally) error {
	address, err := endpoint("--ingest", s.Ingest, "/v1/events")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	reader, writer := io.Pipe()
	defer reader.Close()
	fed := make(chan error, 1)
	numbers := make(chan int64, 1<<16) // of the lines that wait for an answer
	go func() {
		defer close(numbers)
		err := t.each(ctx, s.Rate, func(i item) { feed(ctx, t, writer, numbers, i) })
		writer.CloseWithError(err) // nil is the end of the body
		fed <- err
	}()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, reader)
	if err != nil {
		return service.Usagef("--ingest: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return unanswered("ingest", s.Ingest, "--ingest", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return problem("ingest", answer)
	}
	results := bufio.NewScanner(answer.Body)
	results.Buffer(nil, maxResultBytes)
	for results.Scan() {
		if err := t.answer(results.Bytes(), numbers); err != nil {
			return err
		}
	}
	if err := results.Err(); err != nil {
		return fmt.Errorf("ingest: the answer broke off; sending all events again is safe: %w", err)
	}
	if err := <-fed; err != nil {
		return err
	}
	if unanswered := len(numbers); unanswered > 0 {
		return fmt.Errorf("ingest: %d events got no answer; sending all of them again is safe", unanswered)
	}
	return nil
}

// feed writes one event as a line.
func feed(ctx context.Context, t *tally, to io.Writer, numbers chan<- int64, i item) {
	line := i.line
	if i.ready != nil {
		line = i.ready.Value
	}
	if i.tooLong {
		t.refuse(i.number, &event.Refusal{Code: event.Malformed, Message: fmt.Sprintf("the line is larger than %d bytes, which no event is", codec.MaxEventBytes)})
		return
	}
	select {
	case numbers <- i.number:
	case <-ctx.Done():
		return
	}
	// Where the other end is gone, its answer says why.
	_, _ = to.Write(append(append(make([]byte, 0, len(line)+1), line...), '\n'))
}

// answer counts one result.
func (t *tally) answer(line []byte, numbers <-chan int64) error {
	var r result
	if err := json.Unmarshal(line, &r); err != nil {
		return fmt.Errorf("ingest: an answer is no JSON: %w", err)
	}
	var number int64
	select {
	case number = <-numbers:
	default:
		return errors.New("ingest: there are more answers than events")
	}
	switch r.Status {
	case "recorded":
		t.recorded(nil)
	case "refused":
		code, _ := event.ParseCode(r.Code)
		t.refuse(number, &event.Refusal{Code: code, Message: r.Message})
	default:
		t.recorded(fmt.Errorf("line %d: %s: %s", number, r.Status, r.Message))
	}
	return nil
}

// endpoint is a path of the service at an address that a person gave.
func endpoint(flag, address, path string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", service.Usagef("%s: want an address such as http://127.0.0.1:8081, got %q", flag, address)
	}
	return strings.TrimSuffix(address, "/") + path, nil
}

// unanswered is the error where no service answered at all.
func unanswered(name, address, flag string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	return fmt.Errorf("no %s service answers at %s (%w): start it, or `highwater dev`, or name yours with %s", name, address, err, flag)
}

// problem is a refusal of a service, which says what to do by itself.
func problem(name string, answer *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxResultBytes))
	if err != nil {
		return fmt.Errorf("%s: read the answer: %w", name, err)
	}
	var p struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
		Code   string `json:"code"`
		Field  string `json:"field"`
	}
	text := string(bytes.TrimSpace(body))
	if json.Unmarshal(body, &p) == nil && p.Code != "" {
		text = p.Code + ": "
		if p.Field != "" && !strings.HasPrefix(p.Detail, p.Field) {
			text += p.Field + ": "
		}
		text += p.Detail
	}
	err = fmt.Errorf("%s: %s (status %d)", name, text, answer.StatusCode)
	if answer.StatusCode == http.StatusBadRequest || answer.StatusCode == http.StatusUnprocessableEntity {
		return &service.UsageError{Err: err}
	}
	return err
}
