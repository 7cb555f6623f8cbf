package verify

import (
	"slices"

	"highwater/pkg/event"
)

// waitingOps follows the operations that wait for the one they name.
type waitingOps struct {
	decider *decider
	ops     []waitingOp
	// next are those that must be decided before anything else.
	next []waitingOp
}

// waitingOp is an operation with its pending entry.
type waitingOp struct {
	event *event.Event
	said  *published[event.Entry]
}

// entry takes an event's entry; it is false for one that begins to wait, and
// so is no decision.
func (w *waitingOps) entry(p *published[event.Entry], ev *event.Event) (decides bool) {
	e, report := &p.value, w.decider.h.report
	if len(w.next) > 0 {
		if first := w.next[0]; first.event != ev {
			report.fail(checkPending, "%s: %s %s of %s comes before %s was decided, which waited for what came before it",
				where(p.record), e.Kind, e.EventID, e.UserID, first.event.ID)
			w.next = nil
		} else {
			w.next = w.next[1:]
		}
	}
	waits := w.mustWait(e, ev)
	switch {
	case e.Outcome == event.Pending:
		report.count(checkPending, "began to wait", 1)
		if !waits || e.Revision != 0 {
			report.fail(checkPending, "%s: %s %s of %s waits in revision %d at the watermark %s, but %q is known, or it stands behind the watermark",
				where(p.record), e.Kind, e.EventID, e.UserID, e.Revision, e.Watermark, ev.Ref)
		}
		w.ops = append(w.ops, waitingOp{ev, p})
	case e.Revision == 1:
		w.ends(p, ev)
		return true
	default:
		if waits {
			report.fail(checkPending, "%s: %s %s of %s was decided at the watermark %s, but had to wait for %q", where(p.record), e.Kind, e.EventID, e.UserID, e.Watermark, ev.Ref)
		}
		return true
	}
	return false
}

// mustWait reports whether an operation comes before the one it names.
func (w *waitingOps) mustWait(e *event.Entry, ev *event.Event) bool {
	switch ev.Kind {
	case event.Capture, event.Release, event.Refund:
		return w.decider.events[userEvent{ev.User, ev.Ref}] == nil && ev.EffectiveTime() > e.Watermark && w.waitingOf(ev.User) < maxWaiting
	}
	return false
}

// maxWaiting is how many operations of one user wait at a time.
const maxWaiting = 1000

func (w *waitingOps) waitingOf(user string) (n int) {
	for i := range w.ops {
		if w.ops[i].event.User == user {
			n++
		}
	}
	return n
}

// ends takes the decision of an operation that waited.
func (w *waitingOps) ends(p *published[event.Entry], ev *event.Event) {
	e, report := &p.value, w.decider.h.report
	i := slices.IndexFunc(w.ops, func(o waitingOp) bool { return o.event == ev })
	if i < 0 {
		report.fail(checkPending, "%s: %s %s of %s is decided in revision 1, but doesn't wait", where(p.record), e.Kind, e.EventID, e.UserID)
		return
	}
	w.ops = slices.Delete(w.ops, i, i+1)
	if w.decider.events[userEvent{ev.User, ev.Ref}] != nil {
		report.count(checkPending, "decided", 1)
		return
	}
	report.count(checkPending, "given up", 1)
	if ev.EffectiveTime() > e.Watermark {
		report.fail(checkPending, "%s: %s %s of %s at %s was given up at the watermark %s, which hasn't passed it",
			where(p.record), e.Kind, e.EventID, e.UserID, e.EffectiveAt, e.Watermark)
	}
}

// processed takes an event that is known from now on: those that waited for
// it must be decided next.
func (w *waitingOps) processed(e *event.Entry, ev *event.Event) {
	key := userEvent{ev.User, ev.ID}
	if e.Outcome == event.Pending && w.decider.events[key] == nil {
		w.decider.events[key] = &known{event: ev}
	}
	if e.Revision == 1 {
		return
	}
	for _, o := range w.ops {
		if o.event.User == ev.User && o.event.Ref == ev.ID {
			w.next = append(w.next, o)
		}
	}
	slices.SortFunc(w.next, func(a, b waitingOp) int { return a.event.Place().Compare(b.event.Place()) })
}

// end checks that nothing waits that mustn't any more.
func (w *waitingOps) end() {
	h := w.decider.h
	for _, o := range w.next {
		h.report.fail(checkPending, "%s: %s of %s waited for %q, which came, but was never decided", where(o.said.record), o.event.ID, o.event.User, o.event.Ref)
	}
	for _, o := range w.ops {
		h.report.count(checkPending, "wait still", 1)
		if watermark := h.chain.last().watermark; o.event.EffectiveTime() <= watermark {
			h.report.fail(checkPending, "%s: %s of %s at %s waits, but the watermark is %s: it had to be given up",
				where(o.said.record), o.event.ID, o.event.User, o.event.EffectiveTime(), watermark)
		}
	}
}
