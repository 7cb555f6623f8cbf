// Package verify proves Highwater's promise from what Kafka holds: it reads
// every topic, replays the inputs from zero with the second, simple
// implementation (package oracle), and compares.
//
// It owns the checks and the words in which they are told. It never uses the
// engine or what stands under it, writes nothing to Kafka, and believes no
// published number that it can count itself; it takes from the entries only
// what arrival decided: the order in which events were processed.
//
// Partitions are looked at one after the other, each at one cut: the newest
// transaction of the changelog, all that it and those before it published, and
// the input records up to its positions. So a running system can be verified.
// One partition is held in memory.
//
// The checks, in the order in which they are printed:
//
//	topics        are there, with the settings that correctness rests on
//	caught-up     the processors have taken every input record there was
//	changelog     seq, hash chain, hashes of batches, positions, number of events
//	records       every output record can be read
//	seq           dense where nothing is compacted, increasing elsewhere
//	stamps        partition, watermark and committed_at, and that a record is of
//	              the transaction that took its cause
//	keys          keys are what the records say, in their partitions
//	inputs        every record is accounted for once: entry, dead letter, duplicate
//	dead-letters  bytes untouched, codes as derived again
//	decisions     grant_exists, amount_overflow in the order of processing
//	conservation  the contract's 4.7 at every item of the replay
//	entries       say what the replay says at their moment
//	corrections   have a cause, and name what was said
//	timelines     the fold of entries and corrections is the replay
//	balances      each record, and the newest of each key
//	settled       once each, in order, as things then stood
//	order-states  are the live orders of the replay
//	order-stats   are the tallies of the replay
//	alerts        one for each shortfall that came or grew, and each overflow
//	watermarks    move on, and no further than the changelog
//	replicas      have the hashes of the changelog
//
// Long accounts are replayed at some of their moments, and always at the last
// (see maxSteps).
//
// What Kafka doesn't hold must be given: the policies, and the settings of
// time that decide what is refused. Where they were changed, events from
// before the change may be taken for wrong.
//
// Use:
//
//	ok, err := verify.Run(ctx, verify.Options{Names: names, Client: options, Settled: true}, os.Stdout)
package verify
