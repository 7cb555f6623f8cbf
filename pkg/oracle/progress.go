package oracle

import "highwater/pkg/event"

// progress is what the watermark is made of: what each input topic has
// brought, and when.
type progress struct {
	lateness, idleTimeout int64
	// hold leaves the watermark where it is when all topics are idle.
	hold   bool
	topics [len(event.Inputs)]news
}

// news is what is known of one topic.
type news struct {
	// ever is whether there was any; newest is the highest occurred_at.
	ever   bool
	newest event.Time
	// at is the clock of the last news, or of the takeover.
	at event.Time
}

// takeOver starts every topic's idle time anew.
func (p *progress) takeOver(now event.Time) {
	for i := range p.topics {
		p.topics[i].at = now
	}
}

// heard is news of a topic.
func (p *progress) heard(topic event.Topic, occurredAt, now event.Time) {
	for i, input := range event.Inputs {
		if n := &p.topics[i]; input == topic {
			if !n.ever || occurredAt > n.newest {
				n.newest = occurredAt
			}
			n.ever, n.at = true, now
		}
	}
}

// watermark is the one that follows old.
func (p *progress) watermark(old, now event.Time) event.Time {
	allIdle, lowest := true, event.MaxTime
	for _, n := range p.topics {
		if int64(now-n.at) >= p.idleTimeout {
			continue
		}
		if !n.ever {
			return old
		}
		allIdle = false
		lowest = min(lowest, n.newest)
	}
	if allIdle {
		if p.hold {
			return old
		}
		lowest = now
	}
	return max(old, lowest-event.Time(p.lateness))
}
