package query

import (
	"context"

	"highwater/pkg/api"
	"highwater/pkg/engine"
	"highwater/pkg/event"
)

// grantItem is what there is of a grant, and how it came.
type grantItem struct {
	GrantID     string       `json:"grant_id"`
	Remaining   event.Amount `json:"remaining"`
	Held        event.Amount `json:"held"`
	EffectiveAt instant      `json:"effective_at"`
	ExpiresAt   instant      `json:"expires_at"`
	Priority    int32        `json:"priority"`
	State       string       `json:"state"`
	Amount      event.Amount `json:"amount"`
	madeBy
}

// madeBy is what made a grant.
type madeBy struct {
	EventID      string   `json:"event_id"`
	Kind         string   `json:"kind"`
	Counterparty nullText `json:"counterparty"`
	Origin       nullText `json:"origin"`
}

func grantItemOf(v view, user string, s *engine.Standing, left *engine.GrantLeft) grantItem {
	g, found := v.Granted(user, left.ID)
	id, kind := g.MadeBy()
	item := grantItem{
		GrantID: left.ID, Remaining: left.Remaining, Held: left.Held, State: left.State.String(),
		EffectiveAt: instant(left.EffectiveAt), ExpiresAt: instant(left.ExpiresAt), Priority: left.Priority,
		Amount: s.Amount(&g),
		madeBy: madeBy{EventID: id, Kind: kind.String(), Counterparty: nullText(g.By.From), Origin: nullText(left.Origin)},
	}
	if item.Amount == 0 && !found {
		item.Amount = left.Remaining + left.Held
	}
	return item
}

// standingPage makes a page of what an asset has at a time: fill adds items
// behind the cursor, and says where the next page begins, if there is one.
func (s *Service) standingPage(ctx context.Context, p *api.Params, name string,
	fill func(v view, a *engine.Account, standing *engine.Standing, from cursor, items *list) (next *cursor, err error),
) (answer, error) {
	user, asset, limit := p.User("user_id"), p.Asset(), p.Limit()
	at := p.Time("at", s.now())
	from, resumed := readCursor(p, name)
	if resumed {
		at = from.At // every page is about the time of the first
	}
	partition, err := s.ofUser(ctx, p, user)
	if err != nil {
		return answer{}, err
	}
	items := newList(limit)
	var next *cursor
	err = s.lookAt(ctx, partition, func(v view) error {
		a, ok := v.Account(user, asset)
		if !ok {
			return unknownUser(v, user)
		}
		standing := v.Standing(&a, at)
		var err error
		if next, err = fill(v, &a, &standing, from, items); next != nil {
			next.List, next.At = name, at
		}
		return err
	})
	return items.end(next), err
}

func (s *Service) grants(ctx context.Context, p *api.Params) (answer, error) {
	return s.standingPage(ctx, p, "grants", func(v view, a *engine.Account, standing *engine.Standing, from cursor, grants *list) (*cursor, error) {
		begin := grantsBehind(standing, from)
		index := 0
		last := ""
		for g := range standing.Grants() {
			if index++; index <= begin {
				continue
			}
			if grants.full() {
				return &cursor{Name: last, Number: int64(index - 1)}, nil
			}
			last = g.ID
			item := grantItemOf(v, a.User, standing, &g)
			if err := grants.addValue(&item); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
}

// grantsBehind is how many grants stand before the page behind a cursor. Where
// a late event has moved the grant that the page before ended with, the page
// goes on behind it.
func grantsBehind(s *engine.Standing, c cursor) int {
	index := 0
	for g := range s.Grants() {
		if index++; g.ID == c.Name {
			return index
		}
	}
	return int(min(c.Number, int64(index)))
}
