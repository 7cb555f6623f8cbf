package query

import (
	"encoding/json"

	"highwater/pkg/api"
)

// showing is a route with an example of its answer.
func showing(r api.Route, example string) api.Route {
	r.Answers[0].Types[0].Example = json.RawMessage(example)
	return r
}

// Alice got 100 until February, spent 30, and holds 40 for a delivery of which
// 15 were captured. A late subtract then took 5 more.
const (
	grantExample = `{"grant_id":"g1","remaining":25,"held":25,"effective_at":"2026-01-01T00:00:00.000000Z","expires_at":"2026-02-01T00:00:00.000000Z","priority":0,
		"state":"usable","amount":100,"event_id":"e1","kind":"grant","counterparty":null,"origin":null}`
	holdExample = `{"hold_id":"h1","at":"2026-01-03T00:00:00.000000Z","amount":40,"captured":15,"left":25,"held":25,"shortfall":0,"expires_at":"2026-01-10T00:00:00.000000Z",
		"slices":[{"grant_id":"g1","amount":25,"expires_at":"2026-02-01T00:00:00.000000Z"}],"more_slices":0}`
	balanceExample = `{"user_id":"alice","asset":"credits","at":"2026-01-05T00:00:00.000000Z","balance":25,"held":25,"debt":0,"grants":[` + grantExample + `],"more_grants":0,
		"holds":[` + holdExample + `],"more_holds":0,"next_change_at":"2026-01-10T00:00:00.000000Z","final":true,"watermark":"2026-01-05T00:00:10.000000Z",
		"position":"ledger/3/18","positions":["grants/3/7","subtracts/3/41","ledger/3/18"]}`
	explainExample = `{"user_id":"alice","asset":"credits","at":"2026-01-05T00:00:00.000000Z","balance":25,"held":25,"debt":0,
		"sums":{"credited":100,"available":25,"held":25,"consumed":50,"expired":0,"revoked":0,"sent":0},"short":{"events":0,"amount":0},"grant_count":1,
		"grants":{"items":[{"grant_id":"g1","state":"usable","at":"2026-01-01T00:00:00.000000Z","event_id":"e1","kind":"grant","counterparty":null,"origin":null,
			"amount":100,"effective_at":"2026-01-01T00:00:00.000000Z","expires_at":"2026-02-01T00:00:00.000000Z","priority":0,
			"available":25,"held":25,"consumed":50,"expired":0,"revoked":0,"sent":0,"restored":0,"uses":[
				{"event_id":"s1","kind":"spend","at":"2026-01-02T00:00:00.000000Z","amount":30,"from":"available","to":"consumed","of":null,"repays":null,"restored_as":null,"counterparty":null},
				{"event_id":"u1","kind":"subtract","at":"2026-01-02T12:00:00.000000Z","amount":5,"from":"available","to":"consumed","of":null,"repays":null,"restored_as":null,"counterparty":null},
				{"event_id":"h1","kind":"hold","at":"2026-01-03T00:00:00.000000Z","amount":40,"from":"available","to":"held","of":null,"repays":null,"restored_as":null,"counterparty":null},
				{"event_id":"c1","kind":"capture","at":"2026-01-04T00:00:00.000000Z","amount":15,"from":"held","to":"consumed","of":"h1","repays":null,"restored_as":null,"counterparty":null}],"more_uses":0}],"next_cursor":null},
		"holds":[` + holdExample + `],"more_holds":0,"debts":[],"more_debts":0,
		"corrections":{"items":[{"cause":{"event_id":"u1","kind":"subtract","occurred_at":"2026-01-02T12:00:00.000000Z","input":"subtracts/3/41","late_by":129600000000},
			"committed_at":"2026-01-04T00:00:07.000000Z","after_final":true,"change":{"balance":-5,"held":0,"debt":0},"changed_entries":0}],"next_cursor":null},
		"final":true,"watermark":"2026-01-05T00:00:10.000000Z","position":"ledger/3/18","positions":["grants/3/7","subtracts/3/41","ledger/3/18"]}`
)
