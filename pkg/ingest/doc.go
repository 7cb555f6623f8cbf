// Package ingest is the write API: it takes events over HTTP and answers once
// Kafka has them, or once it is decided what became of them.
//
// It owns the way of an event from a request to its input topic: reading
// bodies (one event, an array, or NDJSON streamed both ways), the event's id
// where the body has none, its partition, and what is answered: a result with
// a position, or a refusal that names the field. And it owns the way back:
// who waits for an outcome, and how each is answered.
//
// It never decides what an event does (that is engine, in the processor), never
// reads a balance, and keeps nothing that an answer rests on.
//
// An event ends in one of three ways:
//
//	recorded  Kafka has it, on all in-sync replicas, at the position given
//	refused   it never reached Kafka: a rule it breaks, or Kafka is away
//	unknown   it was handed to Kafka, which didn't confirm it in time: it may
//	          or may not be there; sent again with the same event_id it counts
//	          once
//
// # Outcomes
//
// Facts are answered then. Conditional operations and order commands go on to
// wait. What became of an event is an entry whose input is the event's
// position, or a dead letter of that position; both are read as they are
// committed, by one client ([follower]), of the partitions that somebody waits
// on. A partition is read from an end that was asked before the first event is
// written, and until nobody has waited on it for a while.
//
// An event that was there before makes no record at all. Its outcome is asked
// of the query service, which waits until it has included the event's position
// and then gives the entry it has under this event_id: at once, where this
// instance remembers the id or reads another entry of it, else when nothing was
// heard for a while. An entry
// of another position is the outcome of an earlier copy, unless the two differ:
// then a dead letter of ours says so, in the very transaction that made the
// query service pass our position. So all letters up to now are read first.
// Where outcomes can't be read (a partition too many, Kafka refuses), that
// can't be told, and such a retry is answered with 202; everything else is
// still found, since an entry of our own position says all.
//
//	request -> follow partition -> produce -> acknowledged -> entry, dead letter -> answer
//	                                             |  nothing heard, or sent again
//	                                             +-> query: entries/{event_id}?min_position -> letters up to now -> answer
//
// # Invariants
//
//   - I1: what is answered as recorded is in Kafka, acknowledged by all
//     in-sync replicas; what is answered as refused never gets there.
//   - I2: each event of a request has one result, in the order of the events;
//     one bad event doesn't stop the others.
//   - I3: an event goes to the partition that Kafka's Java client chooses for
//     its user, of the number of partitions that all topics agree on; while
//     they don't agree, nothing is written.
//   - I4: memory is bounded, whatever is sent: requests by max.requests, events
//     that wait for Kafka by max.buffered.events, those of one stream by
//     max.events.in.flight, one event by [codec.MaxEventBytes], an array by
//     [MaxArrayEvents] and [MaxArrayBytes], waits by max.waiting.requests, what
//     is read for them by max.followed.partitions, questions by
//     max.query.requests of each kind. A wait keeps the ids of its event, not
//     the request's body.
//   - I5: every wait ends: for Kafka after produce.timeout, for a stream's next
//     event after stream.idle.timeout, for any other body after [BodyTimeout],
//     for a reader of results after [AnswerTimeout], for an outcome after
//     outcome.timeout or what Prefer says up to max.wait, counted from the
//     receipt of the whole request, for an order's user as long as for its
//     outcome (but at least a second, at most produce.timeout), when its caller
//     goes, and when the service stops.
//   - I6: what is answered as an outcome is that of this event, or of one with
//     its id and content: told by position, never by the id alone.
//   - I7: a wait begins before its event is handed to Kafka, so that no outcome
//     comes too early; where that can't be, it is known ([waiter.isBlind]).
//
// Whoever streams must read results while still sending events: a sender that
// doesn't read stops being read, and is cut off after [AnswerTimeout].
//
// Use:
//
//	service, err := ingest.New(ingest.Config{Names: names, Client: options, Logger: logger, Registry: registry})
//	process.Group.Add(service.Component())
//	process.Group.Add(server.Component(service.Handler(process.Mount(http.NewServeMux()))))
package ingest
