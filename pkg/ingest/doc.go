// Package ingest is the write API: it takes events over HTTP and answers once
// Kafka has them.
//
// It owns the way of an event from a request to its input topic: reading
// bodies (one event, an array, or NDJSON streamed both ways), the event's id
// where the body has none, its partition, and what is answered: a result with
// a position, or a refusal that names the field.
//
// It never decides what an event does (that is engine, in the processor),
// never reads a balance, and never consumes a topic.
//
// An event ends in one of three ways:
//
//	recorded  Kafka has it, on all in-sync replicas, at the position given
//	refused   it never reached Kafka: a rule it breaks, or Kafka is away
//	unknown   it was handed to Kafka, which didn't confirm it in time: it may
//	          or may not be there; sent again with the same event_id it counts
//	          once
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
//     [MaxArrayEvents] and [MaxArrayBytes].
//   - I5: every wait ends: for Kafka after produce.timeout, for a stream's next
//     event after stream.idle.timeout, for any other body after [BodyTimeout],
//     for a reader of results after [AnswerTimeout].
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
