package gen

import (
	"fmt"

	"highwater/pkg/event"
)

// promise is an event that will be sent, maybe, under an id that something
// sent before it names.
type promise struct {
	user, id, asset string
	kind            event.Kind
	// at is a time around which what names it happens.
	at event.Time
}

// conditional makes up an operation that asks before it delivers.
func (m *maker) conditional(e *event.Event) {
	for i, p := range m.promised {
		if p.user == e.User && m.chance(40) {
			m.promised = append(m.promised[:i:i], m.promised[i+1:]...)
			m.keep(e, p)
			return
		}
	}
	e.ID = m.eventID(e.User)
	kinds := []event.Kind{event.Spend, event.Hold, event.Transfer, event.Refund, event.Capture, event.Release}
	e.Kind = kinds[m.pick(22, 22, 14, 20, 20, 9)]
	if e.Kind.Rank() == event.Spend.Rank() && e.Kind != event.Capture {
		m.debit(e)
		return
	}
	if m.chance(18) {
		m.beforeParent(e)
	} else {
		m.afterParent(e)
	}
	m.part(e, 1+m.IntN(12))
}

// keep sends what was promised: mostly before what names it, sometimes at the
// very place or after it.
func (m *maker) keep(e *event.Event, p promise) {
	e.ID, e.Kind, e.Asset = p.id, p.kind, p.asset
	switch m.pick(60, 25, 15) {
	case 0:
		e.OccurredAt = max(0, p.at-event.Time(1+m.IntN(3))*tick)
	case 1:
		e.OccurredAt = p.at
		e.Sequence = int64(m.IntN(3) - 1)
	}
	if m.chance(8) {
		e.Kind = event.Subtract
	}
	switch e.Kind {
	case event.Refund, event.Release:
		m.afterParent(e)
		m.part(e, 1+m.IntN(6))
		return
	}
	m.debit(e)
}

// debit makes up a spend's, hold's or transfer's fields.
func (m *maker) debit(e *event.Event) {
	e.Amount = event.Amount(1 + m.IntN(8))
	if m.chance(1) {
		e.Amount = event.MaxAmount
	}
	switch e.Kind {
	case event.Hold:
		if m.chance(70) {
			e.ExpiresAt = e.OccurredAt + event.Time(1+m.IntN(6))*tick
		}
	case event.Transfer:
		for e.To == "" || e.To == e.User {
			e.To = Users[m.IntN(len(Users))]
		}
		m.onTheWay++
	}
}

// beforeParent makes an operation name one that will be sent later, if ever.
func (m *maker) beforeParent(e *event.Event) {
	kind := event.Hold
	if e.Kind == event.Refund && m.chance(60) {
		kind = event.Spend
	}
	e.Ref = m.eventID(e.User)
	if m.chance(30) {
		e.OccurredAt += event.Time(m.IntN(5)) * tick
	}
	for range 1 + m.pick(70, 30) {
		m.promised = append(m.promised, promise{e.User, e.Ref, e.Asset, kind, e.OccurredAt})
	}
}

// afterParent makes an operation name a spend or hold that was sent, with a
// time at which the rules are hard.
func (m *maker) afterParent(e *event.Event) {
	parent := m.parent(e)
	if parent == nil {
		e.Ref = fmt.Sprintf("e%d", m.IntN(10))
		return
	}
	e.Ref = parent.ID
	if m.chance(95) {
		e.Asset = parent.Asset
	}
	switch m.pick(45, 15, 30, 10) {
	case 0:
		e.OccurredAt = parent.OccurredAt + event.Time(1+m.IntN(8))*tick
	case 1:
		e.OccurredAt = parent.OccurredAt
		e.Sequence = parent.Sequence + int64(m.IntN(3)-1)
	case 2:
		if parent.ExpiresAt != event.NoTime {
			e.OccurredAt = parent.ExpiresAt + []event.Time{-tick, -1, 0, 0, 1, tick}[m.IntN(6)]
		}
	}
	// What lies in the future is put aside, which is no hard rule.
	if latest := m.now + event.Time(m.config.FutureSkew); e.OccurredAt > latest && m.chance(85) {
		e.OccurredAt = latest
	}
	e.OccurredAt = max(0, e.OccurredAt)
}

// parent is an event of the user that may be named, mostly one that fits; nil
// where none was found.
func (m *maker) parent(e *event.Event) *event.Event {
	anything := m.chance(8)
	for range 30 {
		if len(m.sent) == 0 {
			return nil
		}
		// The newest are named most, so that one is named again and again.
		back := m.IntN(len(m.sent))
		if m.chance(60) {
			back = m.IntN(min(6, len(m.sent)))
		}
		p := &m.sent[len(m.sent)-1-back].Event
		fits := p.Kind == event.Hold || p.Kind == event.Spend && e.Kind == event.Refund
		if p.User == e.User && p.ID != "" && (fits || anything) {
			return p
		}
	}
	return nil
}

// part is an amount that a refund or capture gives, or none.
func (m *maker) part(e *event.Event, amount int) {
	if e.Kind != event.Release && e.Kind.IsConditional() && m.chance(65) {
		e.Amount = event.Amount(amount)
	}
}

// madeRef is the id of a grant that giving back or a transfer makes, or would
// make.
func (m *maker) madeRef(user string) string {
	n := []string{"0", "0", "0", "1", "2", "01", "x"}[m.IntN(7)]
	if m.chance(15) {
		id := m.eventID(user)
		kind := []event.Kind{event.Refund, event.Release}[m.IntN(2)]
		m.promised = append(m.promised, promise{user, id, event.DefaultAsset, kind, m.now})
		return id + "/" + n
	}
	for range 30 {
		if len(m.sent) == 0 {
			break
		}
		e := &m.sent[m.IntN(len(m.sent))].Event
		switch {
		case e.Kind == event.Transfer && e.To == user:
			return e.User + "/" + e.ID + "/" + n
		case e.User != user:
		case e.Kind == event.Hold && e.ExpiresAt != event.NoTime && m.chance(50):
			return event.HoldExpired.String() + "/" + e.ID + "/" + n
		case e.Kind == event.Refund, e.Kind == event.Release:
			return e.ID + "/" + n
		}
	}
	return user + "/" + n
}
