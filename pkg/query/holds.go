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

// firstHolds are the first of an asset's holds, and how many more there are.
func firstHolds(v view, a *engine.Account, standing *engine.Standing) (items []holdItem, more int) {
	items = []holdItem{}
	for h := range v.HoldsLeft(a, standing, "") {
		if items = append(items, holdItemOf(&h)); len(items) == maxBalanceItems {
			break
		}
	}
	return items, len(standing.State.Holds()) - len(items)
}

func (s *Service) holds(ctx context.Context, p *api.Params) (answer, error) {
	return s.standingPage(ctx, p, "holds", func(v view, a *engine.Account, standing *engine.Standing, from cursor, holds *list) (*cursor, error) {
		last := from.Name
		for h := range v.HoldsLeft(a, standing, from.Name) {
			if holds.full() {
				return &cursor{Name: last}, nil
			}
			last = h.ID
			item := holdItemOf(&h)
			if err := holds.addValue(&item); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
}
