package engine

import (
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
	"highwater/pkg/timeline"
)

// parent is the event that a capture, release or refund names.
type parent struct {
	found  bool
	number uint64
	op     event.Placed
	// extra is what the event's row holds besides.
	extra event.Event
}

// findParent looks for the event that an operation names.
func (e *Engine) findParent(u *user, id string) (p parent) {
	e.key = appendName(e.key[:0], nameEvent, u.id, id, e.key2)
	value, ok := e.rows.Get(e.key)
	if !ok {
		return p
	}
	key, row, ok := e.eventNamed(value, id)
	if !ok {
		e.fail(errCorruptKey)
		return p
	}
	p.number = numberOf(key[1:])
	p.found = e.readEvent(key, row, &p.op, &p.extra)
	return p
}

// eventNamed reads the row of the event that a name's value tells the place of,
// decided or waiting.
func (e *Engine) eventNamed(value []byte, id string) (key, row []byte, ok bool) {
	if key, ok = keyNamed(value, id); !ok {
		return nil, nil, false
	}
	if row, ok = e.rows.Get(key); ok {
		return key, row, true
	}
	key[0] = keyPending
	row, ok = e.rows.Get(key)
	return key, row, ok
}

// hasAsset reports whether the parent is of an account's asset: a command on
// orders has one, too, that its entries don't say.
func (p *parent) hasAsset(a *account) bool {
	if !p.op.Kind.IsOrder() {
		return p.number == a.number
	}
	own := p.extra.Asset
	if own == "" {
		own = event.DefaultAsset
	}
	return own == a.asset
}

func reject(op *event.Placed, code event.Code) { op.Outcome, op.Code = event.Rejected, code }

// decideChild decides a capture, release or refund. Of what it changes in the
// events known before, it returns the edits.
func (e *Engine) decideChild(u *user, a *account, op *event.Placed, edits []timeline.Edit) []timeline.Edit {
	p := e.findParent(u, op.Ref())
	isHold := p.op.Kind == event.Hold
	switch {
	case !p.found || !p.hasAsset(a):
		reject(op, event.UnknownReference)
	case !isHold && (op.Kind != event.Refund || p.op.Kind != event.Spend), p.op.Outcome != event.Accepted:
		reject(op, event.NotASpend)
	case !p.op.Place().Before(op.Place()):
		reject(op, event.BeforeReference)
	case op.Kind == event.Refund:
		return e.decideRefund(u, a, op, &p, edits)
	default:
		return e.decideHeld(u, a, op, &p, edits)
	}
	return edits
}

// decideHeld decides a capture or release of an accepted hold.
func (e *Engine) decideHeld(u *user, a *account, op *event.Placed, hold *parent, edits []timeline.Edit) []timeline.Edit {
	use := e.use(a, op.Ref())
	left := hold.op.Amount - use.captured
	if use.released {
		left = 0
	}
	switch {
	case left == 0:
		reject(op, event.HoldResolved)
	case hold.op.ExpiresAt() != event.NoTime && op.Time >= hold.op.ExpiresAt():
		reject(op, event.HoldIsExpired)
	case op.Kind == event.Capture && op.Amount != event.NoAmount && op.Amount > left:
		reject(op, event.ExceedsHeld)
	case op.Kind == event.Release:
		op.Outcome, op.Amount = event.Accepted, left
		use.released = true
		e.setUse(a, op.Ref(), use)
		return e.wakeRevokes(u, a, op.ID+"/", edits)
	default:
		op.Outcome = event.Accepted
		if op.Amount == event.NoAmount {
			op.Amount = left
			op.Marks |= event.OpenAmountMark
		}
		use.captured += op.Amount
		e.setUse(a, op.Ref(), use)
		e.key = appendCaptureKey(e.key[:0], a.number, op.Ref(), op.Place())
		e.val = appendCaptureRow(e.val[:0], op.Amount)
		e.rows.Set(e.key, e.val)
	}
	return edits
}

// decideRefund decides a refund of an accepted spend or hold. The first
// accepted one makes what it refunds remember what it drew.
func (e *Engine) decideRefund(u *user, a *account, op *event.Placed, of *parent, edits []timeline.Edit) []timeline.Edit {
	use := e.use(a, op.Ref())
	taken := of.op.Amount
	if of.op.Kind == event.Hold {
		taken = e.capturedBefore(a, op.Ref(), op.Place())
	}
	left := max(taken-use.refunded, 0)
	switch {
	case left == 0 && use.refunded > 0:
		reject(op, event.AlreadyRefunded)
		return edits
	case left == 0, op.Amount != event.NoAmount && op.Amount > left:
		reject(op, event.ExceedsRefundable)
		return edits
	}
	op.Outcome = event.Accepted
	if op.Amount == event.NoAmount {
		op.Amount = left
		op.Marks |= event.OpenAmountMark
	}
	use.refunded += op.Amount
	e.setUse(a, op.Ref(), use)
	if !of.op.Marks.Has(event.RefundedMark) {
		before, marked := new(event.Placed), new(event.Placed)
		*before, *marked = of.op, of.op
		marked.Marks |= event.RefundedMark
		e.writeEvent(a.number, marked, &of.extra)
		edits = append(edits, timeline.Edit{Place: before.Place(), Old: before, New: marked})
	}
	return e.wakeRevokes(u, a, op.ID+"/", edits)
}

