package query

import (
	"context"
	"net/http"
	"slices"

	"highwater/pkg/api"
)

var info = api.Info{
	Service: "query",
	Title:   "Highwater: reads",
	Description: "Balances at any time, past or to come, histories, corrections, orders and their statistics. " +
		"Everything is what sorting all events received so far by event time and replaying them from zero gives. " +
		"Times at or before the watermark are final, later ones provisional. Lists come in pages: follow next_cursor; a page may be shorter than its limit.",
	PathParams: []api.Param{
		{Name: "user_id", Description: "The user, percent-encoded.", Schema: api.Schema{Type: "string", Example: "alice"}},
		{Name: "event_id", Description: "An event's id; of a due item its kind, / (as %2F) and the grant's or hold's id, such as expired%2Fg1. What a transfer brought: received, the sender and the sender's event_id, such as received%2Fbob%2Ft1, or that event_id alone where the user has no event of it (the first by time, found by a walk through the user's events).", Schema: api.Schema{Type: "string", Example: "e1"}},
		{Name: "order_id", Description: "The order, percent-encoded.", Schema: api.Schema{Type: "string", Example: "order2"}},
	},
}

// Parameters that several routes take.
var (
	minPositionParam = api.Param{
		Name:        "min_position",
		Description: "Wait until this write is included: the position in its answer. Past the bound (min.position.timeout) 503 with Retry-After.",
		Schema:      api.Schema{Type: "string", Example: "grants/3/1024"},
	}
	atParam    = api.Param{Name: "at", Description: "When; what happens then is included. Now by default. Of a time to come, what is known to fall due until then has happened.", Schema: api.TimeSchema}
	fromParam  = api.Param{Name: "from", Description: "The earliest time, included.", Schema: api.TimeSchema}
	toParam    = api.Param{Name: "to", Description: "The latest time, excluded.", Schema: api.TimeSchema}
	orderParam = api.Param{Name: "order", Description: "asc begins with the oldest, desc with the newest.", Schema: api.Schema{Type: "string", Enum: []string{"asc", "desc"}, Default: "asc"}}
	onlyAsset  = api.Param{Name: "asset", Description: "Only this asset; by default all of them, and orders.", Schema: api.Schema{Type: "string", Pattern: api.Asset.Schema.Pattern}}
	format     = api.Param{Name: "format", Description: "text gives the short form, one order a line, such as order2(paused), and the next page in a Link header.", Schema: api.Schema{Type: "string", Enum: []string{"json", "text"}, Default: "json"}}
	known      = api.Param{Name: "known_at", Description: "As the system knew it then, by committed_at; final and watermark are null. It replays the whole account.", Schema: api.TimeSchema}
	onlyGrant  = api.Param{Name: "grant_id", Description: "Only this grant; the pages go over its uses.", Schema: api.Schema{Type: "string", Example: "g1"}}
	onlyOrder  = api.Param{Name: "order_id", Description: "Only orders of this id: one of each user who has it live, by user.", Schema: api.Schema{Type: "string", Example: "order2"}}
	current    = api.Param{Name: "current", Description: "true waits until whatever is committed now is included, such as an order placed a moment ago through any service. Past the bound (min.position.timeout) 503 with Retry-After.", Schema: api.Schema{Type: "string", Enum: []string{"false", "true"}, Default: "false"}}
	currency   = api.Param{Name: "currency", Description: "Only this currency; by default all.", Schema: api.Schema{Type: "string", Example: "EUR"}}
)

// get is a route that reads.
func (s *Service) get(path, tag, summary string, read func(context.Context, *api.Params) (answer, error), schema api.Schema, query ...api.Param) api.Route {
	r := api.Route{
		Method: http.MethodGet, Path: path, Tag: tag, Summary: summary, Query: query,
		Answers:  []api.Answer{{Status: http.StatusOK, Types: api.JSON(schema)}},
		Problems: []int{http.StatusNotFound, http.StatusServiceUnavailable},
		Serve:    s.reading(read),
	}
	if slices.ContainsFunc(query, func(p api.Param) bool { return p.Name == format.Name }) {
		a := &r.Answers[0]
		a.Types = append(a.Types, api.Content{Type: "text/plain", Schema: api.Text("One order a line."), Example: "order1\norder2(paused)\n"})
		a.Headers = []api.Param{{Name: "Link", Description: "The next page of the short form.", Schema: api.Schema{Type: "string"}}}
	}
	return r
}

// page are the parameters of a list.
func page(more ...api.Param) []api.Param {
	return append(more, api.Limit, api.Cursor, minPositionParam)
}

func (s *Service) routes() []api.Route {
	const user = "/v1/users/{user_id}"
	const credits, orders, pipeline = "Credits", "Orders", "Pipeline"
	return []api.Route{
		showing(s.get(user+"/balance", credits, "A user's balance at any time.", s.balance, api.Ref("BalanceAt"),
			api.Asset, atParam, known, minPositionParam), balanceExample),
		s.get(user+"/timeline", credits, "The steps of a balance.", s.timeline, api.List(api.Ref("Step")),
			page(api.Asset, fromParam, toParam)...),
		s.get(user+"/grants", credits, "What there is of each grant: usable ones in the order in which they are drawn, then future ones, then those of which only holds have something.", s.grants, api.List(api.Ref("Grant")),
			page(api.Asset, atParam)...),
		s.get(user+"/holds", credits, "Holds that may still be captured, by hold_id.", s.holds, api.List(api.Ref("Hold")),
			page(api.Asset, atParam)...),
		showing(s.get(user+"/explain", credits, "How a balance came about: every grant and what drew it, what is held and owed, and what late events changed. It replays the account from its first event.", s.explain, api.Ref("Explanation"),
			page(api.Asset, atParam, onlyGrant)...), explainExample),
		s.get(user+"/entries", credits, "Everything that happened to a user, in the order of event time, as a replay says it now; orders too.", s.entries, api.List(api.Ref("Entry")),
			page(onlyAsset, fromParam, toParam, orderParam)...),
		s.get(user+"/entries/{event_id}", credits, "One event or due item and what became of it.", s.entry, api.Ref("Entry"),
			minPositionParam),
		s.get(user+"/corrections", credits, "What late events changed in what was said before, in the order in which it was said.", s.corrections, api.List(api.Ref("Correction")),
			page(onlyAsset, orderParam)...),
		s.get(user+"/orders", orders, "A user's live orders, in the order they were placed.", s.userOrders, api.List(api.Ref("Order")),
			page(format)...),
		s.get(user+"/orders/{order_id}", orders, "One order, live or ended, and its history; replays what was done to it.", s.order, api.Ref("OrderHistory"),
			page()...),
		s.get("/v1/orders", orders, "Everyone's live orders, by placed_at, sequence, event_id and user_id.", s.allOrders, api.List(api.Ref("Order")),
			page(format, onlyOrder, current)...),
		s.get("/v1/analytics/orders", orders, "What happened to orders, per currency and minute of event time, all partitions together.", s.analytics, api.List(api.Ref("OrderWindow")),
			page(currency, fromParam, toParam)...),
		s.get("/v1/partitions", pipeline, "How far each partition is.", s.partitionList, api.List(api.Ref("Partition")),
			api.Limit, api.Cursor),
	}
}
