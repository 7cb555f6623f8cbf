package gen

import (
	"fmt"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/oracle"
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
		if p.user == e.User && m.chance(50) {
			m.promised = append(m.promised[:i:i], m.promised[i+1:]...)
			m.keep(e, p)
			return
		}
	}
	e.ID = m.eventID(e.User)
	kinds := []event.Kind{event.Spend, event.Hold, event.Transfer, event.Refund, event.Capture, event.Release}
	e.Kind = kinds[m.pick(20, 22, 12, 22, 26, 9)]
	isDebit := e.Kind == event.Spend || e.Kind == event.Hold || e.Kind == event.Transfer
	switch {
	case !isDebit && m.chance(15):
		m.beforeParent(e)
		return
	case !isDebit && (len(m.parents(e, false)) > 0 || m.chance(10)):
		m.afterParent(e)
		return
	case !isDebit:
		e.Kind = kinds[m.IntN(3)]
	}
	// An account without credits accepts nothing, and so teaches little.
	if m.balance(e) < 1 && m.chance(70) {
		m.credit(e, event.Grant)
		e.OccurredAt = max(0, e.OccurredAt-event.Time(m.IntN(4))*tick)
		return
	}
	m.debit(e)
}

// balance is what there is at an event's time.
func (m *maker) balance(e *event.Event) int64 {
	line, _ := m.model.Said(e.User, e.Asset)
	at, _ := line.BalanceAt(e.OccurredAt)
	return at.Balance
}

// keep sends what was promised: mostly before what names it, sometimes at the
// very time or after it.
func (m *maker) keep(e *event.Event, p promise) {
	e.ID, e.Kind, e.Asset = p.id, p.kind, p.asset
	switch m.pick(60, 25, 15) {
	case 0:
		e.OccurredAt = max(0, p.at-event.Time(m.IntN(3))*tick)
	case 1:
		e.OccurredAt = p.at
		e.Sequence = int64(m.IntN(3) - 1)
	}
	switch {
	case e.Kind == event.Refund, e.Kind == event.Release:
		m.afterParent(e)
	case m.chance(8):
		e.Kind, e.Amount = event.Subtract, 1
	default:
		m.debit(e)
	}
}

// debit makes up a spend's, hold's or transfer's fields.
func (m *maker) debit(e *event.Event) {
	e.Amount = m.debitAmount(e)
	switch e.Kind {
	case event.Hold:
		if m.chance(70) {
			e.ExpiresAt = e.OccurredAt + event.Time(1+m.IntN(6))*tick
		}
	case event.Transfer:
		for e.To == "" || e.To == e.User {
			e.To = Users[m.IntN(len(Users))]
		}
	}
}

// debitAmount is mostly what there is at an event's time, or a part of it.
func (m *maker) debitAmount(e *event.Event) event.Amount {
	there := min(m.balance(e), 1000)
	switch {
	case m.chance(1):
		return event.MaxAmount
	case there < 1 || m.chance(10):
		return event.Amount(1 + m.IntN(8))
	case m.chance(15):
		return event.Amount(there)
	case m.chance(10):
		return event.Amount(there + 1)
	}
	return event.Amount(1 + m.Int64N(there))
}

// beforeParent makes an operation name one that will be sent later, if ever.
func (m *maker) beforeParent(e *event.Event) {
	kind := event.Hold
	if e.Kind == event.Refund && m.chance(60) {
		kind = event.Spend
	}
	e.Ref = m.eventID(e.User)
	if m.chance(40) {
		e.OccurredAt = max(e.OccurredAt, m.now)
	}
	m.partOf(e, 6)
	m.promised = append(m.promised, promise{e.User, e.Ref, e.Asset, kind, e.OccurredAt})
}

// partOf is an amount that a refund or capture gives, or none.
func (m *maker) partOf(e *event.Event, whole int64) {
	if e.Kind == event.Release || m.chance(30) {
		return
	}
	e.Amount = event.Amount(1 + m.Int64N(whole))
	switch {
	case m.chance(15):
		e.Amount = event.Amount(whole)
	case m.chance(8):
		e.Amount = event.Amount(whole + 1)
	}
}

// afterParent makes an operation name a spend or hold that was sent, at a
// time at which the rules are hard.
func (m *maker) afterParent(e *event.Event) {
	parent := m.parent(e)
	if parent == nil {
		e.Ref = fmt.Sprintf("e%d", m.IntN(10))
		m.partOf(e, 6)
		return
	}
	p := &parent.Event
	e.Ref = p.ID
	if m.chance(96) {
		e.Asset = p.Asset
	}
	m.partOf(e, max(1, min(1000, int64(p.Amount))))
	times := []event.Time{p.OccurredAt + event.Time(1+m.IntN(3))*tick, p.OccurredAt + event.Time(1+m.IntN(8))*tick, m.now, e.OccurredAt}
	if p.ExpiresAt != event.NoTime {
		times = append(times, p.ExpiresAt, p.ExpiresAt, p.ExpiresAt-1, p.ExpiresAt-tick, p.ExpiresAt+1)
	}
	times = append(times, m.around(p)...)
	if m.chance(12) {
		e.OccurredAt = p.OccurredAt
		e.Sequence = p.Sequence + []int64{1, 1, 0, -1}[m.IntN(4)]
	} else {
		e.OccurredAt = times[m.IntN(len(times))]
	}
	// What lies in the future is put aside, which is no hard rule.
	if latest := m.now + event.Time(m.config.FutureSkew); e.OccurredAt > latest && m.chance(90) {
		e.OccurredAt = latest
	}
	if e.OccurredAt < p.OccurredAt && m.chance(90) {
		e.OccurredAt = p.OccurredAt
		e.Sequence = p.Sequence + 1
	}
	e.OccurredAt = max(0, e.OccurredAt)
}

