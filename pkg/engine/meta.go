package engine

import (
	"fmt"

	"highwater/pkg/event"
	"highwater/pkg/pack"
)

// stream is one of the topics a shard publishes to.
type stream int

const (
	entries stream = iota
	corrections
	balances
	settled
	orderStates
	orderStats
	alerts
	watermarks
	deadLetters
	streams
)

// meta is what the engine knows of the whole shard, version 2 (1 had no
// conditional operations beside it and was never released):
//
//	version | watermark | seen+1 of each input | committed_at | last account
//	number | next seq of each stream | published watermark+1, when
//	| windows final up to | buckets loaded up to | settled up to
//	| appointment kept last: place parts, user, asset
type meta struct {
	committedAt event.Time
	lastNumber  uint64
	seqs        [streams]int64
	// publishedMark is the newest record of the watermarks topic, NoTime
	// before the first.
	publishedMark, publishedAt event.Time
	// finalTo is up to where windows have been closed.
	finalTo event.Time
	// loaded is the newest bucket whose due rows are in the agenda; dropped
	// is the newest one whose rows are deleted.
	loaded, dropped int64
	// settledTo is up to where everything is settled; it follows the
	// watermark at the end of each move, and kept tells how far a move is.
	settledTo event.Time
	kept      keptPlace
}

func (e *Engine) loadMeta() error {
	e.meta = meta{publishedMark: event.NoTime, loaded: -1, dropped: -1}
	row, ok := e.rows.Get([]byte{keyMeta})
	if !ok {
		return nil
	}
	r := pack.NewReader(string(row))
	if v := r.Byte(); v != metaRowVersion {
		return fmt.Errorf("meta row of version %d: this program reads version %d", v, metaRowVersion)
	}
	m := &e.meta
	e.marks.At = event.Time(r.Uint())
	for i := range e.marks.Seen {
		e.marks.Seen[i] = event.Time(r.Uint()) - 1
	}
	m.committedAt = event.Time(r.Uint())
	m.lastNumber = r.Uint()
	for i := range m.seqs {
		m.seqs[i] = int64(r.Uint())
	}
	m.publishedMark = event.Time(r.Uint()) - 1
	m.publishedAt = event.Time(r.Uint())
	m.finalTo = event.Time(r.Uint())
	m.loaded = int64(r.Uint()) - 1
	m.dropped = m.loaded - 1
	m.settledTo = event.Time(r.Uint())
	m.kept = keptPlace{readPlaceParts(&r), r.String(), r.String()}
	if err := r.Close(); err != nil {
		return fmt.Errorf("meta row: %w", err)
	}
	return nil
}

func (e *Engine) commitMeta() {
	m := &e.meta
	b := append(e.val[:0], metaRowVersion)
	b = pack.Uint(b, uint64(e.marks.At))
	for _, t := range e.marks.Seen {
		b = pack.Uint(b, uint64(t+1))
	}
	b = pack.Uint(b, uint64(m.committedAt))
	b = pack.Uint(b, m.lastNumber)
	for _, seq := range m.seqs {
		b = pack.Uint(b, uint64(seq))
	}
	b = pack.Uint(b, uint64(m.publishedMark+1))
	b = pack.Uint(b, uint64(m.publishedAt))
	b = pack.Uint(b, uint64(m.finalTo))
	b = pack.Uint(b, uint64(m.loaded+1))
	b = pack.Uint(b, uint64(m.settledTo))
	b = appendPlaceParts(b, m.kept.at)
	b = pack.String(pack.String(b, m.kept.user), m.kept.asset)
	e.val = b
	e.rows.Set([]byte{keyMeta}, b)
}
