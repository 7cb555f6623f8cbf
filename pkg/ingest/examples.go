package ingest

import (
	"encoding/json"

	"highwater/pkg/codec"
	"highwater/pkg/event"
)

var exampleEvent = map[string]any{
	"type": "grant", "event_id": "e1", "user_id": "alice", "occurred_at": "2026-01-01T00:00:00Z",
	"grant_id": "g1", "amount": 100, "expires_at": "2026-02-01T00:00:00Z",
}

var exampleResult = Result{EventID: "e1", Status: statusRecorded, Position: "ledger/3/1024"}

// exampleBodies are what routes of one operation are sent.
var exampleBodies = map[event.Kind]any{
	event.Grant:      map[string]any{"event_id": "e1", "grant_id": "g1", "amount": 100, "expires_at": "2026-02-01T00:00:00Z"},
	event.Revoke:     map[string]any{"event_id": "e2"},
	event.Subtract:   map[string]any{"event_id": "e3", "amount": 7, "occurred_at": "2026-01-02T00:00:00Z"},
	event.Add:        map[string]any{"event_id": "e4", "amount": 50},
	event.Spend:      map[string]any{"event_id": "s1", "amount": 30},
	event.Refund:     map[string]any{"event_id": "r1", "spend_id": "s1", "amount": 10},
	event.Hold:       map[string]any{"event_id": "h1", "amount": 40, "expires_at": "2026-01-02T00:00:00Z"},
	event.Capture:    map[string]any{"event_id": "c1", "amount": 25},
	event.Release:    map[string]any{"event_id": "l1"},
	event.Transfer:   map[string]any{"event_id": "t1", "to_user_id": "bob", "amount": 20},
	event.PlaceOrder: map[string]any{"event_id": "o1", "order_id": "order1", "currency": "USD", "amount": "2.5", "price": "99.90"},
	event.Pause:      map[string]any{"event_id": "o2"},
	event.Resume:     map[string]any{"event_id": "o3"},
	event.Cancel:     map[string]any{"event_id": "o4"},
	event.CancelAll:  map[string]any{"event_id": "o5"},
}

// exampleEntry is what a decided operation is answered with.
func exampleEntry(k event.Kind) json.RawMessage {
	const at event.Time = 1767312000_000000 // 2026-01-02T00:00:00Z
	e := event.Entry{
		EventID: "s1", UserID: "alice", Asset: event.DefaultAsset, Kind: k, OccurredAt: at, EffectiveAt: at, ArrivedAt: at + 4_000,
		Input:  event.Position{Topic: k.Topic(), Partition: 3, Offset: 1024},
		Result: event.Result{Outcome: event.Accepted, Amount: 30, After: event.Balances{Balance: 70}},
		Stamp:  event.Stamp{Partition: 3, CommittedAt: at + 6_000},
	}
	if k != event.Release {
		e.Slices = []event.Slice{{GrantID: "g1", Amount: 30, ExpiresAt: at + 30*86400_000000}}
	}
	if k == event.Transfer {
		e.Counterparty = "bob"
	}
	if k.IsOrder() {
		e.Asset, e.Result = "", event.Result{Outcome: event.Applied, Amount: event.NoAmount, Order: exampleOrders[k]}
	}
	return codec.AppendReplayedEntryJSON(nil, &e)
}

var exampleOrders = map[event.Kind]event.OrderChange{
	event.PlaceOrder: {OrderID: "order1", Status: event.Active},
	event.Pause:      {OrderID: "order1", Status: event.Paused},
	event.Resume:     {OrderID: "order1", Status: event.Active},
	event.Cancel:     {OrderID: "order1", Status: event.Cancelled},
	event.CancelAll:  {Cancelled: 2},
}
