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

// meta is what the engine knows of the whole shard, version 7 (1 had no
// conditional operations beside it, 2 due rows by bucket, 3 digests of another
// form, 4 accounts' rows without states, 5 and 6 longer rows; none was released):
//
//	version | 1 where settled entries are published, else 0 | watermark
//	| seen+1 of each input | committed_at | last account number
//	| next seq of each stream | published watermark+1, when
//	| windows final up to | start of the due rows | settled up to
//	| appointment kept last
//
// where an appointment is place parts, user, asset.
type meta struct {
	// settling tells that what was done so far was, or will be, settled.
	settling    bool
	committedAt event.Time
	lastNumber  uint64
	seqs        [streams]int64
	// publishedMark is the newest record of the watermarks topic, NoTime
	// before the first.
	publishedMark, publishedAt event.Time
	// finalTo is up to where windows have been closed.
	finalTo event.Time
	// start is before all that is to be done: due rows before it have served.
	// Those before dropped are deleted.
	start, dropped appointment
	// settledTo is up to where everything is settled; it follows the
	// watermark at the end of each move, and kept tells how far a move is.
	settledTo event.Time
	kept      appointment
}

// NotSettlingError says that settled entries are asked for of a state that was
// made without: what came before can't be settled any more, nor what comes
// behind that in its order.
type NotSettlingError struct{}

// Error says so.
func (*NotSettlingError) Error() string {
	return "settled: want false, as the state was made; got true"
}

// PersonMustDecide says that no restart cures it.
func (e *NotSettlingError) PersonMustDecide() (missing, action string) {
	return "the order of what was not settled so far: " + e.Error(),
		"set settled=false; or begin anew, over all that the input topics still have, with another application.id and topic.prefix and an empty data.dir"
}

// VersionError says that another version of the program wrote the rows.
type VersionError struct{ Version byte }

// Error names both versions.
func (e *VersionError) Error() string {
	return fmt.Sprintf("meta row of version %d: this program reads version %d", e.Version, metaRowVersion)
}

// PersonMustDecide says that no restart cures it.
func (e *VersionError) PersonMustDecide() (missing, action string) {
	return "a program that reads this state: " + e.Error(),
		"run the version of Highwater that wrote it. To begin anew with this one, over all that the input topics still have, give it another application.id and topic.prefix and an empty data.dir"
}

func (e *Engine) loadMeta() error {
	e.meta = meta{publishedMark: event.NoTime, settling: true}
	row, ok := e.rows.Get([]byte{keyMeta})
	if !ok {
		return nil
	}
	r := pack.NewReader(string(row))
	if v := r.Byte(); v != metaRowVersion {
		return &VersionError{Version: v}
	}
	m := &e.meta
	m.settling = r.Byte() != 0
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
	m.start = readAppointment(&r)
	m.dropped = m.start
	m.settledTo = event.Time(r.Uint())
	m.kept = readAppointment(&r)
	if err := r.Close(); err != nil {
		return fmt.Errorf("meta row: %w", err)
	}
	return nil
}

func (e *Engine) commitMeta() {
	m := &e.meta
	b := append(e.val[:0], metaRowVersion, 0)
	if e.cfg.Settled {
		b[1] = 1
	}
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
	b = appendAppointment(b, &m.start)
	b = pack.Uint(b, uint64(m.settledTo))
	b = appendAppointment(b, &m.kept)
	e.val = b
	e.rows.Set([]byte{keyMeta}, b)
}

func appendAppointment(b []byte, p *appointment) []byte {
	return pack.String(pack.String(appendPlaceParts(b, p.at, 0), p.user), p.asset)
}

func readAppointment(r *pack.Reader) appointment {
	return appointment{readPlaceParts(r, 0), r.String(), r.String()}
}
