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
)

// locate serves a command on an order whose user the request doesn't name. The
// user is found where the order is live.
//
// A cancel that is sent again finds its order live no more, and nothing but its
// order_id to go by: what no state keeps can't be asked. So it is remembered
// here for a while whose order a command was for, if its sender chose an
// event_id; behind that, and on another instance, such a retry has to name the
// user.
func (s *Service) locate(o operation) serving {
	return s.deciding(func(w http.ResponseWriter, r *http.Request, p *api.Params) (*decision, error) {
		orderID := p.Path(o.ref)
		if refusal := event.CheckID(o.ref, orderID); refusal != nil {
			return nil, refused(refusal)
		}
		// The body is read for a user that nobody has, and so names none.
		nobody := newEventID(time.Now())
		d, err := s.readDecision(w, r, o, nobody, p)
		if err != nil {
			return nil, namesNone(err, orderID, o.kind)
		}
		d.User, err = s.userOf(r.Context(), d)
		return d, err
	})
}

// findAtLeast is how long an order's user is looked for, also where the outcome
// isn't waited for.
const findAtLeast = time.Second

var errStops = errors.New("the service stops")

// finding is the context of a look-up: it ends when the outcome is waited for
// no more, and with the service. Who looks up is about to write and has a slot
// of those who do, so it isn't more patient than a write either (I5).
func (s *Service) finding(ctx context.Context, d *decision) (context.Context, context.CancelFunc) {
	patience := min(max(d.until.Sub(d.began), findAtLeast), s.cfg.ProduceTimeout)
	ctx, end := context.WithCancelCause(ctx)
	ctx, cancel := context.WithDeadlineCause(ctx, d.began.Add(patience), errNoAnswer)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-s.cfg.Stopping:
			end(errStops)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel()
		watching.Wait()
		end(nil)
	}
}

// namesNone says of a body that names a user where none is to be named what
// to do.
func namesNone(err error, orderID string, k event.Kind) error {
	if p, ok := errors.AsType[*api.Problem](err); ok && p.Field == "user_id" {
		p.Detail = "this path finds the order's user; leave it out, or name it in the path: " + user + "/orders/" + orderID + "/" + k.String()
	}
	return err
}

// userOf finds the one user of the order that a command is for.
func (s *Service) userOf(ctx context.Context, d *decision) (string, error) {
	t := target{order: d.Ref, event: d.ID}
	if user, ok := s.targets.user(t); ok {
		return user, nil
	}
	finding, cancel := s.finding(ctx, d)
	defer cancel()
	users, err := s.reads.usersOf(finding, d.Ref)
	switch {
	case err != nil:
		return "", unavailable("nothing was recorded: the order's user can't be found now: " + shorten(err.Error()) + "; send it again later, or name the user")
	case len(users) == 0:
		return "", api.Problemf(http.StatusNotFound, event.UnknownOrder.String(), "order_id",
			"no live order has this id, and nothing more was recorded. If this was sent before, it may have ended the order: name the user to get what became of it")
	case len(users) > 1:
		return "", api.Problemf(http.StatusConflict, event.AmbiguousOrder.String(), "order_id",
			"several users have a live order of this id; nothing was recorded: name the user")
	}
	if d.isGiven {
		// What is kept mustn't keep the body.
		s.targets.add(target{order: t.order, event: strings.Clone(t.event)}, users[0])
	}
	return users[0], nil
}
