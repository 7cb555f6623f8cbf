// Package bench measures an installation from outside: it makes topics of its
// own, starts processors as processes, gives them events, and reads what they
// commit.
//
// It owns the load and its mix, the processes it starts, and the figures. It
// never touches topics that it didn't make, and never counts an event that
// wasn't committed.
//
// What is measured:
//
//   - throughput: all events are in Kafka before the processors start. The
//     rate is that from the first transaction of the changelog to the last, the
//     first one's events left out, so that a start isn't counted.
//   - CPU: user and system time of each process over just that stretch, for a
//     million events.
//   - latency: at a steady rate, from handing an event to the producer to
//     reading its entry, read committed. Both clocks are this process's own.
//
// Apart from that, [Spend] measures spends over HTTP on an installation that
// runs already: how long they take, and where. It makes users of its own, which
// stay, and tells every answer that can't be.
//
// What the events are, docs/benchmarks/workloads.md says to the draw.
//
//   - I1: equal seeds make equal loads.
//   - I2: whatever it started or made is gone at the end, unless it is to be
//     kept.
//
// Use:
//
//	result, err := bench.Run(ctx, bench.Options{...}, progress)
package bench
