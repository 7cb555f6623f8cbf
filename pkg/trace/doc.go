// Package trace makes a load for Highwater of a real trace: one hour of calls
// to an LLM coding service (data/README.md names its source and licence).
//
// It owns the trace and what is made up around it: which user made a call
// (the row's hash), the grants that pay for the calls, orders, in which order
// the records arrive, and which of them come late, twice, or can't be read. One row
// is one subtract of its context and generated tokens.
//
// It never sends anything and reads no clock: [Generate] yields records ready
// to be produced, in the order of their arrival.
//
// Invariants:
//
//   - I1: equal options give equal records, byte for byte.
//   - I2: every row is among the records exactly once, copies aside.
//   - I3: a record without a Bad code is a valid event for its topic and key.
//
// Use:
//
//	o := trace.Defaults()
//	o.End = event.TimeOf(time.Now())
//	for _, r := range trace.Generate(o) {
//		produce(r.Topic, r.Key, r.Value)
//	}
package trace
