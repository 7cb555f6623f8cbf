// Package engine is a shard's whole logic: it takes input records one by one,
// keeps every user's events in event-time order, and says what becomes of
// them: entries at once, corrections when a late event changes what was said,
// settled entries when the watermark passes.
//
// It owns the rows of a shard's state and their formats (keys.go, rows.go),
// identity, the decision about each event and what waits for one, the accounts
// and order books kept in memory, and what is published in which order. What it
// publishes is a pure function of (rows, records, clock): it never reads a
// clock, never does I/O but through [Rows], and starts no goroutine. What it
// keeps beside that, checkpoints, chapters, volumes, and states in accounts'
// rows, depends on what was in memory.
// It never knows Kafka, an encoding or a file.
//
// Invariants:
//
//   - I1: what was said about an account, entries and corrections folded,
//     equals a replay of its events from zero up to its head, at all times.
//   - I2: the head of an account never goes back.
//   - I3: an event_id that made an entry is a duplicate or a conflict for
//     ever after.
//   - I4: every event and due item is settled once, in the order of its
//     user's places, unless it came behind the watermark.
//   - I5: for every account that something will happen to by itself or that
//     has something to settle, there is a due row after Commit, at the place
//     of that or before, and not before the piece that the agenda is in.
//   - I6: rows and memory agree after Commit; an account dropped from memory
//     and loaded again says the same.
//   - I7: seq is dense for each topic, and committed_at never goes back.
//   - I8: a decision (accepted, rejected, refused by a rule) is made once, when
//     the event is first processed or stops waiting, is stored with the event,
//     and is taken as given by every replay.
//   - I9: what accepted operations took of a spend or hold, wherever their
//     places, is never more than it has; so a replay finds what they take.
//   - I10: an operation waits exactly as long as the one it names is unknown
//     and the watermark is before it; then it is decided, once.
//   - I11: an accepted transfer makes one remittance, in the transaction that
//     decides it.
//   - I12: a stored checkpoint with the shifts of its chapter and of its volume,
//     if it is in one, is the state at its place. Chapters don't overlap, begin
//     and end at checkpoints, and end before memory begins. Volumes don't
//     overlap either: each is chapters without a gap, never the last one.
//   - I13: a chapter or volume is jumped only if walking it would publish
//     nothing of it and change nothing but what its shift says. A volume's digest
//     says no less than those of its chapters.
//   - I14: a state in an account's row is that at the place which the row names,
//     that of an event; everything of the account is settled up to there.
//   - I15: the row cache has rows of accounts and books alone that aren't in
//     memory, and they say what those on the disk say; I14 holds for them, too.
//
// # The way of an event on credits
//
//	recall    is its id known? a duplicate, a conflict, or new
//	wait      a capture, release or refund of something unknown waits (waiting.go)
//	decide    grant ids, totals, rules, references, funds (credits.go,
//	          conditional.go, risk.go); what that changes in earlier events
//	          (a revoke that knows its grant now, a spend whose draws must be
//	          remembered) comes back as edits
//	enter     placed at the end, or before something said: then the account is
//	          walked without and with it and corrected (late.go)
//	children  what waited for it is decided, in the order of places
//
// # Memory
//
// A move of the watermark reads the due rows in pieces, brings whom they name
// into memory as their turn comes, and so the windows of order statistics, where
// they are many. So however many come due at one time, and however long a topic holds the
// watermark, memory has
//
//   - accounts and books, and rows of those that left: [Config.CacheBytes], by
//     estimate, and beside that what one transaction touches. The shell bounds
//     its records. A move touches MaxMoves accounts at most; where there is no
//     room it brings in a quarter of CacheBytes (at least 1 MiB) and one account
//     more, and goes on in the next transaction. What isn't settled of one account
//     is in memory together.
//   - the agenda: about two thousand names, and those that one transaction adds.
//   - windows: about a thousand, and those that one transaction touches.
//   - a name and a number for each user with operations that wait. This alone
//     has no bound but that of what waits, [MaxWaiting] for each.
//
// # Accounts that leave memory
//
// Where memory is short, an account's row has its state as long as that is
// small: when it is first written after the account was read from the disk, and
// when the account has left and nobody asked for it for long. Who needs only
// what comes next reads nothing else of it; its past begins where its memory
// does.
//
// In between, who leaves becomes a row with its state in the row cache
// (rowcache.go), which is a tenth of what it was, and bytes: the garbage
// collector, which visits everything in memory every few seconds, doesn't visit
// these. What the cache drops is written then, unless its row has its state.
//
// What leaves an account's memory is divided into chapters of some hundred
// events (chapter.go), each with a row that holds a digest of what they did. A
// late event walks from its place to the end of its chapter. From there on the
// history without it and the history with it nearly always differ by a shift
// alone: so much less remains of this grant, so much more of that. A chapter
// whose digest allows the shift is jumped (past.go): the shift is added to its
// row, and nothing of it is read. One in which a shifted grant runs out,
// expires or is revoked is walked, and what differs behind it is carried on.
//
// A shift lies on a chapter until somebody walks it; who reads a checkpoint
// adds it. What was never in memory long enough to become a chapter becomes
// one when it is walked.
//
// Some sixty chapters are a volume (volume.go): a chapter of chapters, with
// their digests joined, and a shift that is still to be made to their rows. A
// walk that stands at its beginning jumps it like a chapter. One that must go
// into it, because the late event's place is there or the shift isn't allowed,
// first opens it: the shift is made to the chapters.
//
// One transaction, as long as the engine isn't Busy (see [Engine.Busy]):
//
//	e.Begin(now)
//	for i := range records {
//		e.Process(&records[i]) // the sink takes what is published
//	}
//	err := e.Commit() // now rows and sink hold the transaction
package engine
