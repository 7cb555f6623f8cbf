package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"highwater/pkg/event"
)

// spendEntry is what is compared of an entry, and its times.
type spendEntry struct {
	EventID     string        `json:"event_id"`
	Outcome     string        `json:"outcome"`
	ArrivedAt   string        `json:"arrived_at"`
	CommittedAt string        `json:"committed_at"`
	Input       spendPosition `json:"input"`
}

type spendPosition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// String is the position as HTTP takes it.
func (p spendPosition) String() string {
	return fmt.Sprintf("%s/%d/%d", event.Ledger, p.Partition, p.Offset)
}

// spendAnswer is an entry, or the problem that has it.
type spendAnswer struct {
	spendEntry
	Entry spendEntry `json:"entry"`
}

// errStatus is an answer that nobody wants.
func errStatus(status int) error {
	if status == 0 {
		return nil // the request's own error says it
	}
	return fmt.Errorf("status %d", status)
}

func (b *spender) post(ctx context.Context, address string, body map[string]any, into any) (status int, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(text))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	return b.do(request, into)
}

// get wants a 200, and reads its JSON, unless into is nil.
func (b *spender) get(ctx context.Context, address string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	status, err := b.do(request, into)
	if err == nil && status != http.StatusOK {
		err = errStatus(status)
	}
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	return nil
}

func (b *spender) do(request *http.Request, into any) (status int, err error) {
	answer, err := b.client.Do(request)
	if err != nil {
		return 0, err
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return answer.StatusCode, err
	}
	if into == nil {
		return answer.StatusCode, nil
	}
	return answer.StatusCode, json.Unmarshal(text, into)
}
