// Package query is the read API: balances at any time, past or to come,
// histories, corrections, orders and their statistics, over HTTP.
//
// It follows the changelogs of all partitions into states of its own and
// answers from snapshots of them, with the engine's own replay
// ([engine.View]). It owns the routes of the contract's "Query (reads)", the
// cursors of their lists, and the page at /.
//
// It never writes to Kafka, never decides anything about an event, and never
// changes a state but by what the changelog says.
//
// Invariants:
//
//   - I1: one answer about one user comes from one snapshot, which stands
//     behind a whole transaction.
//   - I2: an answer is sent only when every row that it came from could be
//     read.
//   - I3: an answer to a request with min_position includes that position.
//   - I4: every read is bounded: its page in items and bytes, its time, how
//     many run and how many wait at once. A page of a list costs what it
//     shows and a piece of each of the user's accounts; only what a route's
//     description says costs more.
//   - I5: pages of a list that doesn't change cover it, each item once.
//   - I6: an answer to a request with current includes whatever was committed,
//     in any partition, when the request came.
//
// Use:
//
//	s := query.New(query.Config{Logger: log, Registry: registry})
//	s.Serve(partitions) // or the component that query.Add makes
//	http.Handle("/", s.Handler(http.NewServeMux()))
package query
