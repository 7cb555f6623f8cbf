package trace

import (
	"fmt"
	"time"

	"highwater/pkg/event"
)

const (
	day   = event.Time(24 * time.Hour / time.Microsecond)
	week  = 7 * day
	month = 30 * day
)

// grants makes what one user has to spend of an asset: a grant for the month
// and one for the week, which many users see end, and the next one begin,
// within the trace; some buy more, some grants are entered long after they
// took effect, some are taken back. A user spends 90,000 tokens on average:
// about a third run short.
func (m *mill) grants(n int, asset string) {
	user := User(n)
	share := 1 / float64(len(m.Assets)) / float64(m.Users) * 200 * float64(m.Rows) / RowCount
	tokens := func(least, most int) event.Amount {
		return max(1, event.Amount(float64(1000*(least+m.rng.IntN(most-least+1)))*share))
	}
	grant := func(id string, amount event.Amount, from, until event.Time, priority int32) event.Event {
		e := fresh(event.Grant, "grant-"+id+"-"+asset, user, m.start)
		e.Asset, e.Ref, e.Amount, e.Priority, e.Source = asset, id+"-"+asset, amount, priority, "billing"
		e.EffectiveAt, e.ExpiresAt = from, until
		e.FillDefaults()
		return e
	}
	// The month's grant is drawn last.
	monthly := grant("month-1", tokens(40, 90), m.start-m.upTo(20*24*time.Hour), m.end+1+m.upTo(20*24*time.Hour), 10)
	turn := m.within()
	if n%2 == 0 {
		turn = m.end + m.upTo(6*24*time.Hour)
	}
	weekly := tokens(10, 30)
	this := grant("week-1", weekly, max(turn-week, m.start-month), turn, 0)
	next := grant("week-2", weekly, turn, turn+week, 0)
	for i, e := range []event.Event{monthly, this, next} {
		if e.ExpiresAt <= e.UsableFrom() {
			continue
		}
		at := m.start + m.upTo(time.Second)
		if i == 0 && m.chance(m.LatePercent) {
			at = m.within() // entered late, effective since long ago
		}
		m.add(&e, at)
	}
	if m.rng.IntN(2) == 0 {
		m.topUp(user, asset, tokens(5, 20))
	}
	if m.rng.IntN(20) == 0 {
		e := fresh(event.Revoke, "revoke-week-2-"+asset, user, m.within())
		e.Asset, e.Ref, e.Source = asset, "week-2-"+asset, "billing"
		m.add(&e, m.shuffled(e.OccurredAt))
	}
}

// topUp is an add: credits bought in between.
func (m *mill) topUp(user, asset string, amount event.Amount) {
	e := fresh(event.Add, fmt.Sprintf("top-up-%s", asset), user, m.within())
	e.Asset, e.Amount, e.Source = asset, amount, "shop"
	if m.rng.IntN(3) == 0 {
		e.ExpiresAt = e.OccurredAt + 1 + m.upTo(30*time.Minute)
	}
	m.add(&e, m.shuffled(e.OccurredAt))
}
