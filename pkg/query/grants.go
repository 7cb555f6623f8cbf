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

func grantItemOf(v *view, user string, s *engine.Standing, left *engine.GrantLeft) grantItem {
	o, found := v.origin(user, left.ID)
	item := grantItem{
		GrantID: left.ID, Remaining: left.Remaining, Held: left.Held, State: left.State.String(),
		EffectiveAt: instant(left.EffectiveAt), ExpiresAt: instant(left.ExpiresAt), Priority: left.Priority,
		Amount: s.Amount(&engine.Grant{ID: left.ID, Amount: o.amount}),
		madeBy: madeBy{EventID: o.eventID, Kind: o.kind.String(), Counterparty: nullText(o.counterparty), Origin: nullText(left.Origin)},
	}
	if item.Amount == 0 && !found {
		item.Amount = left.Remaining + left.Held
	}
	return item
}

// append writes what encoding/json would.
func (g *grantItem) append(b []byte) []byte {
	b = appendText(append(b, `{"grant_id":`...), g.GrantID)
	b = appendInt(b, `,"remaining":`, int64(g.Remaining))
	b = appendInt(b, `,"held":`, int64(g.Held))
	b = g.EffectiveAt.append(append(b, `,"effective_at":`...))
	b = g.ExpiresAt.append(append(b, `,"expires_at":`...))
	b = appendInt(b, `,"priority":`, int64(g.Priority))
	b = appendText(append(b, `,"state":`...), g.State)
	b = appendInt(b, `,"amount":`, int64(g.Amount))
	b = appendText(append(b, `,"event_id":`...), g.EventID)
	b = appendText(append(b, `,"kind":`...), g.Kind)
	b = g.Counterparty.append(append(b, `,"counterparty":`...))
	return append(g.Origin.append(append(b, `,"origin":`...)), '}')
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
			item := grantItemOf(&v, a.User, standing, &g)
			grants.add(item.append)
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
