package ingest

import (
	"maps"
	"net/http"
	"slices"

	"highwater/pkg/api"
	"highwater/pkg/event"
)

var about = api.Info{
	Service: "ingest",
	Title:   "Highwater ingest",
	Description: "Takes events. Facts (grants, revokes, subtracts, adds) are answered once Kafka has them. Operations that ask before they do something (spends, refunds, holds, captures, releases, transfers), " +
		"and commands on orders, wait for their outcome, and are answered with their entry, or with a problem that has it. " +
		"Sending an event again, with the same event_id, counts once and is answered with the first outcome.",
	PathParams: []api.Param{
		{Name: "user_id", Description: "The user, percent-encoded; it may contain %2F.", Schema: userSchema},
		{Name: "grant_id", Description: "The grant, percent-encoded; one that the system made contains %2F.", Schema: grantRefSchema},
		{Name: "order_id", Description: "The order, percent-encoded.", Schema: idSchema},
		{Name: "hold_id", Description: "The hold: the event_id of its event, percent-encoded.", Schema: idSchema},
	},
	Problem: []api.Property{optional("entry", api.Ref("Entry"))},
}

var keyHeader = api.Param{
	Name: idempotencyKey, Schema: idSchema,
	Description: "The event_id, where the body has none. Without either, one is made and returned; only who knows it can send the event again safely.",
}

var preferHeader = api.Param{
	Name: "Prefer", Schema: api.Schema{Type: "string", Example: "wait=10"},
	Description: "RFC 7240: wait=N waits for the outcome for at most N seconds (setting max.wait cuts it; the default is outcome.timeout, 2 s), respond-async not at all. What can't be read is ignored.",
}

var appliedHeader = api.Param{
	Name: "Preference-Applied", Schema: api.Schema{Type: "string", Example: "wait=10"}, Description: "What was heeded of Prefer.",
}

var locationHeader = api.Param{
	Name: "Location", Schema: api.Schema{Type: "string", Format: "uri", Example: "http://127.0.0.1:8082/v1/users/alice/entries/e1?min_position=ledger%2F3%2F1024"},
	Description: "Where to ask the query service for the outcome: 200 is the entry, 503 says that the event isn't processed yet, 404 that it is a dead letter.",
}

// The problems of a write: a page of another site, a body too slow, too large,
// or of another type, an event that breaks a rule, Kafka away.
var writeProblems = []int{
	http.StatusForbidden, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge,
	http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusServiceUnavailable,
}

const user = "/v1/users/{user_id}"

func (s *Service) routes() []api.Route {
	grant := operation{kind: event.Grant}
	revoke := operation{kind: event.Revoke, ref: "grant_id", bare: true}
	subtract := operation{kind: event.Subtract}
	add := operation{kind: event.Add}
	routes := []api.Route{
		s.eventsRoute(),
		s.fact("POST", user+"/grants", "Grant credits.", grant),
		s.fact("DELETE", user+"/grants/{grant_id}", "Revoke a grant: what is left of it is gone.", revoke),
		s.fact("POST", user+"/subtracts", "Subtract usage that has already happened.", subtract),
		s.fact("POST", user+"/adds", "Add credits: a grant named by its event.", add),
	}
	return append(append(routes, s.creditRoutes()...), s.orderRoutes()...)
}

// creditRoutes are those of conditional operations.
func (s *Service) creditRoutes() []api.Route {
	spend := operation{kind: event.Spend}
	refund := operation{kind: event.Refund}
	hold := operation{kind: event.Hold}
	capturing := operation{kind: event.Capture, ref: "hold_id", bare: true}
	release := operation{kind: event.Release, ref: "hold_id", bare: true}
	transfer := operation{kind: event.Transfer}
	return []api.Route{
		s.decided(user+"/spends", "Spend credits, if there are enough.", spend),
		s.decided(user+"/refunds", "Give back what a spend or a hold's captures took, all of it or an amount.", refund),
		s.decided(user+"/holds", "Set credits aside, if there are enough; the hold's id is its event_id.", hold),
		s.decided(user+"/holds/{hold_id}/capture", "Consume what a hold set aside, all of it or an amount.", capturing),
		s.decided(user+"/holds/{hold_id}/release", "Give back what is left in a hold.", release),
		s.decided(user+"/transfers", "Transfer credits to another user, if there are enough.", transfer),
	}
}

