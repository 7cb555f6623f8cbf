package ledger

import (
	"strings"

	"highwater/pkg/event"
)

// unsound names a part of a decoded account that no account can have; ""
// where all may be as they are. Sums are not derived yet.
func (a *Account) unsound() string {
	switch {
	case !soundGrants(a.usable) || !ascending(a.usable, drawnBefore): // I2
		return "usable"
	case !soundGrants(a.future) || !ascending(a.future, activatesBefore):
		return "future"
	case !soundDebts(a.debts) || len(a.debts) > 0 && len(a.usable) > 0: // I3
		return "debts"
	case !ascending(a.revoked, strings.Compare):
		return "revoked"
	case !a.soundHolds():
		return "holds"
	case !a.soundDraws():
		return "draws"
	}
	return ""
}

func (a *Account) soundHolds() bool {
	held := int64(0)
	for i := range a.holds {
		h := &a.holds[i]
		if !h.At.Valid() || h.ExpiresAt != event.NoTime && (!h.ExpiresAt.Valid() || h.ExpiresAt <= h.At) ||
			h.Left <= 0 || !soundGrants(h.Pieces) || total(h.Pieces) > h.Left {
			return false
		}
		if held += int64(total(h.Pieces)); held < 0 {
			return false
		}
	}
	return ascending(a.holds, func(x, y Hold) int { return strings.Compare(x.ID, y.ID) })
}

func (a *Account) soundDraws() bool {
	for i := range a.draws {
		d := &a.draws[i]
		if !d.At.Valid() || !soundGrants(d.Consumed) || !soundGrants(d.Repaid) || !soundDebts(d.Shorts) {
			return false
		}
	}
	return ascending(a.draws, func(x, y Draws) int { return strings.Compare(x.ID, y.ID) })
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
