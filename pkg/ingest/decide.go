package ingest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"highwater/pkg/api"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

const (
	// askAfter is how long nothing is heard of an event before the query
	// service is asked about it, unless there is a reason to ask at once: so long
	// that a processor that is slow, or being replaced, doesn't make everybody
	// ask, which would keep it slow. Of a shorter wait it is half. askPause is
	// the pause before the next question.
	askAfter = 250 * time.Millisecond
	askPause = time.Second
)

// decide serves an operation that is answered with its outcome.
func (s *Service) decide(o operation) serving {
	return s.deciding(func(w http.ResponseWriter, r *http.Request, p *api.Params) (*decision, error) {
		return s.readDecision(w, r, o, p.Path("user_id"), p)
	})
}

// decision is one event whose outcome somebody waits for.
type decision struct {
	event.Event
	// isGiven says that the sender chose the event_id: it may come again.
	isGiven bool
	// began is when the whole request was there; until is how long its outcome
	// is waited for.
	began, until time.Time
	preference   preference
	// leave gives the request's slot back: who waits for an outcome keeps
	// nobody from writing.
	leave func()
}

// deciding makes a route of what reads its event.
func (s *Service) deciding(read func(http.ResponseWriter, *http.Request, *api.Params) (*decision, error)) serving {
	return func(w http.ResponseWriter, r *http.Request, p *api.Params) error {
		leave, err := s.enter()
		if err != nil {
			return err
		}
		defer leave()
		d, err := read(w, r, p)
		if err != nil {
			return err
		}
		d.leave = leave
		return s.decideOne(w, r, d)
	}
}

// readDecision reads the event of a request about a user.
func (s *Service) readDecision(w http.ResponseWriter, r *http.Request, o operation, user string, p *api.Params) (*decision, error) {
	key, err := keyOf(r)
	if err != nil {
		return nil, err
	}
	body, err := readObject(w, r, o.bare)
	if err != nil {
		return nil, err
	}
	g := given(key)
	g.Kind, g.User = o.kind, user
	if o.ref != "" {
		g.Ref = p.Path(o.ref)
	}
	d := &decision{began: time.Now(), preference: preferenceOf(r, s.cfg.MaxWait)}
	d.until = d.began.Add(d.preference.waits(s.cfg.OutcomeTimeout))
	if err := s.parseOne(body, &g, key, &d.Event); err != nil {
		return nil, err
	}
	d.isGiven = key != "" || d.ID != g.SpareID
	return d, nil
}

// decideOne writes an event, waits for its outcome and answers with it; where
// there is none in time, with where to ask for it.
func (s *Service) decideOne(w http.ResponseWriter, r *http.Request, d *decision) error {
	// They outlive the write, and mustn't keep the body that they are parts of.
	d.User, d.ID = strings.Clone(d.User), strings.Clone(d.ID)
	waiter, err := s.expect(r.Context(), d)
	if err != nil {
		return err
	}
	if waiter != nil {
		defer s.follower.leave(waiter)
	}
	isRepeated := d.isGiven && s.recent.swap(d.User, d.ID)
	written := s.producer.write(&d.Event)
	result := s.answer(written)
	d.leave()
	d.Event = event.Event{User: d.User, ID: d.ID}
	if err := result.problem(); err != nil {
		return err
	}
	var o *outcome
	if waiter != nil {
		waiter.recorded(written.position)
		o = s.await(r.Context(), waiter, d.until, isRepeated)
	}
	d.preference.apply(w.Header(), o == nil, o != nil || !time.Now().Before(d.until))
	if o == nil {
		w.Header().Set("Location", s.reads.outcomeURL(d.User, d.ID, result.Position))
		api.WriteJSON(w, http.StatusAccepted, mustJSON(&result))
		return nil
	}
	s.metrics.waitSeconds.Observe(time.Since(d.began).Seconds())
	return o.answer(w, d.ID)
}

// expect begins to wait for an event's outcome, before the event is written
// (I7). There is no waiter where nobody is to wait, or too many do already.
func (s *Service) expect(ctx context.Context, d *decision) (*waiter, error) {
	if !d.until.After(d.began) {
		return nil, nil
	}
	ready, cancel := context.WithDeadline(ctx, d.began.Add(s.cfg.ProduceTimeout))
	defer cancel()
	if err := s.topics.wait(ready); err != nil {
		s.metrics.events[statusRefused].Inc()
		p := unavailable("the event was not recorded: " + err.Error() + "; send it again later")
		p.EventID = d.ID
		return nil, p
	}
	following, cancel := context.WithDeadline(ctx, d.until)
	defer cancel()
	w := s.follower.expect(following, kafka.PartitionOf(d.User, s.topics.partitions), d.User, d.ID)
	if w == nil {
		s.metrics.waits[tooManyWait].Inc()
	}
	return w, nil
}

// await is the outcome of an event that was recorded; nil where there is none
// in time, the caller has gone, or the service stops.
func (s *Service) await(ctx context.Context, w *waiter, until time.Time, isRepeated bool) *outcome {
	began := time.Now()
	waiting, cancel := context.WithDeadline(ctx, until)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	quiet := time.NewTimer(min(s.askAfter, until.Sub(began)/2))
	defer quiet.Stop()
	if isRepeated || s.follower.mayMiss(w) {
		quiet.Reset(0)
	}
	repeated := w.repeated
	for isOver := false; !isOver; {
		select {
		case <-w.done:
			isOver = true
		case <-repeated:
			quiet.Reset(0)
			repeated = nil
		case <-quiet.C:
			repeated = nil
			asking.Go(func() { s.ask(waiting, w) })
		case <-waiting.Done():
			isOver = true
		case <-s.cfg.Stopping:
			isOver = true
		}
	}
	switch {
	case w.isDone(): // also where the wait ends in the same moment
		s.metrics.outcomeSeconds.Observe(time.Since(began).Seconds())
		s.metrics.waits[w.outcome.source].Inc()
		return w.outcome
	case ctx.Err() != nil:
		s.metrics.waits[callerGone].Inc()
	default:
		s.metrics.waits[timeUp].Inc()
	}
	return nil
}

// ask asks the query service until it knows the outcome, or ctx ends.
func (s *Service) ask(ctx context.Context, w *waiter) {
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		if s.askOnce(ctx, w) {
			return
		}
		again.Reset(askPause)
	}
}

// askOnce asks once, and reports whether that is enough.
//
// An entry that came from another record says that the event was there
// before, by the same id: of the same content, and then this is its outcome;
// or of other content, and then a dead letter says so. The two are told apart
// by reading all letters up to now (I6).
func (s *Service) askOnce(ctx context.Context, w *waiter) bool {
	o, err := s.reads.entry(ctx, w.user, w.id, w.position)
	if err != nil {
		// Without an entry the event is a dead letter, which the follower finds.
		return errors.Is(err, errNoEntry)
	}
	isOwn := o.at == w.position
	switch {
	case isOwn && o.pending:
		return false
	case !isOwn && !s.follower.readLetters(ctx, w):
		return false
	case o.pending:
		w.repeats(o.at)
		return false
	}
	w.learns(&o)
	return true
}
