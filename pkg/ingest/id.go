package ingest

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"time"

	"highwater/pkg/api"
	"highwater/pkg/event"
)

// idempotencyKey is the header that gives the event_id of a body without one.
const idempotencyKey = "Idempotency-Key"

// newEventID makes an id that nobody else makes: a UUID of version 7 (RFC
// 9562), whose beginning is the time, so that ids of a time are neighbours.
func newEventID(now time.Time) string {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], uint64(now.UnixMilli())<<16)
	// Never fails: crypto/rand ends the process instead.
	_, _ = rand.Read(id[6:])
	id[6] = 0x70 | id[6]&0x0f
	id[8] = 0x80 | id[8]&0x3f
	var text [36]byte
	hex.Encode(text[0:8], id[0:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:], id[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// keyOf is the request's Idempotency-Key; "" where there is none.
func keyOf(r *http.Request) (string, error) {
	keys := r.Header.Values(idempotencyKey)
	switch len(keys) {
	case 0:
		return "", nil
	case 1:
		if refusal := event.CheckID(idempotencyKey, keys[0]); refusal != nil {
			return "", refused(refusal)
		}
		return keys[0], nil
	}
	return "", api.Problemf(http.StatusUnprocessableEntity, event.Invalid.String(), idempotencyKey, "is given %d times; give it once", len(keys))
}

// noKey refuses a key where there are several events to name.
func noKey(r *http.Request) error {
	if len(r.Header.Values(idempotencyKey)) == 0 {
		return nil
	}
	return api.Problemf(http.StatusUnprocessableEntity, event.Invalid.String(), idempotencyKey,
		"names one event, and this request may carry several; leave it out and give each event its event_id")
}

// sameKey refuses a body whose event_id isn't the key.
func sameKey(key string, e *event.Event) error {
	if key == "" || e.ID == key {
		return nil
	}
	return api.Problemf(http.StatusUnprocessableEntity, event.Invalid.String(), idempotencyKey,
		"is another id than the body's event_id; leave one of them out")
}
