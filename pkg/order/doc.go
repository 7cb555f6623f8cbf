// Package order is one order's life as a transition table: placed, paused,
// resumed, cancelled, and what each of these adds to the statistics of its
// window.
//
// It owns the states, the outcome of every command in every state, and the
// [Share] of a command in the order statistics. It never knows a second
// order: how many orders a cancel_all ended is counted by whoever steps them
// all.
//
// Invariants:
//
//   - I1: an order is live exactly while its status is ACTIVE or PAUSED.
//   - I2: a command that is ignored leaves the order as it was.
//   - I3: the shares of all commands on an order sum to what is live of it.
//
// Use:
//
//	var o order.Order
//	o.Apply(&place, &result) // applied, ACTIVE
//	o.Apply(&pause, &result) // applied, PAUSED
//	share := o.Last()        // one paused order in its currency
package order
