package ingest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"highwater/pkg/api"
	"highwater/pkg/codec"
	"highwater/pkg/event"
)

// Bounds of bodies and answers.
const (
	// MaxArrayEvents and MaxArrayBytes bound a JSON array of events.
	MaxArrayEvents = 10_000
	MaxArrayBytes  = 32 << 20
	// BodyTimeout is how long a body that isn't streamed may take to come.
	BodyTimeout = 2 * time.Minute
	// AnswerTimeout is how long a streamed answer may stand still because
	// nobody reads it.
	AnswerTimeout = time.Minute
)

const (
	jsonType   = "application/json"
	ndjsonType = "application/x-ndjson"
)

// contentType is the body's, one of those allowed.
func contentType(r *http.Request, allowed ...string) (string, error) {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return "", api.Problemf(http.StatusUnsupportedMediaType, api.UnsupportedMediaType, "Content-Encoding",
			"%q isn't read; send the body as it is", shorten(encoding))
	}
	given := r.Header.Get("Content-Type")
	media, params, err := mime.ParseMediaType(given)
	charset := params["charset"]
	for _, a := range allowed {
		if err == nil && media == a && (charset == "" || strings.EqualFold(charset, "utf-8")) {
			return a, nil
		}
	}
	return "", api.Problemf(http.StatusUnsupportedMediaType, api.UnsupportedMediaType, "Content-Type",
		"%q isn't taken here; send %s, in UTF-8", shorten(given), strings.Join(allowed, " or "))
}

// shorten shows a header that may be of any length.
func shorten(s string) string {
	const maxBytes = 80
	if len(s) > maxBytes {
		s = s[:maxBytes] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}

// readObject reads a body of one event. An optional one may be missing, and
// is then like {}.
func readObject(w http.ResponseWriter, r *http.Request, optional bool) ([]byte, error) {
	if optional && r.ContentLength == 0 {
		return []byte("{}"), nil
	}
	if _, err := contentType(r, jsonType); err != nil {
		return nil, err
	}
	body := newWhole(w, r)
	if err := body.upTo(codec.MaxEventBytes, "one event"); err != nil {
		return nil, err
	}
	if body.first() == 0 {
		if optional {
			return []byte("{}"), nil
		}
		return nil, errEmpty
	}
	return body.buf.Bytes(), nil
}

var errEmpty = api.Problemf(http.StatusBadRequest, event.Malformed.String(), "", "the body is empty; send a JSON event")

// whole is a body that is read before anything is done with it.
type whole struct {
	body    io.Reader
	control *http.ResponseController
	// declared is the body's length where the request says it, else -1.
	declared int64
	buf      bytes.Buffer
}

func newWhole(w http.ResponseWriter, r *http.Request) *whole {
	b := &whole{body: r.Body, control: http.NewResponseController(w), declared: r.ContentLength}
	_ = b.control.SetReadDeadline(time.Now().Add(BodyTimeout))
	return b
}

// fits reads on, to the end or one byte beyond maxBytes, and reports which.
func (b *whole) fits(maxBytes int) (bool, error) {
	_, err := io.CopyN(&b.buf, b.body, int64(maxBytes+1-b.buf.Len()))
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, io.EOF):
		_ = b.control.SetReadDeadline(time.Time{})
		return true, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return false, api.Problemf(http.StatusRequestTimeout, "too_slow", "",
			"the body didn't come within %s; send less at once, or stream it to /v1/events as %s", BodyTimeout, ndjsonType)
	}
	return false, api.Problemf(http.StatusBadRequest, event.Malformed.String(), "", "the body broke off: %s", shorten(err.Error()))
}

// upTo reads all of the body, which must not exceed maxBytes.
func (b *whole) upTo(maxBytes int, what string) error {
	ok := b.declared <= int64(maxBytes)
	var err error
	if ok {
		ok, err = b.fits(maxBytes)
	}
	if err == nil && !ok {
		err = tooLarge("the body has more than the %d bytes that %s may have", maxBytes, what)
	}
	return err
}

// first is the first byte that isn't white space; 0 if there is none.
func (b *whole) first() byte {
	text := bytes.TrimLeft(b.buf.Bytes(), " \t\r\n")
	if len(text) == 0 {
		return 0
	}
	return text[0]
}

func tooLarge(format string, args ...any) error {
	return api.Problemf(http.StatusRequestEntityTooLarge, api.TooLarge, "", format+"; stream many events to /v1/events as "+ndjsonType+", which has no bound", args...)
}
