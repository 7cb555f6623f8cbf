package ledger

// Weight is about how many bytes the state's form has, told at once: how far
// apart checkpoints of it should stand.
func (a *Account) Weight() int {
	const grant, debt, revoked, hold, draws = 48, 32, 24, 128, 160
	x := a.look()
	return (len(a.Usable())+len(x.future))*grant + len(x.debts)*debt + len(x.revoked)*revoked + len(x.holds)*hold + len(x.draws)*draws
}

// Sizes in memory. An id takes as many bytes as most do.
const (
	idBytes    = 24
	grantBytes = 16
	termsBytes = 64 + idBytes
	rareBytes  = 176
	debtBytes  = 24
	holdBytes  = 72
	drawsBytes = 96
)

// Bytes is about how much memory a state has for itself, beside the Account.
func (a *Account) Bytes() int {
	n := cap(a.room) * grantBytes
	if x := a.rare; x != nil {
		n += rareBytes + (cap(x.future)+cap(x.taken))*grantBytes + cap(x.debts)*debtBytes +
			cap(x.holds)*holdBytes + cap(x.draws)*drawsBytes
	}
	return n
}

// SharedBytes is about how much more memory a state and its copies share.
func (a *Account) SharedBytes() int {
	x := a.look()
	n := (len(a.Usable())+len(x.future))*termsBytes + len(x.revoked)*(16+idBytes) + (len(x.debts)+len(x.holds)+len(x.draws))*idBytes
	parts := 0
	for i := range x.holds {
		parts += len(x.holds[i].Pieces)
	}
	for i := range x.draws {
		d := &x.draws[i]
		parts += len(d.Consumed) + len(d.Repaid)
		n += len(d.Shorts) * (debtBytes + idBytes)
	}
	return n + parts*(grantBytes+termsBytes)
}
