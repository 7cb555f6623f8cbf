package ledger_test

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"highwater/pkg/event"
)

// plan makes up the operations of one account in the order they arrive, and
// decides the conditional ones as they would have been: of each spend and
// hold it keeps what is left over everything accepted so far, wherever its
// place.
type plan struct {
	t *rapid.T
	// scale is a unit of the amounts: large ones make large sums.
	scale   event.Amount
	ops     []event.Placed
	parents []*parent
	// names of grants that revokes may name.
	names []string
}

// parent is an accepted spend or hold.
type parent struct {
	// op is its index, left what captures or a release may still take.
	op       int
	left     event.Amount
	refunded event.Amount
	// captures are the indices of those accepted.
	captures []int
}

// planned are the operations of an account in the order of their places.
func planned(t *rapid.T) (ops []event.Placed, scale event.Amount) {
	p := plan{t: t, names: []string{"unknown"}}
	p.scale = event.Amount(1) << rapid.SampledFrom([]int{0, 0, 49}).Draw(t, "scale")
	for range rapid.IntRange(1, 60).Draw(t, "events") {
		// The generator prefers what stands in front.
		p.add(rapid.SampledFrom([]event.Kind{
			event.Hold, event.Capture, event.Refund, event.Spend, event.Grant, event.Release, event.Subtract, event.Add, event.Transfer,
			event.Received, event.Grant, event.Refund, event.Capture, event.Grant, event.Hold, event.Refund, event.Release, event.Grant,
		}).Draw(t, "kind"))
	}
	for range rapid.IntRange(0, 5).Draw(t, "revokes") {
		p.revoke()
	}
	slices.SortFunc(p.ops, func(x, y event.Placed) int { return x.Place().Compare(y.Place()) })
	return p.ops, p.scale
}

func (p *plan) number(least, most int, label string) event.Amount {
	return event.Amount(rapid.IntRange(least, most).Draw(p.t, label))
}

// time is any of a few. The generator prefers small numbers; they become
// times far from each other.
func (p *plan) time() event.Time {
	return event.Time(10 + 7*p.number(0, 36, "at")%37)
}

// next is an operation of no kind yet, that arrives behind all others.
func (p *plan) next(kind event.Kind, at event.Time) event.Placed {
	op := event.Placed{
		ID: fmt.Sprintf("e%02d", len(p.ops)), Kind: kind, Time: at, Amount: p.scale * p.number(1, 9, "amount"),
	}
	if rapid.Bool().Draw(p.t, "debt") {
		op.Marks |= event.DebtMark
	}
	if rapid.IntRange(0, 3).Draw(p.t, "forfeit") == 0 {
		op.Marks |= event.ForfeitMark
	}
	return op
}

func (p *plan) add(kind event.Kind) {
	switch kind {
	case event.Capture, event.Release, event.Refund:
		p.child(kind)
		return
	}
	op := p.next(kind, p.time())
	op.Sequence = int64(rapid.SampledFrom([]int{0, 0, 0, 1, -1}).Draw(p.t, "sequence"))
	switch kind {
	case event.Grant, event.Add:
		p.grant(&op)
	case event.Received:
		p.received(&op)
	default:
		if kind == event.Hold && rapid.Bool().Draw(p.t, "expires") {
			d := op.Details()
			d.ExpiresAt = op.Time + event.Time(p.number(1, 9, "lifetime"))
			op = op.With(d)
			p.names = append(p.names, "hold_expired/"+op.ID+"/0", "hold_expired/"+op.ID+"/1")
		}
		switch {
		case kind != event.Subtract && rapid.IntRange(0, 9).Draw(p.t, "rejected") == 0:
			op.Outcome, op.Code = event.Rejected, event.InsufficientFunds
		case kind == event.Spend, kind == event.Hold:
			p.parents = append(p.parents, &parent{op: len(p.ops), left: op.Amount})
			fallthrough
		case kind == event.Transfer:
			op.Outcome = event.Accepted
		}
	}
	p.ops = append(p.ops, op)
}

