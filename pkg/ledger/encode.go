package ledger

import (
	"cmp"
	"fmt"

	"highwater/pkg/event"
	"highwater/pkg/pack"
)

// The form of an account, version 2, as pack's parts:
//
//	version 2 | usable: count, grants | future: count, grants
//	| debts: count, (event_id, amount) | revoked: count, ids
//	| holds: count, (id, at, expires_at, left, forfeit byte, grants)
//	| draws: count, (id, at, consumed: count, grants, repaid: count, grants,
//	  shorts: count, (event_id, amount))
//	grant: id, remaining, effective_at, expires_at, priority, origin
//
// When something expires is written from when it began. What can be derived (sums, the next due time) is derived.
const accountVersion = 2

// AppendTo appends the account's persisted form.
func (a *Account) AppendTo(b []byte) []byte {
	b = append(b, accountVersion)
	x := a.look()
	b = appendGrants(b, a.Usable())
	b = appendGrants(b, x.future)
	b = appendDebts(b, x.debts)
	b = pack.Uint(b, uint64(len(x.revoked)))
	for _, id := range x.revoked {
		b = pack.String(b, id)
	}
	b = pack.Uint(b, uint64(len(x.holds)))
	for i := range x.holds {
		h := &x.holds[i]
		b = pack.String(b, h.ID)
		b = appendTime(b, h.At, 0)
		b = appendTime(b, h.ExpiresAt, h.At)
		b = pack.Uint(b, uint64(h.Left))
		forfeit := byte(0)
		if h.Forfeit {
			forfeit = 1
		}
		b = append(b, forfeit)
		b = appendGrants(b, h.Pieces)
	}
	b = pack.Uint(b, uint64(len(x.draws)))
	for i := range x.draws {
		d := &x.draws[i]
		b = pack.String(b, d.ID)
		b = appendTime(b, d.At, 0)
		b = appendGrants(b, d.Consumed)
		b = appendGrants(b, d.Repaid)
		b = appendDebts(b, d.Shorts)
	}
	return b
}

func appendDebts(b []byte, debts []Debt) []byte {
	b = pack.Uint(b, uint64(len(debts)))
	for i := range debts {
		b = pack.String(b, debts[i].EventID)
		b = pack.Uint(b, uint64(debts[i].Amount))
	}
	return b
}

func appendGrants(b []byte, grants []Grant) []byte {
	b = pack.Uint(b, uint64(len(grants)))
	for i := range grants {
		g := &grants[i]
		b = pack.String(b, g.ID)
		b = pack.Uint(b, uint64(g.Remaining))
		b = appendTime(b, g.EffectiveAt, 0)
		b = appendTime(b, g.ExpiresAt, g.EffectiveAt)
		b = pack.Uint(b, uint64(g.Priority))
		b = pack.String(b, g.Origin)
	}
	return b
}

// Decode makes a the account whose persisted form is row. The account keeps
// row's memory. A row that AppendTo can't have written is an error, as far as
// that shows; a is then of no use.
func (a *Account) Decode(row string) error {
	r := pack.NewReader(row)
	if v := r.Byte(); v != accountVersion {
		return fmt.Errorf("account of version %d: this program reads version %d", v, accountVersion)
	}
	*a = Account{room: decodeGrants(&r)}
	x := rare{future: decodeGrants(&r), debts: decodeDebts(&r)}
	if n := r.Count(1); n > 0 {
		x.revoked = make([]string, n)
		for i := range x.revoked {
			x.revoked[i] = r.String()
		}
	}
	forfeits := x.decodeHolds(&r)
	x.decodeDraws(&r)
	if !x.isEmpty() {
		*a.own() = x
	}
	if err := r.Close(); err != nil {
		return fmt.Errorf("account: %w", err)
	}
	if what := a.unsound(); what != "" || !forfeits {
		return fmt.Errorf("account: %s: %w; restore the state from its changelog", cmp.Or(what, "holds"), pack.ErrCorrupt)
	}
	a.available = int64(total(a.room))
	if a.rare != nil {
		a.addUp()
	}
	a.findDue()
	return nil
}

// addUp derives the sums.
func (x *rare) addUp() {
	for i := range x.debts {
		x.owed += int64(x.debts[i].Amount)
	}
	for i := range x.holds {
		pieces := x.holds[i].Pieces
		x.held += int64(total(pieces))
		if len(pieces) == 0 {
			x.bareBy(x.holds[i].ExpiresAt)
		}
	}
}

// decodeHolds reports whether each hold's forfeit byte is one.
func (x *rare) decodeHolds(r *pack.Reader) bool {
	n := r.Count(6)
	if n == 0 {
		return true
	}
	ok := true
	x.holds = make([]Hold, n)
	for i := range x.holds {
		h := &x.holds[i]
		h.ID, h.At = r.String(), readTime(r, 0)
		h.ExpiresAt = readTime(r, h.At)
		h.Left = event.Amount(r.Uint())
		forfeit := r.Byte()
		ok = ok && forfeit <= 1
		h.Forfeit = forfeit == 1
		h.Pieces = decodeGrants(r)
	}
	return ok
}

func (x *rare) decodeDraws(r *pack.Reader) {
	n := r.Count(5)
	if n == 0 {
		return
	}
	x.draws = make([]Draws, n)
	for i := range x.draws {
		d := &x.draws[i]
		d.ID, d.At = r.String(), readTime(r, 0)
		d.Consumed, d.Repaid = decodeGrants(r), decodeGrants(r)
		d.Shorts = decodeDebts(r)
	}
}

func decodeDebts(r *pack.Reader) []Debt {
	n := r.Count(2)
	if n == 0 {
		return nil
	}
	debts := make([]Debt, n)
	for i := range debts {
		debts[i] = Debt{EventID: r.String(), Amount: event.Amount(r.Uint())}
	}
	return debts
}

func decodeGrants(r *pack.Reader) []Grant {
	n := r.Count(6)
	if n == 0 {
		return nil
	}
	grants, terms := make([]Grant, n), make([]Terms, n)
	for i := range grants {
		t := &terms[i]
		t.ID, grants[i] = r.String(), Grant{Terms: t, Remaining: event.Amount(r.Uint())}
		t.EffectiveAt = readTime(r, 0)
		t.ExpiresAt = readTime(r, t.EffectiveAt)
		t.Priority, t.Origin = int32(r.Uint()), r.String()
	}
	return grants
}

// appendTime appends a time, or NoTime, as its distance from another one.
func appendTime(b []byte, t, from event.Time) []byte { return pack.Time(b, int64(t), int64(from)) }

func readTime(r *pack.Reader, from event.Time) event.Time { return event.Time(r.Time(int64(from))) }
