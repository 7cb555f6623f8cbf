package dev

import (
	"fmt"

	"highwater/pkg/event"
	"highwater/pkg/plain"
)

// news gathers corrections between two lines, and counts all there were.
type news struct {
	// byUser are those not told yet.
	byUser map[string]*rewrite
	// corrections and entries are how many there were in all.
	corrections, entries int64
	// latest is the newest thing rewritten, which decides how dates are shown.
	latest event.Time
}

// rewrite is what late events did to one user's past.
type rewrite struct {
	user string
	// events is how many came late, lateBy how late the latest of them was.
	events int
	lateBy int64
	// entries is how many entries changed.
	entries int
	// asset is that of the first change of a balance; from and to span all
	// changes, to is NoTime where they last.
	asset    string
	from, to event.Time
	// change is by how much the balance differs now, or where nothing lasts,
	// by how much it did at first.
	change int64
}

func newNews() *news { return &news{byUser: make(map[string]*rewrite)} }

// add takes one correction.
func (n *news) add(c *event.Correction) {
	if c.Cause.LateBy == 0 {
		return // something fell due; nobody was late
	}
	n.entries += int64(len(c.Entries))
	r := n.byUser[c.UserID]
	if r == nil {
		r = &rewrite{user: c.UserID, from: event.NoTime}
		n.byUser[c.UserID] = r
	}
	if c.Part == 1 {
		n.corrections++
		r.events++
		r.lateBy = max(r.lateBy, c.Cause.LateBy)
	}
	r.entries += len(c.Entries)
	for _, s := range c.Changes {
		n.latest = max(n.latest, s.From)
		r.widen(c.Asset, s)
	}
}

// widen takes in one stretch.
func (r *rewrite) widen(asset string, s event.Stretch) {
	if s.Balance == 0 {
		return
	}
	if r.from == event.NoTime {
		r.asset, r.from, r.to, r.change = asset, s.From, s.To, s.Balance
		return
	}
	r.from = min(r.from, s.From)
	switch {
	case s.To == event.NoTime && r.to == event.NoTime:
		r.change += s.Balance
	case s.To == event.NoTime:
		r.to, r.change = event.NoTime, s.Balance
	case r.to != event.NoTime:
		r.to = max(r.to, s.To)
	}
}

// tell is the one rewrite that says most since the last time; none where
// nothing was rewritten.
func (n *news) tell() (line string, ok bool) {
	var most *rewrite
	for _, r := range n.byUser {
		if most == nil || r.entries > most.entries || r.entries == most.entries && r.lateBy > most.lateBy {
			most = r
		}
	}
	if most == nil {
		return "", false
	}
	line = most.line(n.latest)
	if others := len(n.byUser) - 1; others > 0 {
		line += fmt.Sprintf("  (and %s)", plain.Count(others, "other user", "other users"))
	}
	clear(n.byUser)
	return line, true
}

func (r *rewrite) line(today event.Time) string {
	late := plain.Span(r.lateBy)
	text := fmt.Sprintf("%s: 1 event %s late", plain.Text(r.user), late)
	if r.events > 1 {
		text = fmt.Sprintf("%s: %d events up to %s late", plain.Text(r.user), r.events, late)
	}
	if r.entries > 0 {
		text += " changed " + plain.Count(r.entries, "entry", "entries")
	}
	if r.from == event.NoTime {
		return text
	}
	until := "now"
	if r.to != event.NoTime {
		until = plain.Clock(r.to, today)
	}
	asset := ""
	if r.asset != event.DefaultAsset {
		asset = " " + r.asset
	}
	return text + fmt.Sprintf(", balance %s to %s %s%s", plain.Clock(r.from, today), until, plain.Change(r.change), asset)
}
