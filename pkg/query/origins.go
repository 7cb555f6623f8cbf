package query

import (
	"hash/maphash"
	"strings"
	"sync/atomic"

	"highwater/pkg/event"
)

// origin is how a grant came to be.
type origin struct {
	user, grant  string
	amount       event.Amount
	eventID      string
	kind         event.Kind
	counterparty string
	// seq is the batch behind which it was read.
	seq int64
}

// origins remembers how a partition's grants came to be, which takes two rows a
// grant and is the larger part of a balance. A grant's name is taken once for
// ever, and the event that took it is written once, so what was read stays
// right for all later snapshots; an earlier one reads for itself (I1).
//
// Each grant has one place, which it takes from who has it: no lock, and no
// more memory than places.
type origins struct {
	seed    maphash.Seed
	places  []atomic.Pointer[origin]
	metrics *metrics
}

func newOrigins(places int, m *metrics) *origins {
	return &origins{seed: maphash.MakeSeed(), places: make([]atomic.Pointer[origin], max(places, 1)), metrics: m}
}

func (o *origins) place(user, grant string) *atomic.Pointer[origin] {
	var h maphash.Hash
	h.SetSeed(o.seed)
	_, _ = h.WriteString(user)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(grant)
	return &o.places[h.Sum64()%uint64(len(o.places))]
}

// origin finds how one of a user's grants came to be; false where the rows
// don't tell.
func (v *view) origin(user, grant string) (o origin, found bool) {
	place := v.origins.place(user, grant)
	if known := place.Load(); known != nil && known.grant == grant && known.user == user && known.seq <= v.meta.Seq {
		v.origins.metrics.originHits.Inc()
		return *known, true
	}
	v.origins.metrics.originMisses.Inc()
	g, found := v.Granted(user, grant)
	id, kind := g.MadeBy()
	o = origin{user: user, grant: grant, amount: g.Amount, eventID: id, kind: kind, counterparty: g.By.From(), seq: v.meta.Seq}
	// A restored grant is what a replay makes of it.
	if found && !g.Restored {
		// What is kept holds no rows.
		kept := o
		kept.user, kept.grant, kept.eventID, kept.counterparty = strings.Clone(user), strings.Clone(grant), strings.Clone(id), strings.Clone(o.counterparty)
		place.Store(&kept)
	}
	return o, found
}
