package ingest

import (
	"net/http"

	"highwater/pkg/api"
	"highwater/pkg/event"
)

var about = api.Info{
	Service: "ingest",
	Title:   "Highwater ingest",
	Description: "Takes events and answers once Kafka has them. Sending an event again, with the same event_id, counts once. " +
		"What an event did is asked of the query service.",
	PathParams: []api.Param{
		{Name: "user_id", Description: "The user, percent-encoded; it may contain %2F.", Schema: userSchema},
		{Name: "grant_id", Description: "The grant, percent-encoded; one that the system made contains %2F.", Schema: grantRefSchema},
		{Name: "order_id", Description: "The order, percent-encoded.", Schema: idSchema},
		{Name: "hold_id", Description: "The hold, percent-encoded.", Schema: idSchema},
	},
}

var keyHeader = api.Param{
	Name: idempotencyKey, Schema: idSchema,
	Description: "The event_id, where the body has none. Without either, one is made and returned; only who knows it can send the event again safely.",
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
	place := operation{kind: event.PlaceOrder}
	pause := operation{kind: event.Pause, ref: "order_id", bare: true}
	resume := operation{kind: event.Resume, ref: "order_id", bare: true}
	cancel := operation{kind: event.Cancel, ref: "order_id", bare: true}
	cancelAll := operation{kind: event.CancelAll, bare: true}
	routes := []api.Route{
		s.eventsRoute(),
		s.route("POST", user+"/grants", "Grant credits.", grant),
		s.route("DELETE", user+"/grants/{grant_id}", "Revoke a grant: what is left of it is gone.", revoke),
		s.route("POST", user+"/subtracts", "Subtract usage that has already happened.", subtract),
		s.route("POST", user+"/adds", "Add credits: a grant named by its event.", add),
		s.route("POST", user+"/orders", "Place an order.", place),
		s.route("POST", user+"/orders/{order_id}/pause", "Pause an order.", pause),
		s.route("POST", user+"/orders/{order_id}/resume", "Resume an order.", resume),
		s.route("POST", user+"/orders/{order_id}/cancel", "Cancel an order.", cancel),
		s.route("POST", user+"/orders/cancel-all", "Cancel every live order of a user.", cancelAll),
	}
	return append(routes, unbuiltRoutes()...)
}

func (s *Service) eventsRoute() api.Route {
	return api.Route{
		Method: "POST", Path: "/v1/events", Tag: "Events", Summary: "Record any events: one, an array, or a stream.",
		Description: "One event is answered like on the routes below. An array or a stream has one result for each event, in order, and one bad event doesn't stop the others. " +
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

// route is one that records one event.
func (s *Service) route(method, path, summary string, o operation) api.Route {
	tag := "Credits"
	if o.kind.IsOrder() {
		tag = "Orders"
	}
	body := &api.Body{
		Description: "The event without what the path says.", Optional: o.bare,
		Types: api.JSON(bodySchema(o.kind, o.ref != "")),
	}
	if o.bare {
		body.Description += " It may be left out."
	}
	return api.Route{
		Method: method, Path: path, Tag: tag, Summary: summary, Headers: []api.Param{keyHeader}, Body: body,
		Answers:  []api.Answer{{Status: http.StatusAccepted, Description: "Kafka has the event.", Types: api.JSON(api.Ref("Result"))}},
		Problems: writeProblems,
		Serve:    s.record(o),
	}
}

// unbuiltRoutes have their place and no more: what they do waits for an
// outcome.
func unbuiltRoutes() []api.Route {
	unbuiltRoute := func(path, tag, summary, detail string) api.Route {
		return api.Route{
			Method: "POST", Path: path, Tag: tag, Summary: summary,
			Answers: []api.Answer{{Status: http.StatusNotImplemented, Description: "Not yet.", Types: []api.Content{
				{Type: "application/problem+json", Schema: api.Ref("Problem")},
			}}},
			Serve: unbuilt(detail),
		}
	}
	var routes []api.Route
	for _, r := range []struct {
		path, summary string
		kind          event.Kind
	}{
		{"/spends", "Spend credits, if there are enough.", event.Spend},
		{"/refunds", "Refund a spend.", event.Refund},
		{"/holds", "Set credits aside.", event.Hold},
		{"/holds/{hold_id}/capture", "Consume what a hold set aside.", event.Capture},
		{"/holds/{hold_id}/release", "Give back what a hold set aside.", event.Release},
		{"/transfers", "Transfer credits to another user.", event.Transfer},
	} {
		routes = append(routes, unbuiltRoute(user+r.path, "Credits", r.summary, notYet(r.kind)))
	}
	for _, name := range []string{"pause", "resume", "cancel"} {
		routes = append(routes, unbuiltRoute("/v1/orders/{order_id}/"+name, "Orders", "Find an order's user, and "+name+" it.",
			"an order's user can't be found yet; name the user: POST "+user+"/orders/{order_id}/"+name))
	}
	return routes
}
