package ingest

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

var (
	errIdle     = errors.New("nothing came for too long")
	errStopping = errors.New("the service stops")
	errGone     = errors.New("nobody reads the results")
)

// inbound is a streamed body whose reads end: when nothing comes for long
// enough, or when somebody calls stop.
type inbound struct {
	body    io.Reader
	control *http.ResponseController
	idle    time.Duration

	// mu keeps Read from moving the deadline that stop has set, and guards the
	// rest.
	mu      sync.Mutex
	stopped error
	ended   bool
}

// Read ends with errIdle or the error that stop was given.
func (b *inbound) Read(p []byte) (int, error) {
	if err := b.arm(); err != nil {
		return 0, err
	}
	n, err := b.body.Read(p)
	if err == nil {
		return n, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case errors.Is(err, io.EOF):
		// The server goes on to watch the connection: it mustn't take a
		// deadline of ours for the end of it.
		b.ended = true
		_ = b.control.SetReadDeadline(time.Time{})
	case b.stopped != nil:
		err = b.stopped
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errIdle
	}
	return n, err
}

func (b *inbound) arm() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped != nil {
		return b.stopped
	}
	// Where the connection knows no deadlines, the server's own bounds are left.
	_ = b.control.SetReadDeadline(time.Now().Add(b.idle))
	return nil
}

// leave ends the reading. What still comes is let in for a while, unasked: a
// connection closed on it would take the last results with it.
func (b *inbound) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		_ = b.control.SetReadDeadline(time.Now().Add(unreadTimeout))
	}
}

// stop ends the read that waits, and all later ones, with err.
func (b *inbound) stop(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped == nil && !b.ended {
		b.stopped = err
		_ = b.control.SetReadDeadline(time.Unix(1, 0))
	}
}
