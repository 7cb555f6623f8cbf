package ledger

import (
	"fmt"

	"highwater/pkg/event"
	"highwater/pkg/pack"
)

// The form of an account, version 1, as pack's parts:
//
//	version 1 | usable: count, grants | future: count, grants
//	| debts: count, (event_id, amount) | revoked: count, ids
//	grant: id, remaining, effective_at, expires_at+1, priority
//
// What can be derived (sums, the next due time) is derived.
const accountVersion = 1

// AppendTo appends the account's persisted form.
func (a *Account) AppendTo(b []byte) []byte {
	b = append(b, accountVersion)
	b = appendGrants(b, a.usable)
	b = appendGrants(b, a.future)
	b = pack.Uint(b, uint64(len(a.debts)))
	for i := range a.debts {
		b = pack.String(b, a.debts[i].EventID)
		b = pack.Uint(b, uint64(a.debts[i].Amount))
	}
	b = pack.Uint(b, uint64(len(a.revoked)))
	for _, id := range a.revoked {
		b = pack.String(b, id)
	}
	return b
}

func appendGrants(b []byte, grants []Grant) []byte {
	b = pack.Uint(b, uint64(len(grants)))
	for i := range grants {
		g := &grants[i]
		b = pack.String(b, g.ID)
		b = pack.Uint(b, uint64(g.Remaining))
		b = pack.Uint(b, uint64(g.EffectiveAt))
		b = pack.Uint(b, uint64(g.ExpiresAt+1))
		b = pack.Uint(b, uint64(g.Priority))
	}
	return b
}

// Decode makes a the account whose persisted form is row. The account keeps
// row's memory.
func (a *Account) Decode(row string) error {
	r := pack.NewReader(row)
	if v := r.Byte(); v != accountVersion {
		return fmt.Errorf("account of version %d: this program reads version %d", v, accountVersion)
	}
	*a = Account{}
	a.usable = decodeGrants(&r)
	a.future = decodeGrants(&r)
	if n := r.Count(2); n > 0 {
		a.debts = make([]Debt, n)
		for i := range a.debts {
			a.debts[i] = Debt{EventID: r.String(), Amount: event.Amount(r.Uint())}
			a.owed += int64(a.debts[i].Amount)
		}
	}
	if n := r.Count(1); n > 0 {
		a.revoked = make([]string, n)
		for i := range a.revoked {
			a.revoked[i] = r.String()
		}
	}
	if err := r.Close(); err != nil {
		return fmt.Errorf("account: %w", err)
	}
	for i := range a.usable {
		a.available += int64(a.usable[i].Remaining)
	}
	a.findDue()
	return nil
}

func decodeGrants(r *pack.Reader) []Grant {
	n := r.Count(5)
	if n == 0 {
		return nil
	}
	grants := make([]Grant, n)
	for i := range grants {
		grants[i] = Grant{
			ID: r.String(), Remaining: event.Amount(r.Uint()), EffectiveAt: event.Time(r.Uint()),
			ExpiresAt: event.Time(r.Uint()) - 1, Priority: int32(r.Uint()),
		}
	}
	return grants
}
