package engine

import (
	"encoding/binary"
	"iter"
	"slices"

	"highwater/pkg/event"
)

// Corrections are those of some accounts as they were published, behind a seq,
// or with back those before it, the nearest first. Seqs count all corrections
// of the partition from 0.
func (v *View) Corrections(accounts []Account, from int64, back bool) iter.Seq[*event.Correction] {
	return func(yield func(*event.Correction) bool) {
		sources := make([]*correctionSource, len(accounts))
		for i := range accounts {
			sources[i] = v.correctionSource(&accounts[i], from, back)
		}
		for {
			var first *correctionSource
			for _, s := range sources {
				if s.more && (first == nil || (s.seq < first.seq) != back) {
					first = s
				}
			}
			if first == nil {
				return
			}
			c := &event.Correction{UserID: first.account.User, Asset: first.account.Asset}
			c.Partition, c.Seq = v.e.cfg.Partition, first.seq
			if !v.ok(decodeCorrection(first.rows.value, c)) {
				return
			}
			c.Cause.Input.Topic, c.Cause.Input.Partition = c.Cause.Kind.Topic(), v.e.cfg.Partition
			v.advance(first)
			if !yield(c) {
				return
			}
		}
	}
}

// correctionSource is one account's corrections.
type correctionSource struct {
	account *Account
	rows    *rowList
	more    bool
	seq     int64
}

func (v *View) correctionSource(a *Account, from int64, back bool) *correctionSource {
	prefix := appendNumbered(nil, keyCorrection, a.number)
	first, last := prefix, behind(prefix)
	switch {
	case back:
		last = binary.BigEndian.AppendUint64(slices.Clip(prefix), uint64(max(from, 0)))
	case from >= 0:
		first = binary.BigEndian.AppendUint64(slices.Clip(prefix), uint64(from)+1)
	}
	s := &correctionSource{account: a, rows: v.read(first, last, back)}
	// Corrections can be long; few accounts have many.
	s.rows.piece = 4
	v.advance(s)
	return s
}

func (v *View) advance(s *correctionSource) {
	if s.more = s.rows.next(); !s.more {
		return
	}
	const keyBytes = 1 + numberBytes + 8
	if len(s.rows.key) != keyBytes {
		s.more = v.ok(errCorruptKey)
		return
	}
	s.seq = int64(be64(s.rows.key[1+numberBytes:]))
}

// CauseAt is the time in the order of the event that a correction blames.
func (v *View) CauseAt(user string, c *event.Cause) event.Time {
	if c.Kind != event.Received {
		if _, place, ok := v.named(nameEvent, user, c.EventID); ok {
			return place.Time
		}
	}
	return c.OccurredAt
}
