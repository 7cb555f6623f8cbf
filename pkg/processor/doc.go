// Package processor decides which shards run in this process.
//
// It owns the process's membership of the group that shares the shards, one
// worker for each shard the group gives it, their directories, and the watch
// over the topics. It never touches an event: that is shard.
//
// The group is on the shards topic, whose partition i stands for shard i. Where
// the group gives a shard, a worker opens its state and runs it; where it takes
// one, the worker lands what is on its way and flushes, and only then does the
// group pass the shard on. Where the membership itself is lost the worker drops
// everything at once: somebody else may own the shard already.
//
// A static member (group.instance.id, by default made of host and address)
// keeps its shards while it restarts within the session time-out, with its
// state warm; nobody takes them over in that time, also after a graceful stop.
// A member that isn't static leaves at once.
//
// A processor may keep some shards of others warm (standbys): it follows their
// changelogs into states of its own, and goes on from there when the group
// gives it one of them.
//
// Directories:
//
//	<data.dir>/<application.id>/processor.lock   one process a directory
//	<data.dir>/<application.id>/shard-<i>        the state of shard i
//
// # Invariants
//
//   - I1: a shard's client is made only for an assignment of the group that is
//     newer than whatever ended the client before it; so two members never
//     fence each other in turn.
//   - I2: a shard is given back only once its state is closed.
//   - I3: an error that one shard can't get over ends the process, with the
//     other shards landed first.
//
// Use:
//
//	p := processor.New(cfg)
//	err := p.Run(ctx)
package processor
