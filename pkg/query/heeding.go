package query

import (
	"context"
	"iter"

	"highwater/pkg/state"
)

// heeding is a snapshot that has no more rows once its context is over (I4).
type heeding struct {
	*state.Snapshot
	ctx    context.Context
	failed error
}

// over remembers why no more rows are shown.
func (h *heeding) over() bool {
	if h.failed == nil {
		h.failed = h.ctx.Err()
	}
	return h.failed != nil
}

// Get reads a row.
func (h *heeding) Get(key []byte) (value []byte, ok bool) {
	if h.over() {
		return nil, false
	}
	return h.Snapshot.Get(key)
}

// Scan yields the rows in [from, to) in ascending order.
func (h *heeding) Scan(from, to []byte) iter.Seq2[[]byte, []byte] {
	return h.heed(h.Snapshot.Scan(from, to))
}

// ScanBack yields the rows in [from, to) in descending order.
func (h *heeding) ScanBack(from, to []byte) iter.Seq2[[]byte, []byte] {
	return h.heed(h.Snapshot.ScanBack(from, to))
}

// heed asks once a scan: a view's scans are short pieces.
func (h *heeding) heed(rows iter.Seq2[[]byte, []byte]) iter.Seq2[[]byte, []byte] {
	if h.over() {
		return func(func([]byte, []byte) bool) {}
	}
	return rows
}
