package query

import (
	"context"
	"iter"
	"math"
	"net/http"
	"slices"

	"highwater/pkg/api"
	"highwater/pkg/codec"
	"highwater/pkg/engine"
	"highwater/pkg/event"
)

func (s *Service) entries(ctx context.Context, p *api.Params) (answer, error) {
	user, asset, limit := p.User("user_id"), anyAsset(p), p.Limit()
	from, to := between(p)
	back := p.OneOf("order", "asc", "desc") == "desc"
	c, resumed := readCursor(p, "entries")
	partition, err := s.ofUser(ctx, p, user)
	if err != nil {
		return answer{}, err
	}
	begin := engine.EntryPlace{Place: event.Place{Time: from}}
	if back {
		begin.Place.Time = to
	}
	if resumed {
		begin = engine.EntryPlace{Place: event.Place(c.Place), Asset: c.Name}
	}
	entries := newList(limit)
	var next *cursor
	err = s.lookAt(ctx, partition, func(v view) error {
		accounts, err := accountsOf(v, user, asset)
		if err != nil {
			return err
		}
		var last engine.EntryPlace
		for at, e := range v.Entries(accounts, begin, back) {
			if at.Place.Time >= to || at.Place.Time < from {
				break
			}
			if entries.full() {
				next = &cursor{List: "entries", Place: place(last.Place), Name: last.Asset}
				break
			}
			last = at
			entries.add(func(b []byte) []byte { return codec.AppendReplayedEntryJSON(b, e) })
		}
		return nil
	})
	return entries.end(next), err
}

// anyAsset is the parameter asset where it narrows a list; "" where it isn't
// given.
func anyAsset(p *api.Params) string {
	if !p.Given("asset") {
		return ""
	}
	return p.Asset()
}

// accountsOf are a user's accounts, or the one of an asset.
func accountsOf(v view, user, asset string) ([]engine.Account, error) {
	if asset == "" {
		accounts := slices.Collect(v.Accounts(user))
		if len(accounts) == 0 {
			return nil, unknownUser(v, user)
		}
		return accounts, nil
	}
	if a, ok := v.Account(user, asset); ok {
		return []engine.Account{a}, nil
	}
	return nil, unknownUser(v, user)
}

func (s *Service) entry(ctx context.Context, p *api.Params) (answer, error) {
	user, id := p.User("user_id"), p.Path("event_id")
	p.Refuse(event.CheckGrantRef("event_id", id)) // a due item's id has a slash
	partition, err := s.ofUser(ctx, p, user)
	if err != nil {
		return answer{}, err
	}
	var a answer
	err = s.lookAt(ctx, partition, func(v view) error {
		e, ok := v.Entry(user, id)
		if !ok {
			if err := unknownUser(v, user); err != nil {
				return err
			}
			return api.Problemf(http.StatusNotFound, "unknown_event", "event_id", "this user has no entry of this event; give min_position where it was written just now")
		}
		a.body = codec.AppendReplayedEntryJSON(nil, e)
		return nil
	})
	return a, err
}

func (s *Service) corrections(ctx context.Context, p *api.Params) (answer, error) {
	user, asset, limit := p.User("user_id"), anyAsset(p), p.Limit()
	back := p.OneOf("order", "asc", "desc") == "desc"
	c, resumed := readCursor(p, "corrections")
	partition, err := s.ofUser(ctx, p, user)
	if err != nil {
		return answer{}, err
	}
	begin := int64(-1)
	switch {
	case resumed:
		begin = c.Number
	case back:
		begin = math.MaxInt64
	}
	corrections := newList(limit)
	var next *cursor
	err = s.lookAt(ctx, partition, func(v view) error {
		accounts, err := accountsOf(v, user, asset)
		if err != nil {
			return err
		}
		next = addCorrections(corrections, v.Corrections(accounts, begin, back))
		return nil
	})
	return corrections.end(next), err
}

// addCorrections fills a page and says where the next one begins.
func addCorrections(l *list, corrections iter.Seq[*event.Correction]) *cursor {
	last := int64(0)
	for c := range corrections {
		if l.full() {
			return &cursor{List: "corrections", Number: last}
		}
		last = c.Seq
		l.add(func(b []byte) []byte { return codec.AppendCorrectionJSON(b, c) })
	}
	return nil
}
