package ledger

import (
	"slices"

	"highwater/pkg/event"
	"highwater/pkg/pack"
)

// MaxShift is of how many grants a shift may change the remainders.
const MaxShift = 16

// Shift is a difference between two accounts that lies only in what remains of
// some usable grants, in the order in which these are drawn.
type Shift []Shifted

// Shifted is by how much more remains of a grant.
type Shifted struct {
	Grant
	// By isn't 0; Remaining means nothing.
	By int64
	// Both tells that the grant is usable in both accounts.
	Both bool
}

// ShiftTo is the difference from a to b; false where they differ in more than
// a Shift can say, or owe something.
func (a *Account) ShiftTo(b *Account) (Shift, bool) {
	if a.overflowed != b.overflowed || barsShift(a.look(), b.look()) {
		return nil, false
	}
	var s Shift
	was, is := a.Usable(), b.Usable()
	for len(was)+len(is) > 0 && len(s) <= MaxShift {
		if len(was) > 0 && len(is) > 0 && was[0].Equal(is[0]) {
			was, is = was[1:], is[1:]
			continue
		}
		var order int
		switch {
		case len(was) == 0:
			order = 1
		case len(is) == 0:
			order = -1
		default:
			order = drawnBefore(was[0], is[0])
		}
		d := Shifted{Both: order == 0}
		if order <= 0 {
			d.Grant, d.By = was[0], -int64(was[0].Remaining)
			was = was[1:]
		}
		if order >= 0 {
			if d.Both && d.Origin != is[0].Origin {
				return nil, false
			}
			d.Grant = is[0]
			d.By += int64(is[0].Remaining)
			is = is[1:]
		}
		if d.Remaining = 0; d.By != 0 {
			s = append(s, d)
		}
	}
	return s, len(s) <= MaxShift
}

// barsShift reports whether of two accounts that have this one owes something or
// differ in more than a Shift can say.
func barsShift(a, b *rare) bool {
	return len(a.debts) > 0 || len(b.debts) > 0 || a.held != b.held ||
		!slices.EqualFunc(a.future, b.future, Grant.Equal) || !slices.Equal(a.revoked, b.revoked) ||
		!slices.EqualFunc(a.holds, b.holds, Hold.equal) || !slices.EqualFunc(a.draws, b.draws, Draws.equal)
}

// Sum is by how much more is available.
func (s Shift) Sum() (sum int64) {
	for i := range s {
		sum += s[i].By
	}
	return sum
}

// Plus is one shift after the other. It keeps neither's memory.
func (s Shift) Plus(t Shift) Shift {
	both := make(Shift, 0, len(s)+len(t))
	for len(s)+len(t) > 0 {
		switch {
		case len(t) == 0 || len(s) > 0 && drawnBefore(s[0].Grant, t[0].Grant) < 0:
			both, s = append(both, s[0]), s[1:]
		case len(s) == 0 || drawnBefore(s[0].Grant, t[0].Grant) > 0:
			both, t = append(both, t[0]), t[1:]
		default:
			d := s[0]
			if d.By += t[0].By; d.By != 0 {
				both = append(both, d)
			}
			s, t = s[1:], t[1:]
		}
	}
	return both
}

// Shift changes what remains of usable grants. One of which nothing remains
// afterwards is usable no more.
func (a *Account) Shift(s Shift) {
	for i := range s {
		g := s[i].Grant
		at, found := a.find(g)
		if !found {
			g.Remaining = 0
			a.put(at, g)
		}
		left := &a.Usable()[at].Remaining
		if *left += event.Amount(s[i].By); *left < 0 {
			panic("ledger: I8: a shift takes more of a grant than remains")
		} else if *left == 0 {
			a.cut(at, at+1)
		}
		a.available += s[i].By
	}
	a.findDue()
}

// AppendTo appends the shift's persisted form:
//
//	count, (id, by, effective_at, expires_at, priority, origin)
func (s Shift) AppendTo(b []byte) []byte {
	b = pack.Uint(b, uint64(len(s)))
	for i := range s {
		d := &s[i]
		b = pack.Int(pack.String(b, d.ID), d.By)
		b = appendTime(b, d.EffectiveAt, 0)
		b = appendTime(b, d.ExpiresAt, d.EffectiveAt)
		b = pack.Uint(b, uint64(d.Priority))
		b = pack.String(b, d.Origin)
	}
	return b
}

// ReadShift reads what Shift.AppendTo wrote.
func ReadShift(r *pack.Reader) (s Shift) {
	for range r.Count(6) {
		d := Shifted{Grant: Grant{Terms: &Terms{ID: r.String()}}, By: r.Int()}
		d.EffectiveAt = readTime(r, 0)
		d.ExpiresAt = readTime(r, d.EffectiveAt)
		d.Priority, d.Origin = int32(r.Uint()), r.String()
		s = append(s, d)
	}
	return s
}
