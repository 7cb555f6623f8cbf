package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
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
	status, text, err = exchange(b.client, request)
	if err != nil {
		return status, err
	}
	return status, json.Unmarshal(text, into)
}

// get wants a 200, and reads its JSON, unless into is nil.
func (b *spender) get(ctx context.Context, address string, into any) error {
	text, err := fetch(ctx, b.client, address)
	if err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	return nil
}
