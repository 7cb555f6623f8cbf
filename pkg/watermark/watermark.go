// Package watermark says up to which event time a partition's input is
// expected to be complete: the newest event time of the slowest topic that
// still brings news, less the allowed lateness.
//
// It owns what it has seen of each input topic and the watermark itself. It
// never reads a clock (it is told) and never decides what happens when the
// watermark moves.
//
// Invariants:
//
//   - I1: the watermark never goes back.
//   - I2: a topic that isn't idle and has had no news ever holds it.
//   - I3: a Tracker made from another's Seen and At goes on where that one was.
//
// Use:
//
//	t := watermark.New(watermark.Config{LatenessMicros: 10_000_000, IdleMicros: 5_000_000})
//	t.Start(now)
//	t.Observe(event.Grants, occurredAt, now)
//	if t.Advance(now) { settle(t.At) }
package watermark

import "highwater/pkg/event"

// Config is how far the watermark stays behind, and when a topic is idle.
// Both are microseconds.
type Config struct {
	LatenessMicros int64
	IdleMicros     int64
	// Hold keeps the watermark where it is while all topics are idle, instead
	// of following the clock.
	Hold bool
}

// Tracker follows the input topics of one partition.
type Tracker struct {
	// At is the watermark; 0 before there is one.
	At event.Time
	// Seen is the newest event time of each input, NoTime before the first.
	Seen [len(event.Inputs)]event.Time

	cfg  Config
	news [len(event.Inputs)]event.Time
}

// New is a tracker that has seen nothing.
func New(cfg Config) Tracker {
	t := Tracker{cfg: cfg}
	for i := range t.Seen {
		t.Seen[i] = event.NoTime
	}
	return t
}

// Start counts idleness from now on.
func (t *Tracker) Start(now event.Time) {
	for i := range t.news {
		t.news[i] = now
	}
}

// Observe takes note of a record of an input topic.
func (t *Tracker) Observe(topic event.Topic, occurredAt, now event.Time) {
	i := topic - event.Grants
	t.Seen[i] = max(t.Seen[i], occurredAt)
	t.news[i] = max(t.news[i], now)
}

// Advance moves the watermark to where it may be at now, and reports whether
// that is further than it was.
func (t *Tracker) Advance(now event.Time) bool {
	slowest, idle := event.MaxTime, 0
	for i := range t.Seen {
		if int64(now-t.news[i]) >= t.cfg.IdleMicros {
			idle++
			continue
		}
		slowest = min(slowest, t.Seen[i])
	}
	if idle == len(t.Seen) {
		if t.cfg.Hold {
			return false
		}
		slowest = now
	}
	if slowest == event.NoTime { // I2
		return false
	}
	at := slowest.Add(-t.cfg.LatenessMicros)
	if at <= t.At { // I1
		return false
	}
	t.At = at
	return true
}
