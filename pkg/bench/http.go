package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// maxSaid is how much of an answer that nobody wants is told.
const maxSaid = 300

// fetch wants a 200, and reads all of it.
func fetch(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", address, err)
	}
	status, text, err := exchange(client, request)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%w: %s", errStatus(status), bytes.TrimSpace(text[:min(len(text), maxSaid)]))
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", address, err)
	}
	return text, nil
}

// exchange sends a request, and reads the whole answer; status is 0 where there
// was none.
func exchange(client *http.Client, request *http.Request) (status int, text []byte, err error) {
	answer, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	text, err = io.ReadAll(answer.Body)
	return answer.StatusCode, text, errors.Join(err, answer.Body.Close())
}

// errStatus is an answer that nobody wants.
func errStatus(status int) error {
	if status == 0 {
		return nil // the request's own error says it
	}
	return fmt.Errorf("status %d", status)
}