func (s *Service) orderRoutes() []api.Route {
	place := operation{kind: event.PlaceOrder}
	pause := operation{kind: event.Pause, ref: "order_id", bare: true}
	resume := operation{kind: event.Resume, ref: "order_id", bare: true}
	cancel := operation{kind: event.Cancel, ref: "order_id", bare: true}
	cancelAll := operation{kind: event.CancelAll, bare: true}
	return []api.Route{
		s.decided(user+"/orders", "Place an order.", place),
		s.decided(user+"/orders/{order_id}/pause", "Pause an order.", pause),
		s.decided(user+"/orders/{order_id}/resume", "Resume an order.", resume),
		s.decided(user+"/orders/{order_id}/cancel", "Cancel an order.", cancel),
		s.decided(user+"/orders/cancel-all", "Cancel every live order of a user.", cancelAll),
		s.located("/v1/orders/{order_id}/pause", "Find a live order's user, and pause it.", pause),
		s.located("/v1/orders/{order_id}/resume", "Find a live order's user, and resume it.", resume),
		s.located("/v1/orders/{order_id}/cancel", "Find a live order's user, and cancel it.", cancel),
	}
}

func (s *Service) eventsRoute() api.Route {
	return api.Route{
		Method: "POST", Path: "/v1/events", Tag: "Events", Summary: "Record any events: one, an array, or a stream.",
		Description: "One event is answered like a fact below, whatever it is: once Kafka has it. An array or a stream has one result for each event, in order, and one bad event doesn't stop the others. " +
			"NDJSON is streamed both ways: results come while events are still being sent, so read while you write. Blank lines are skipped. " +
			"A last result without an event_id says why a stream was ended before its request was.",
		Headers: []api.Param{keyHeader},
		Body: &api.Body{
			Description: "One event, an array of at most 10,000 events and 32 MiB, or one event a line without any bound. An event has at most 1 MiB.",
			Types: []api.Content{
				{Type: jsonType, Schema: api.Schema{OneOf: []api.Schema{api.Ref("Event"), api.Array(api.Ref("Event"), "")}}, Example: exampleEvent},
				{Type: ndjsonType, Schema: api.Ref("Event")},
			},
		},
		Answers: []api.Answer{
			{Status: http.StatusAccepted, Description: "One event, which Kafka has.", Types: api.JSON(api.Ref("Result"))},
			{Status: http.StatusOK, Description: "A result for each event, in order.", Types: []api.Content{
				{Type: jsonType, Schema: api.Array(api.Ref("Result"), "")},
				{Type: ndjsonType, Schema: api.Ref("Result")},
			}},
		},
		Problems: writeProblems,
		Serve:    s.writing(s.events),
	}
}

// writes is what every route of one operation has.
func writes(method, path, summary string, o operation) api.Route {
	tag := "Credits"
	if o.kind.IsOrder() {
		tag = "Orders"
	}
	body := &api.Body{
		Description: "The event without what the path says.", Optional: o.bare,
		Types: []api.Content{{Type: jsonType, Schema: bodySchema(o.kind, o.ref != ""), Example: exampleBodies[o.kind]}},
	}
	if o.bare {
		body.Description += " It may be left out."
	}
	return api.Route{Method: method, Path: path, Tag: tag, Summary: summary, Headers: []api.Param{keyHeader}, Body: body, Problems: writeProblems}
}

// fact is a route that records one event.
func (s *Service) fact(method, path, summary string, o operation) api.Route {
	r := writes(method, path, summary, o)
	r.Answers = []api.Answer{{Status: http.StatusAccepted, Description: "Kafka has the event.", Types: []api.Content{
		{Type: jsonType, Schema: api.Ref("Result"), Example: exampleResult},
	}}}
	r.Codes = map[int][]string{http.StatusBadRequest: {event.Malformed.String()}, http.StatusUnprocessableEntity: {event.Invalid.String()}}
	r.Serve = s.record(o)
	return r
}

// decided is a route that waits for the outcome of one event.
func (s *Service) decided(path, summary string, o operation) api.Route {
	r := writes(http.MethodPost, path, summary, o)
	r.Headers = append(r.Headers, preferHeader)
	applied := []api.Param{appliedHeader}
	r.Answers = []api.Answer{
		{Status: http.StatusOK, Description: "It was accepted, or applied: its entry.", Headers: applied,
			Types: []api.Content{{Type: jsonType, Schema: api.Ref("Entry"), Example: exampleEntry(o.kind)}}},
		{Status: http.StatusAccepted, Description: "Kafka has the event, and its outcome isn't known in time: ask at Location, or send it again with the same event_id.",
			Headers: append(applied, locationHeader), Types: []api.Content{{Type: jsonType, Schema: api.Ref("Result"), Example: exampleResult}}},
	}
	r.Codes = codesOf(o.kind)
	r.Problems = slices.Concat(writeProblems, slices.Collect(maps.Keys(r.Codes)))
	r.Serve = s.decide(o)
	return r
}

// located is a decided route that finds the user.
func (s *Service) located(path, summary string, o operation) api.Route {
	r := s.decided(path, summary, o)
	r.Description = "Where the order is live at one user, it is like the path that names the user. A retry, too, finds an order only while it is live, or where this instance remembers the event_id: name the user to be sure."
	r.Codes[http.StatusConflict] = append(r.Codes[http.StatusConflict], event.AmbiguousOrder.String())
	r.Serve = s.locate(o)
	return r
}
