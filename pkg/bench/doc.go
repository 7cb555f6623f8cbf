// Package bench measures an installation from outside: it makes topics of its
// own, starts processors as processes, gives them events, and reads what they
// commit.
//
// It owns the events of its workloads, the processes it starts, the floor, and
// the figures. It never touches topics that it didn't make, and never counts
// an event that wasn't committed.
//
// What the events are, docs/benchmarks/workloads.md says to the draw; how they
// are measured, docs/benchmarks.md. In short:
//
//   - throughput: all events are in Kafka before the processors start. The
//     rate is that from the first transaction, once every account is open, to
//     the last, by the times at which the broker ended them, the first one's
//     events left out: so neither a start nor an opening is counted.
//   - CPU: user and system time of each process over just that stretch, for a
//     million events.
//   - the floor: the same inputs read, and as many records and bytes written,
//     by the same protocol in transactions of the same size, with nothing
//     computed or stored ([RunFloor]). What a machine can do changes with who
//     else uses it; the ratio to its floor hardly does.
//   - latency: at a steady rate, from when an event is due at the producer to
//     reading its entry, read committed. Both clocks are this process's own.
//   - restore, takeover, query: how soon processors run again, with and without
//     what they had on disk; how long partitions are silent whose processor is
//     killed, restarted or stopped; what reads over HTTP take and cost.
//
// Apart from that, [Spend] measures spends over HTTP on an installation that
// runs already: how long they take, and where. It makes users of its own, which
// stay, and tells every answer that can't be.
//
//   - I1: equal seeds make equal loads.
//   - I2: whatever it started or made is gone at the end, unless it is to be
//     kept.
//   - I3: nobody reads or asks much while something is measured.
//   - I4: a run whose outputs were refused, or that nobody verified, says so.
//
// Use:
//
//	result, err := bench.Run(ctx, bench.Options{...}, progress)
package bench