// around are the times at which something becomes of what a spend or hold
// took: when the grants expire that it drew from, and when others that name it
// happen.
func (m *maker) around(p *event.Event) []event.Time {
	var times []event.Time
	line, _ := m.model.Said(p.User, p.Asset)
	for _, it := range line.Items {
		if it.Taken == nil || it.ID != p.ID && it.Taken.Event.Ref != p.ID {
			continue
		}
		if it.ID != p.ID {
			times = append(times, it.Place.Time-tick, it.Place.Time)
		}
		for _, s := range it.Result.Slices {
			if s.ExpiresAt != event.NoTime {
				times = append(times, s.ExpiresAt, s.ExpiresAt+event.Time(m.IntN(2))*tick)
			}
		}
	}
	return times
}

// parent is an event of the user that may be named, mostly one that was
// accepted and fits; nil where none was found.
func (m *maker) parent(e *event.Event) *oracle.Taken {
	fit := m.parents(e, m.chance(6))
	if len(fit) == 0 {
		return nil
	}
	// The newest are named most, so that one is named again and again.
	if m.chance(60) {
		return fit[len(fit)-1]
	}
	return fit[m.IntN(len(fit))]
}

// parents are the events that an operation may name: anything, or what fits.
func (m *maker) parents(e *event.Event, anything bool) []*oracle.Taken {
	var fit []*oracle.Taken
	taken := m.model.Taken(e.User)
	for i := range taken {
		k := taken[i].Event.Kind
		fits := k == event.Hold || k == event.Spend
		switch {
		case e.Kind == event.Refund && k == event.Hold:
			// Before any capture there is nothing to refund.
			fits = m.chance(15) || m.captured(taken, taken[i].Event.ID)
		case e.Kind != event.Refund && k == event.Spend, taken[i].Rejected != event.NoCode:
			fits = fits && m.chance(4)
		}
		if taken[i].Remittance == nil && (anything || fits) {
			fit = append(fit, &taken[i])
		}
	}
	return fit
}

func (m *maker) captured(taken []oracle.Taken, holdID string) bool {
	for i := range taken {
		if taken[i].Event.Kind == event.Capture && taken[i].Event.Ref == holdID && taken[i].Rejected == event.NoCode {
			return true
		}
	}
	return false
}

// decided is an accepted conditional operation of the user; false where there
// is none.
func (m *maker) decided(user string) (oracle.Taken, bool) {
	var all []oracle.Taken
	for _, t := range m.model.Taken(user) {
		if t.Event.Kind.IsConditional() && t.Rejected == event.NoCode {
			all = append(all, t)
		}
	}
	if len(all) == 0 {
		return oracle.Taken{}, false
	}
	return all[m.IntN(len(all))], true
}

// nearDecided moves a fact to before or after an accepted operation.
func (m *maker) nearDecided(e *event.Event) {
	t, ok := m.decided(e.User)
	if !ok {
		return
	}
	e.Asset = t.Event.Asset
	e.OccurredAt = t.Event.OccurredAt - event.Time(m.IntN(3))*tick
	if m.chance(25) {
		e.OccurredAt = t.Event.OccurredAt + event.Time(m.IntN(4))*tick
	}
	e.OccurredAt = max(0, e.OccurredAt)
}

// usedGrant is a grant of which something was drawn or to which something was
// given back; "" where there is none.
func (m *maker) usedGrant(e *event.Event) string {
	var ids, made []string
	line, _ := m.model.Said(e.User, e.Asset)
	for _, it := range line.Items {
		if !it.Kind.IsConditional() && it.Kind != event.HoldExpired && it.Kind != event.Received {
			continue
		}
		for _, s := range it.Result.Slices {
			ids = append(ids, s.GrantID)
			if strings.Contains(s.GrantID, "/") {
				made = append(made, s.GrantID)
			}
		}
	}
	if len(made) > 0 && m.chance(50) {
		ids = made
	}
	if len(ids) == 0 {
		return ""
	}
	return ids[m.IntN(len(ids))]
}

// madeRef is the id of a grant that giving back or a transfer makes, or would
// make.
func (m *maker) madeRef(user string) string {
	n := []string{"0", "0", "0", "0", "0", "1", "2", "01", "x"}[m.IntN(9)]
	if m.chance(15) {
		id := m.eventID(user)
		kind := []event.Kind{event.Refund, event.Release}[m.IntN(2)]
		m.promised = append(m.promised, promise{user, id, event.DefaultAsset, kind, m.now})
		return id + "/" + n
	}
	var refs []string
	for _, t := range m.model.Taken(user) {
		switch {
		case t.Rejected != event.NoCode:
		case t.Remittance != nil:
			refs = append(refs, t.Remittance.From+"/"+t.Event.ID)
		case t.Event.Kind == event.Hold && t.Event.ExpiresAt != event.NoTime:
			refs = append(refs, event.HoldExpired.String()+"/"+t.Event.ID)
		case t.Event.Kind == event.Refund, t.Event.Kind == event.Release:
			refs = append(refs, t.Event.ID)
		}
	}
	if len(refs) == 0 {
		return user + "/" + n
	}
	return refs[m.IntN(len(refs))] + "/" + n
}
