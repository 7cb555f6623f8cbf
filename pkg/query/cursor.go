package query

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"

	"highwater/pkg/api"
	"highwater/pkg/event"
)

// cursor is where a page of a list ended. On the wire it is unreadable on
// purpose: base64 of JSON that may change from release to release.
type cursor struct {
	// List says which list it belongs to.
	List string `json:"l"`
	// Place and Name are where the last item stands: its place, and its asset,
	// user, currency or id.
	Place place  `json:"p,omitzero"`
	Name  string `json:"n,omitempty"`
	// Number is a seq, an index or a partition.
	Number int64 `json:"i,omitempty"`
	// At is the time that the whole list is about.
	At event.Time `json:"a,omitempty"`
}

// place is an event.Place in few letters.
type place struct {
	Time     event.Time `json:"t,omitempty"`
	Sequence int64      `json:"s,omitempty"`
	ID       string     `json:"i,omitempty"`
	From     string     `json:"f,omitempty"`
	Due      event.Due  `json:"d,omitempty"`
	Rank     uint8      `json:"r,omitempty"`
}

// maxCursorBytes is more than the longest cursor has.
const maxCursorBytes = 4096

func (c cursor) String() string {
	text, err := json.Marshal(c)
	if err != nil {
		panic("query: a cursor can't be written: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// readCursor reads the parameter cursor; false where it isn't given. A cursor
// that didn't come from one of these lists is refused.
func readCursor(p *api.Params, lists ...string) (c cursor, given bool) {
	if !p.Given("cursor") {
		return cursor{}, false
	}
	text := p.Text("cursor")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.DisallowUnknownFields()
		err = decoder.Decode(&c)
	}
	// What isn't written the one way in which it is written wasn't ours.
	if len(text) > maxCursorBytes || err != nil || !slices.Contains(lists, c.List) || c.String() != text || !c.Place.Time.Valid() || !c.At.Valid() {
		p.Refuse(&event.Refusal{Code: event.Invalid, Field: "cursor", Message: "is no cursor of this list; give the next_cursor of the page before, or none to begin"})
		return cursor{}, false
	}
	return c, true
}
