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
// One partition is held in memory, and of the others what transfers sent.
//
// The checks, by number, in the order in which they are printed:
//
//	 1 topics        are there, with the settings that correctness rests on
//	 2 caught-up     the processors have taken every record there was to read
//	 3 changelog     seq, hash chain, hashes of batches, positions, number of events
//	 4 records       every output record, and every transfer, can be read
//	 5 seq           dense where nothing is compacted, increasing elsewhere
//	 6 stamps        partition, watermark and committed_at, and that a record is of
//	                 the transaction that took its cause
//	 7 keys          keys are what the records say, in their partitions
//	 8 inputs        every record is accounted for once: entry, dead letter, duplicate
//	 9 dead-letters  bytes untouched, codes as derived again
//	10 decisions     made anew in the order of processing: which grant was first,
//	                 totals, what a capture, release or refund names and what is
//	                 left of it, the rules of risk
//	11 conservation  the contract's 4.7 at every item of the replay, in the replay
//	                 and added up from what the entries say
//	12 entries       say what the replay says at their moment
//	13 corrections   have a cause, and name what was said
//	14 timelines     the fold of entries and corrections is the replay
//	15 balances      each record, and the newest of each key
//	16 settled       once each, in order, as things then stood
//	17 order-states  are the live orders of the replay
//	18 order-stats   are the tallies of the replay
//	19 alerts        one for each shortfall that came or grew, and each limit hit
//	20 watermarks    move on, and no further than the changelog
//	21 replicas      have the hashes of the changelog
//	22 pending       what waits was said to, had to, and is decided once: at once when
//	                 what it names comes, or when the watermark passes it
//	23 covered       a spend, hold or transfer is accepted where it takes from
//	                 nobody when it is decided, and only there
//	24 decided-once  no correction changes a decision
//	25 transfers     each accepted one is once in the receiver's partition, as it was
//	                 decided, and each of those was received once
//	26 money         over all users and partitions, what was granted and added is
//	                 available, held, consumed, expired, revoked or on its way
//
// Long accounts are replayed at some of their moments, and always at the last
// (see maxSteps); so are the spends, holds and transfers that 23 tries.
//
// A record that leaves slices out because they would make it too large must
// have the right ones, leave out no more and no fewer than it must, and say how
// many.
//
// What Kafka doesn't hold must be given: the policies, and the settings of
// time that decide what is refused. Where they were changed, events from
// before the change may be taken for wrong.
//
// Use:
//
//	ok, err := verify.Run(ctx, verify.Options{Names: names, Client: options, Settled: true}, os.Stdout)
package verify
