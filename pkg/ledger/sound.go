package ledger

import (
	"strings"

	"highwater/pkg/event"
)

// unsound names a part of a decoded account that no account can have; ""
// where all may be as they are. Sums are not derived yet.
func (a *Account) unsound() string {
	x, usable := a.look(), a.Usable()
	switch {
	case !soundGrants(usable) || !ascending(usable, drawnBefore): // I2
		return "usable"
	case !soundGrants(x.future) || !ascending(x.future, activatesBefore):
		return "future"
	case !soundDebts(x.debts) || len(x.debts) > 0 && len(usable) > 0: // I3
		return "debts"
	case !ascending(x.revoked, strings.Compare):
		return "revoked"
	case !x.soundHolds():
		return "holds"
	case !x.soundDraws():
		return "draws"
	}
	return ""
}

func (x *rare) soundHolds() bool {
	held := int64(0)
	for i := range x.holds {
		h := &x.holds[i]
		if !h.At.Valid() || h.ExpiresAt != event.NoTime && (!h.ExpiresAt.Valid() || h.ExpiresAt <= h.At) ||
			h.Left <= 0 || !soundGrants(h.Pieces) || total(h.Pieces) > h.Left {
			return false
		}
		if held += int64(total(h.Pieces)); held < 0 {
			return false
		}
	}
	return ascending(x.holds, func(h, o Hold) int { return strings.Compare(h.ID, o.ID) })
}

func (x *rare) soundDraws() bool {
	for i := range x.draws {
		d := &x.draws[i]
		if !d.At.Valid() || !soundGrants(d.Consumed) || !soundGrants(d.Repaid) || !soundDebts(d.Shorts) {
			return false
		}
	}
	return ascending(x.draws, func(d, o Draws) int { return strings.Compare(d.ID, o.ID) })
}

func soundGrants(grants []Grant) bool {
	sum := event.Amount(0)
	for i := range grants {
		g := &grants[i]
		if g.Remaining <= 0 || !g.EffectiveAt.Valid() || g.ExpiresAt != event.NoTime && !g.ExpiresAt.Valid() || g.Priority < 0 {
			return false
		}
		if sum += g.Remaining; sum < 0 {
			return false
		}
	}
	return true
}

func soundDebts(debts []Debt) bool {
	sum := event.Amount(0)
	for i := range debts {
		if debts[i].Amount <= 0 {
			return false
		}
		if sum += debts[i].Amount; sum < 0 {
			return false
		}
	}
	return true
}

// ascending reports whether each item is less than the one behind it.
func ascending[T any](items []T, compare func(x, y T) int) bool {
	for i := 1; i < len(items); i++ {
		if compare(items[i-1], items[i]) >= 0 {
			return false
		}
	}
	return true
}