func (p *plan) grant(op *event.Placed) {
	d := op.Details()
	if op.Kind == event.Grant {
		d.Ref = fmt.Sprintf("g%02d", p.number(0, 99, "first")*100+event.Amount(len(p.ops)))
		d.Priority = int32(p.number(0, 2, "priority"))
		switch p.number(0, 3, "effective") {
		case 1: // in the future
			d.EffectiveAt = op.Time + event.Time(p.number(1, 5, "later"))
		case 2: // backdated
			d.EffectiveAt, d.OccurredAt = op.Time, op.Time+7
		}
	}
	*op = op.With(d)
	if rapid.Bool().Draw(p.t, "expires") {
		d.ExpiresAt = op.UsableFrom() + event.Time(p.number(1, 12, "lifetime"))
		*op = op.With(d)
	}
	if rapid.IntRange(0, 9).Draw(p.t, "rejected") == 0 {
		op.Outcome, op.Code = event.Rejected, event.GrantExists
		return
	}
	p.names = append(p.names, op.GrantID())
}

func (p *plan) received(op *event.Placed) {
	d := op.Details()
	op.Amount, d.From, d.Incoming = 0, "bob", &event.Incoming{}
	for n := range rapid.IntRange(1, 3).Draw(p.t, "grants") {
		in := event.RemittedGrant{Amount: p.scale * p.number(1, 5, "amount"), ExpiresAt: event.NoTime, Priority: int32(p.number(0, 2, "priority"))}
		if rapid.Bool().Draw(p.t, "expires") {
			in.ExpiresAt = op.Time + event.Time(p.number(1, 12, "lifetime"))
		}
		op.Amount += in.Amount
		d.Incoming.Grants = append(d.Incoming.Grants, in)
		p.names = append(p.names, event.RemittedID(d.From, op.ID, n))
	}
	*op = op.With(d)
}

// child makes up a capture, release or refund of some spend or hold, and
// decides it.
func (p *plan) child(kind event.Kind) {
	var able []*parent
	for _, of := range p.parents {
		if kind == event.Refund || p.ops[of.op].Kind == event.Hold {
			able = append(able, of)
		}
	}
	if len(able) == 0 {
		return
	}
	of := able[rapid.IntRange(0, len(able)-1).Draw(p.t, "of")]
	named := &p.ops[of.op]
	at := named.Time + event.Time(5*p.number(0, 12, "after")%13)
	if kind != event.Refund && named.ExpiresAt() != event.NoTime {
		at = min(at, named.ExpiresAt()-1)
	}
	op := p.next(kind, at)
	refer(&op, named.ID)
	if !named.Place().Before(op.Place()) {
		op.Sequence = named.Sequence + 1
	}
	left := of.left
	if kind == event.Refund {
		left = p.refundable(of, op.Place())
	}
	if left <= 0 {
		op.Amount, op.Outcome, op.Code = event.NoAmount, event.Rejected, event.HoldResolved
		p.ops = append(p.ops, op)
		return
	}
	op.Outcome = event.Accepted
	if op.Amount = min(op.Amount, left); kind == event.Release || rapid.IntRange(0, 3).Draw(p.t, "all") == 0 {
		op.Amount = left
	}
	switch kind {
	case event.Refund:
		of.refunded += op.Amount
		named.Marks |= event.RefundedMark
	case event.Capture:
		of.captures = append(of.captures, len(p.ops))
		fallthrough
	case event.Release:
		of.left -= op.Amount
	}
	if kind != event.Capture {
		p.names = append(p.names, op.ID+"/0", op.ID+"/1")
	}
	p.ops = append(p.ops, op)
}

// refer makes an operation name something.
func refer(op *event.Placed, id string) {
	d := op.Details()
	d.Ref = id
	*op = op.With(d)
}

// refundable is what a refund at a place may still give back.
func (p *plan) refundable(of *parent, at event.Place) event.Amount {
	if p.ops[of.op].Kind == event.Spend {
		return p.ops[of.op].Amount - of.refunded
	}
	taken := -of.refunded
	for _, i := range of.captures {
		if p.ops[i].Place().Before(at) {
			taken += p.ops[i].Amount
		}
	}
	return taken
}

func (p *plan) revoke() {
	op := p.next(event.Revoke, p.time())
	op.Amount = event.NoAmount
	refer(&op, p.names[len(p.names)-int(p.number(1, len(p.names), "grant"))])
	if op.Ref() != "unknown" {
		op.Marks |= event.KnownMark
	}
	p.ops = append(p.ops, op)
}
