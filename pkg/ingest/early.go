package ingest

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// unreadTimeout is how long the rest of a body is read that nobody asked for,
// so that its sender gets to the answer (I5).
const unreadTimeout = 2 * time.Second

// answerEarly makes answers go out while their request is still being sent. A
// server of net/http reads on before it answers, and a sender that waits for
// the answer would wait for ever.
//
// Such a connection can't serve another request: what comes on it is the rest
// of this one, and mustn't be taken for the next.
func answerEarly(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request) {
	if r.ContentLength == 0 {
		return w, r
	}
	body := &watchedBody{ReadCloser: r.Body}
	r = r.WithContext(r.Context()) // the server goes on with its own
	r.Body = body
	return &earlyWriter{ResponseWriter: w, body: body}, r
}

// watchedBody knows whether it was read to its end.
type watchedBody struct {
	io.ReadCloser
	ended atomic.Bool
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.ended.Store(true)
	}
	return n, err
}

type earlyWriter struct {
	http.ResponseWriter
	body    *watchedBody
	answers bool
}

// Unwrap is for [http.ResponseController].
func (w *earlyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *earlyWriter) WriteHeader(status int) {
	if !w.answers && status >= http.StatusOK {
		w.answers = true
		if !w.body.ended.Load() {
			w.early(status)
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *earlyWriter) early(status int) {
	w.Header().Set("Connection", "close")
	control := http.NewResponseController(w.ResponseWriter)
	// Where the connection knows neither, it has no need of them.
	_ = control.EnableFullDuplex()
	if status >= http.StatusBadRequest {
		_ = control.SetReadDeadline(time.Now().Add(unreadTimeout))
	}
}

func (w *earlyWriter) Write(p []byte) (int, error) {
	if !w.answers {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}
