package query

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"highwater/pkg/api"
	"highwater/pkg/engine"
	"highwater/pkg/event"
)

// balanceAnswer is an asset at a time.
type balanceAnswer struct {
	UserID string  `json:"user_id"`
	Asset  string  `json:"asset"`
	At     instant `json:"at"`
	balances
	Grants []grantItem `json:"grants"`
	// MoreGrants is how many grants aren't shown.
	MoreGrants int        `json:"more_grants"`
	Holds      []holdItem `json:"holds"`
	MoreHolds  int        `json:"more_holds"`
	// NextChangeAt is when something already known happens next.
	NextChangeAt instant `json:"next_change_at"`
	// Final and Watermark are null for what was known earlier.
	Final     *bool      `json:"final"`
	Watermark instant    `json:"watermark"`
	Position  position   `json:"position"`
	Positions []position `json:"positions"`
}

// maxBalanceItems is how many grants and how many holds stand in a balance.
const maxBalanceItems = 100

func (s *Service) balance(ctx context.Context, p *api.Params) (answer, error) {
	user, asset := p.User("user_id"), p.Asset()
	at, known := p.Time("at", s.now()), p.Time("known_at", event.NoTime)
	partition, err := s.ofUser(ctx, p, user)
	if err != nil {
		return answer{}, err
	}
	b := balanceAnswer{
		UserID: user, Asset: asset, At: instant(at), Grants: []grantItem{}, Holds: []holdItem{},
		NextChangeAt: instant(event.NoTime), Watermark: instant(event.NoTime),
	}
	err = s.lookAt(ctx, partition, func(v view) error {
		b.Positions = v.positions()
		if known == event.NoTime {
			final := at <= v.Watermark()
			b.Final, b.Watermark = &final, instant(v.Watermark())
		}
		a, ok := v.Account(user, asset)
		if !ok {
			return unknownUser(v, user)
		}
		if known == event.NoTime {
			b.fill(v, &a, v.Standing(&a, at))
		} else {
			b.fill(v, &a, v.StandingKnown(&a, at, known))
		}
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	body, err := b.append(make([]byte, 0, balanceBytes))
	return answer{body: body}, err
}

// balanceBytes is what nearly every balance has room in.
const balanceBytes = 2048

// append writes what encoding/json would, which took a fifth of a request: a
// balance is what is asked for most.
func (b *balanceAnswer) append(dst []byte) ([]byte, error) {
	dst = appendText(append(dst, `{"user_id":`...), b.UserID)
	dst = appendText(append(dst, `,"asset":`...), b.Asset)
	dst = b.At.append(append(dst, `,"at":`...))
	dst = appendOptional(dst, `,"balance":`, b.Balance)
	dst = appendOptional(dst, `,"held":`, b.Held)
	dst = appendOptional(dst, `,"debt":`, b.Debt)
	dst = append(dst, `,"grants":[`...)
	for i := range b.Grants {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = b.Grants[i].append(dst)
	}
	dst = appendInt(dst, `],"more_grants":`, int64(b.MoreGrants))
	holds, err := json.Marshal(b.Holds)
	if err != nil {
		return nil, err
	}
	dst = append(append(dst, `,"holds":`...), holds...)
	dst = appendInt(dst, `,"more_holds":`, int64(b.MoreHolds))
	dst = b.NextChangeAt.append(append(dst, `,"next_change_at":`...))
	dst = append(dst, `,"final":`...)
	if b.Final == nil {
		dst = append(dst, "null"...)
	} else {
		dst = strconv.AppendBool(dst, *b.Final)
	}
	dst = b.Watermark.append(append(dst, `,"watermark":`...))
	dst = b.Position.append(append(dst, `,"position":`...))
	dst = append(dst, `,"positions":[`...)
	for i, p := range b.Positions {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = p.append(dst)
	}
	return append(dst, "]}"...), nil
}

func (b *balanceAnswer) fill(v view, a *engine.Account, s engine.Standing) {
	if !s.Entered {
		return
	}
	b.balances = balancesOf(s.State.Balances())
	b.Position = position(s.Newest)
	if next, ok := s.State.NextDue(); ok {
		b.NextChangeAt = instant(next.Time)
	}
	b.Grants = make([]grantItem, 0, min(len(s.State.Usable())+len(s.State.Future()), maxBalanceItems))
	for g := range s.Grants() {
		if len(b.Grants) < maxBalanceItems {
			b.Grants = append(b.Grants, grantItemOf(&v, a.User, &s, &g))
		} else {
			b.MoreGrants++
		}
	}
	b.Holds, b.MoreHolds = firstHolds(v, a, &s)
}

// unknownUser is the problem of a user that nothing is known of; nil for others.
func unknownUser(v view, user string) error {
	if v.HasUser(user) {
		return nil
	}
	return api.Problemf(http.StatusNotFound, "unknown_user", "user_id", "nothing of this user has been processed; give min_position where it was written just now")
}

func (s *Service) timeline(ctx context.Context, p *api.Params) (answer, error) {
	user, asset, limit := p.User("user_id"), p.Asset(), p.Limit()
	from, to := between(p)
	if c, ok := readCursor(p, "timeline"); ok {
		from = max(from, c.At+1)
	}
	partition, err := s.ofUser(ctx, p, user)
	if err != nil {
		return answer{}, err
	}
	steps := newList(limit)
	var next *cursor
	err = s.lookAt(ctx, partition, func(v view) error {
		a, ok := v.Account(user, asset)
		if !ok {
			return unknownUser(v, user)
		}
		unmoved := 0
		var last event.Time
		for step := range v.Steps(&a, from) {
			if step.At >= to {
				break
			}
			if steps.full() || unmoved == maxUnmoved {
				next = &cursor{List: "timeline", At: last}
				break
			}
			last = step.At
			if !step.Moved {
				unmoved++
				continue
			}
			err := steps.addValue(struct {
				At instant `json:"at"`
				balances
			}{instant(step.At), balancesOf(step.Balances)})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return steps.end(next), err
}

// maxUnmoved is how many times a page goes past at which nothing moved.
const maxUnmoved = 10_000

// between reads from (included, the beginning by default) and to (excluded,
// no end by default).
func between(p *api.Params) (from, to event.Time) {
	from, to = p.Time("from", 0), p.Time("to", event.MaxTime+1)
	if to < from {
		p.Refuse(&event.Refusal{Code: event.Invalid, Field: "to", Message: "is before from"})
	}
	return from, to
}
