package query

import (
	"encoding/json"
	"net/url"
	"strconv"

	"highwater/pkg/api"
)

// maxPageBytes is when a page ends before its limit.
const maxPageBytes = 4 << 20

// list is a page being written: {"items": [...], "next_cursor": ...}.
type list struct {
	body  []byte
	items int
	limit int
}

func newList(limit int) *list {
	return &list{body: []byte(`{"items":[`), limit: limit}
}

// full reports whether no item has place any more (I4).
func (l *list) full() bool { return l.items == l.limit || len(l.body) >= maxPageBytes }

// add appends an item.
func (l *list) add(item func([]byte) []byte) {
	if l.items > 0 {
		l.body = append(l.body, ',')
	}
	l.body = item(l.body)
	l.items++
}

// addValue appends an item that encoding/json writes.
func (l *list) addValue(item any) error {
	text, err := json.Marshal(item)
	if err != nil {
		return err
	}
	l.add(func(b []byte) []byte { return append(b, text...) })
	return nil
}

// end ends the page; next is nil where it was the last one.
func (l *list) end(next *cursor) answer {
	l.body = append(l.body, `],"next_cursor":`...)
	if next == nil {
		l.body = append(l.body, "null}"...)
	} else {
		l.body = append(strconv.AppendQuote(l.body, next.String()), '}')
	}
	return answer{body: l.body}
}

// nextLink is a Link header to the page behind a cursor.
func nextLink(p *api.Params, next *cursor) string {
	if next == nil {
		return ""
	}
	u := p.URL()
	query := u.Query()
	query.Set("cursor", next.String())
	return "<" + (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: query.Encode()}).String() + `>; rel="next"`
}
