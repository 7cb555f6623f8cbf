package query

import (
	"context"

	"highwater/pkg/api"
	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/order"
)

// windowItem is a window over all partitions.
type windowItem struct {
	Currency          string  `json:"currency"`
	WindowStart       instant `json:"window_start"`
	Placed            int64   `json:"placed"`
	Paused            int64   `json:"paused"`
	Resumed           int64   `json:"resumed"`
	Cancelled         int64   `json:"cancelled"`
	Ignored           int64   `json:"ignored"`
	PlacedAmount      string  `json:"placed_amount"`
	PlacedNotional    string  `json:"placed_notional"`
	LiveOrdersDelta   int64   `json:"live_orders_delta"`
	LiveNotionalDelta string  `json:"live_notional_delta"`
	Final             bool    `json:"final"`
}

func windowItemOf(id engine.WindowID, t *event.Tally, final bool) windowItem {
	return windowItem{
		Currency: id.Currency, WindowStart: instant(id.Start),
		Placed: t.Placed, Paused: t.Paused, Resumed: t.Resumed, Cancelled: t.Cancelled, Ignored: t.Ignored,
		PlacedAmount: t.PlacedAmount.String(), PlacedNotional: t.PlacedNotional.String(),
		LiveOrdersDelta: t.LiveOrdersDelta, LiveNotionalDelta: t.LiveNotionalDelta.String(), Final: final,
	}
}

// maxWindows is how many windows a page goes past, of all partitions.
const maxWindows = 20_000

func (s *Service) analytics(ctx context.Context, p *api.Params) (answer, error) {
	limit, currency := p.Limit(), ""
	from, to := between(p)
	if p.Given("currency") {
		currency = p.Text("currency")
		p.Refuse(event.CheckCurrency("currency", currency))
	}
	begin := engine.WindowID{Start: from}
	if c, ok := readCursor(p, "analytics"); ok {
		begin = engine.WindowID{Start: c.Place.Time, Currency: c.Name}
	}
	partitions, err := s.ofEveryone(ctx, p)
	if err != nil {
		return answer{}, err
	}
	windows := newList(limit)
	var next *cursor
	err = s.look(ctx, partitions, func(views []view) error {
		var err error
		next, err = addWindows(windows, views, begin, to, currency)
		return err
	})
	return windows.end(next), err
}

// addWindows fills a page with the sums over partitions and says where the
// next one begins.
func addWindows(l *list, views []view, begin engine.WindowID, to event.Time, currency string) (*cursor, error) {
	sources := make([]source[engine.WindowID, *event.Tally], len(views))
	finalTo := event.MaxTime
	for i := range views {
		sources[i] = views[i].Windows(begin, to, currency)
		finalTo = min(finalTo, views[i].FinalTo())
	}
	var id engine.WindowID
	var sum event.Tally
	open, passed := false, 0
	closeWindow := func() error {
		if !open {
			return nil
		}
		open = false
		return l.addValue(windowItemOf(id, &sum, id.Start < finalTo))
	}
	for at, tally := range merged(sources, engine.WindowID.Compare) {
		if !open || at != id {
			if err := closeWindow(); err != nil {
				return nil, err
			}
			if l.full() || passed >= maxWindows {
				return &cursor{List: "analytics", Place: place{Time: at.Start}, Name: at.Currency}, nil
			}
			id, sum = at, event.Tally{}
		}
		passed++
		if tally != nil {
			open = true
			order.Add(&sum, tally)
		}
	}
	return nil, closeWindow()
}