// use is what accepted operations took of a spend or hold, wherever their
// places.
type use struct {
	captured, refunded event.Amount
	released           bool
}

func (e *Engine) use(a *account, id string) (s use) {
	e.key = appendUseKey(e.key[:0], a.number, id)
	row, ok := e.rows.Get(e.key)
	if !ok {
		return s
	}
	if err := s.decode(string(row)); err != nil {
		e.fail(err)
	}
	return s
}

func (e *Engine) setUse(a *account, id string, s use) {
	e.key = appendUseKey(e.key[:0], a.number, id)
	e.val = s.append(e.val[:0])
	e.rows.Set(e.key, e.val)
}

// capturedBefore is what accepted captures placed before a place took of a
// hold.
func (e *Engine) capturedBefore(a *account, holdID string, place event.Place) (sum event.Amount) {
	from := appendCaptureKey(nil, a.number, holdID, event.Place{})
	to := appendCaptureKey(nil, a.number, holdID, place)
	for _, row := range e.rows.Scan(from, to) {
		amount, err := readCaptureRow(string(row))
		if err != nil {
			e.fail(err)
		}
		sum += amount
	}
	return sum
}

// decideDebit decides a spend, hold or transfer. An account that it comes on
// time for must be at its place.
func (e *Engine) decideDebit(u *user, a *account, op *event.Placed, edits []timeline.Edit) []timeline.Edit {
	total := a.debited
	switch {
	case !addTotal(&total, op):
		return edits
	case e.breaksRule(a, op):
		reject(op, event.RiskLimited)
		return edits
	case !op.Marks.Has(event.LateMark) && a.line.Head.Available() < int64(op.Amount),
		op.Marks.Has(event.LateMark) && !e.fits(a, op):
		reject(op, event.InsufficientFunds)
		return edits
	}
	op.Outcome = event.Accepted
	a.debited = total
	if op.Kind == event.Hold && op.ExpiresAt() != event.NoTime {
		return e.wakeRevokes(u, a, event.HoldExpired.String()+"/"+op.ID+"/", edits)
	}
	return edits
}

// fits reports whether a late debit leaves no event with a greater shortfall
// and no time with a greater debt. It walks from its place only until the
// answer is known.
func (e *Engine) fits(a *account, op *event.Placed) bool {
	at := op.Place()
	op.Outcome = event.Accepted
	defer func() { op.Outcome = event.NoOutcome }()
	w := &e.late.credits
	last := a.line.Last()
	short, deeper := false, false
	time := at.Time
	e.try(a, timeline.Edit{Place: at, New: op}, func(s *timeline.Step) bool {
		if s.Place.Time != time {
			if deeper {
				return false
			}
			time = s.Place.Time
		}
		deeper = w.New.Owed() > w.Old.Owed()
		before := int64(0)
		if s.Before != nil {
			before = s.Before.Shortfall
		}
		short = s.After != nil && s.After.Shortfall > before
		// Behind every event only what falls due repays; without a debt there
		// is nothing left that could get worse.
		done := w.New.Owed() == 0 && !s.Place.Before(last)
		return !short && !done
	})
	return !short && !deeper
}

// knowsRestored reports whether the operation that would make a restored
// grant is known and accepted.
func (e *Engine) knowsRestored(u *user, a *account, grantID string) bool {
	by, timeOut := restoredBy(grantID)
	if by == "" {
		return false
	}
	p := e.findParent(u, by)
	if !p.found || p.number != a.number || p.op.Outcome != event.Accepted {
		return false
	}
	if timeOut {
		return p.op.Kind == event.Hold && p.op.ExpiresAt() != event.NoTime
	}
	return p.op.Kind == event.Refund || p.op.Kind == event.Release
}

// restoredBy is the event that would make a restored grant of this id, and
// whether it would by its time-out; "" for any other id.
func restoredBy(grantID string) (id string, timeOut bool) {
	i := strings.LastIndexByte(grantID, '/')
	if i < 0 || !isNumber(grantID[i+1:]) {
		return "", false
	}
	id, timeOut = strings.CutPrefix(grantID[:i], event.HoldExpired.String()+"/")
	if strings.IndexByte(id, '/') >= 0 {
		return "", false
	}
	return id, timeOut
}

// isNumber reports whether s is a decimal number as we write it.
func isNumber(s string) bool {
	return s == "0" || s != "" && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}

// remit says what an accepted transfer sends.
func (e *Engine) remit(a *account, op *event.Placed, taken []ledger.Grant) {
	r := &e.remittance
	*r = event.Remittance{
		From: a.user.id, To: op.To(), EventID: op.ID, Asset: a.asset,
		OccurredAt: op.OccurredAt(), Sequence: op.Sequence,
		ArrivedAt: op.ArrivedAt, Input: e.inputOf(op), Grants: r.Grants[:0],
	}
	for i := range taken {
		r.Grants = append(r.Grants, event.RemittedGrant{Amount: taken[i].Remaining, ExpiresAt: taken[i].ExpiresAt, Priority: taken[i].Priority})
	}
	e.sink.Remittance(r)
}
