// Package api is what the HTTP services have in common: routes that are served
// and described by one table, errors as problem+json, strict parameters, an
// OpenAPI 3.1 document and pages that need no other host.
//
// It owns the form of errors ([Problem]), of parameters ([Params]), of the
// document at /openapi.json and of the page at /docs. It never knows what a
// route does, and never reads a body.
//
// Invariants:
//
//   - I1: every answer that isn't a route's own is a problem+json with a code
//     that doesn't change between releases: also unknown paths and methods,
//     unclean paths, and a handler that fails or panics.
//   - I2: a parameter that a route doesn't declare, or one given twice, never
//     reaches its handler.
//   - I3: the document lists every route of the table and nothing else.
//   - I4: a page runs and shows only what is in it: no other host, no script
//     that was not hashed into its policy.
//
// Use:
//
//	routes := []api.Route{{
//		Method: "GET", Path: "/v1/users/{user_id}/balance", Summary: "A balance.",
//		Query:   []api.Param{api.Asset, {Name: "at", Description: "When.", Schema: api.TimeSchema}},
//		Answers: []api.Answer{{Status: 200, Schema: api.Ref("Balance")}},
//		Serve: func(w http.ResponseWriter, r *http.Request, p *api.Params) error {
//			user, at := p.User("user_id"), p.Time("at", now())
//			if err := p.Err(); err != nil {
//				return err // 400 invalid, names the parameter
//			}
//			...
//		},
//	}}
//	a := api.New(api.Info{Service: "query", Title: "Highwater query"}, routes, schemas, logger, registry)
//	handler := a.Handler(process.Mount(http.NewServeMux()))
package api
