package query

import (
	"context"

	"highwater/pkg/api"
	"highwater/pkg/engine"
	"highwater/pkg/event"
)

// holdItem is a hold that may still be captured.
type holdItem struct {
	HoldID string  `json:"hold_id"`
	At     instant `json:"at"`
	// Amount is what was asked for; of that Captured was captured, and Left may
	// still be; Held of it is there, Shortfall isn't.
	Amount    event.Amount `json:"amount"`
	Captured  event.Amount `json:"captured"`
	Left      event.Amount `json:"left"`
	Held      event.Amount `json:"held"`
	Shortfall event.Amount `json:"shortfall"`
	ExpiresAt instant      `json:"expires_at"`
	Slices    []sliceItem  `json:"slices"`
	// MoreSlices is how many slices aren't shown.
	MoreSlices int `json:"more_slices"`
}

// sliceItem is a part of a grant.
type sliceItem struct {
	GrantID   string       `json:"grant_id"`
	Amount    event.Amount `json:"amount"`
	ExpiresAt instant      `json:"expires_at"`
}

// maxHoldSlices is how many slices of one hold are shown.
const maxHoldSlices = 100

func holdItemOf(h *engine.HoldLeft) holdItem {
	shown := h.Pieces[:min(len(h.Pieces), maxHoldSlices)]
	item := holdItem{
		HoldID: h.ID, At: instant(h.At), Amount: h.Amount, Captured: h.Captured, Left: h.Left, Held: h.Held, Shortfall: h.Left - h.Held,
		ExpiresAt: instant(h.ExpiresAt), Slices: make([]sliceItem, len(shown)), MoreSlices: len(h.Pieces) - len(shown),
	}
	for i := range shown {
		item.Slices[i] = sliceItem{shown[i].ID, shown[i].Remaining, instant(shown[i].ExpiresAt)}
	}
	return item
}

func (s *Service) holds(ctx context.Context, p *api.Params) (answer, error) {
	user, asset, limit := p.User("user_id"), p.Asset(), p.Limit()
	at := p.Time("at", s.now())
	c, resumed := readCursor(p, "holds")
	if resumed {
		at = c.At // every page is about the time of the first
	}
	partition, err := s.ofUser(ctx, p, user)
	if err != nil {
		return answer{}, err
	}
	holds := newList(limit)
	var next *cursor
	err = s.lookAt(ctx, partition, func(v view) error {
		a, ok := v.Account(user, asset)
		if !ok {
			return unknownUser(v, user)
		}
		standing := v.Standing(&a, at)
		last := c.Name
		for h := range v.HoldsLeft(&a, &standing, c.Name) {
			if holds.full() {
				next = &cursor{List: "holds", At: at, Name: last}
				break
			}
			last = h.ID
			item := holdItemOf(&h)
			if err := holds.addValue(&item); err != nil {
				return err
			}
		}
		return nil
	})
	return holds.end(next), err
}
