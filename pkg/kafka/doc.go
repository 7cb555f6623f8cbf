// Package kafka is what Highwater agrees on with Kafka: which topics there
// are, how each of them is configured, which partition a user lives in, how a
// client must be set up to keep the promise of exactly once, what an error of
// Kafka means for a shard, and the bytes of the changelog.
//
// It owns names ([Names]), the catalogue ([Catalogue], [Apply], [Verify]),
// client options ([ShardOptions], [FollowerOptions], [MemberOptions]), the
// partitioner ([PartitionOf]), error classes ([ClassOf], [LossError]), the
// changelog record ([ChangelogRecord], [Assembler]) and the list of records
// that a person told to skip ([Skip]).
//
// It never decodes an event, never runs a transaction (that is shard) and
// never deletes or alters a topic that exists.
//
// # Changelog record
//
// One transaction of a shard writes one batch of rows to its state. The batch
// goes to partition i of <application.id>-changelog as one Kafka record, or as
// several (chunks) where it is large; chunks of one batch stand in order and
// in one transaction. Key and headers are empty. The value, version 1,
// integers big-endian:
//
//	  0  magic         4  "HWCL"
//	  4  version       1  1
//	  5  reserved      3  0
//	  8  shard         4
//	 12  seq           8  counts the shard's batches from 1
//	 20  previous     32  hash chain value before this batch
//	 52  batch hash   32  SHA-256 of the batch, all chunks joined
//	 84  positions  5x8  next offset of grants, subtracts, ledger, orders,
//	                      transfers, after this batch
//	124  watermark     8  microseconds, after this batch
//	132  processed at  8  microseconds, the clock at the start of the batch
//	140  events        4  input records that the batch took
//	144  chunk         4  from 0
//	148  chunks        4  at least 1
//	152  batch            this chunk's part of Pebble's batch from its byte 8
//	                      on: 4 bytes little-endian count, then the operations
//
// The chain goes on with SHA-256(previous, batch hash). What a released version
// means never changes; its decoder is never edited.
//
// # Invariants
//
//   - I1: a user's partition is the one that Kafka's Java client chooses.
//   - I2: nobody reads what an open or aborted transaction wrote, and a reader
//     never moves its position by itself where Kafka lost data.
//   - I3: [Assembler] hands out whole batches only, and holds at most
//     [MaxBatchBytes].
//   - I4: [Apply] changes no topic that exists.
//   - I5: an unknown error is never taken for one that a retry cures.
//
// Use:
//
//	names := kafka.Names{Application: "highwater"}
//	err := kafka.Apply(ctx, client, kafka.Catalogue(names, 4, -1))
//	...
//	p := kafka.PartitionOf([]byte(user), 4)
package kafka
