package query

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"highwater/pkg/api"
	"highwater/pkg/codec"
	"highwater/pkg/engine"
	"highwater/pkg/event"
)

// orderItem is an order as it is now.
type orderItem struct {
	UserID    string  `json:"user_id"`
	OrderID   string  `json:"order_id"`
	Currency  string  `json:"currency"`
	Amount    string  `json:"amount"`
	Price     string  `json:"price"`
	State     string  `json:"state"`
	PlacedAt  instant `json:"placed_at"`
	UpdatedAt instant `json:"updated_at"`
	Revision  int64   `json:"revision"`
}

func orderItemOf(o *event.OrderState) orderItem {
	return orderItem{
		UserID: o.UserID, OrderID: o.OrderID, Currency: o.Currency, Amount: o.Quantity.String(), Price: o.Price.String(),
		State: o.Status.String(), PlacedAt: instant(o.PlacedAt), UpdatedAt: instant(o.UpdatedAt), Revision: o.Revision,
	}
}

// orderList is a page of orders, in JSON or in the short form.
type orderList struct {
	*list
	short bool
}

func newOrderList(p *api.Params, limit int) orderList {
	l := orderList{newList(limit), p.OneOf("format", "json", "text") == "text"}
	if l.short {
		l.body = nil
	}
	return l
}

func (l orderList) addOrder(o *event.OrderState) error {
	if !l.short {
		return l.addValue(orderItemOf(o))
	}
	l.body = append(l.body, o.OrderID...)
	if o.Status == event.Paused {
		l.body = append(l.body, "(paused)"...)
	}
	l.body = append(l.body, '\n')
	l.items++
	return nil
}

func (l orderList) endOrders(p *api.Params, next *cursor) answer {
	if l.short {
		return answer{body: l.body, text: true, link: nextLink(p, next)}
	}
	return l.end(next)
}

func (s *Service) userOrders(ctx context.Context, p *api.Params) (answer, error) {
	user, limit := p.User("user_id"), p.Limit()
	orders := newOrderList(p, limit)
	c, _ := readCursor(p, "orders")
	partition, err := s.ofUser(ctx, p, user)
	if err != nil {
		return answer{}, err
	}
	var next *cursor
	err = s.lookAt(ctx, partition, func(v view) error {
		book, ok := v.Account(user, "")
		if !ok {
			return unknownUser(v, user)
		}
		var last event.Place
		for at, o := range v.LiveOrders(&book, event.Place(c.Place)) {
			if orders.full() {
				next = &cursor{List: "orders", Place: place(last)}
				break
			}
			last = at
			if err := orders.addOrder(o); err != nil {
				return err
			}
		}
		return nil
	})
	return orders.endOrders(p, next), err
}

func (s *Service) order(ctx context.Context, p *api.Params) (answer, error) {
	user, id, limit := p.User("user_id"), p.ID("order_id"), p.Limit()
	c, _ := readCursor(p, "order")
	partition, err := s.ofUser(ctx, p, user)
	if err != nil {
		return answer{}, err
	}
	var a answer
	err = s.lookAt(ctx, partition, func(v view) error {
		book, ok := v.Account(user, "")
		if !ok {
			if err := unknownUser(v, user); err != nil {
				return err
			}
			return unknownOrder()
		}
		o, ok := v.Order(&book, id)
		if !ok {
			return unknownOrder()
		}
		history := newList(limit)
		var next *cursor
		var last event.Place
		for at, e := range v.History(&book, id, event.Place(c.Place)) {
			if history.full() {
				next = &cursor{List: "order", Place: place(last)}
				break
			}
			last = at
			history.add(func(b []byte) []byte { return codec.AppendReplayedEntryJSON(b, e) })
		}
		a.body, err = json.Marshal(struct {
			orderItem
			History json.RawMessage `json:"history"`
		}{orderItemOf(o), history.end(next).body})
		return err
	})
	return a, err
}

func unknownOrder() error {
	return api.Problemf(http.StatusNotFound, event.UnknownOrder.String(), "order_id", "this user has never placed an order of this id; give min_position where it was placed just now")
}

func (s *Service) allOrders(ctx context.Context, p *api.Params) (answer, error) {
	limit := p.Limit()
	orders := newOrderList(p, limit)
	id, name := "", "all-orders"
	if p.Given("order_id") {
		id, name = p.Text("order_id"), "orders-named"
		p.Refuse(event.CheckID("order_id", id))
	}
	c, resumed := readCursor(p, name)
	current := p.OneOf("current", "false", "true") == "true"
	partitions, err := s.ofEveryone(ctx, p)
	if err == nil && current {
		err = s.waitForEnds(ctx, partitions)
	}
	if err != nil {
		return answer{}, err
	}
	var begin engine.LivePlace
	if resumed {
		begin = engine.LivePlace{Time: c.Place.Time, Sequence: c.Place.Sequence, EventID: c.Place.ID, User: c.Name}
	}
	var next *cursor
	err = s.look(ctx, partitions, func(views []view) error {
		if id != "" {
			next, err = ordersNamed(orders, views, id, c.Name)
			return err
		}
		sources := make([]source[engine.LivePlace, *event.OrderState], len(views))
		for i := range views {
			sources[i] = views[i].AllLive(begin)
		}
		var last engine.LivePlace
		for at, o := range merged(sources, engine.LivePlace.Compare) {
			if orders.full() {
				next = &cursor{List: "all-orders", Place: place{Time: last.Time, Sequence: last.Sequence, ID: last.EventID}, Name: last.User}
				break
			}
			last = at
			if err := orders.addOrder(o); err != nil {
				return err
			}
		}
		return nil
	})
	return orders.endOrders(p, next), err
}

// ordersNamed fills a page with everyone's live orders of one id, by user, and
// says where the next one begins.
func ordersNamed(l orderList, views []view, id, behind string) (*cursor, error) {
	sources := make([]source[string, *event.OrderState], len(views))
	for i := range views {
		sources[i] = func(yield func(string, *event.OrderState) bool) {
			for o := range views[i].LiveOrdersNamed(id) {
				if o.UserID > behind && !yield(o.UserID, o) {
					return
				}
			}
		}
	}
	last := ""
	for user, o := range merged(sources, strings.Compare) {
		if l.full() {
			return &cursor{List: "orders-named", Name: last}, nil
		}
		last = user
		if err := l.addOrder(o); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
