package query

import "highwater/pkg/api"

// made are the members that say how a grant came.
func made() []api.Property {
	return []api.Property{
		word("event_id", "The event or due item that made it; of a received one the sender's."),
		word("kind", "What that was: grant, add, received, refund, release or hold_expired."),
		maybe(word("counterparty", "Who sent it.")),
		maybe(word("origin", "The expired grant that it stands for, if it was restored.")),
	}
}

func grantSchema() api.Schema {
	return api.Object("What there is of a grant.", append([]api.Property{
		word("grant_id", "The grant."), integer("remaining", "What may be drawn."), integer("held", "What holds have set aside of it."), when("effective_at", "Usable from then."),
		maybe(when("expires_at", "Usable until just before; null: it doesn't expire.")), integer("priority", "Lower ones are drawn first."),
		member("state", api.Schema{Type: "string", Enum: []string{"usable", "future", "held"}, Description: "held: only holds have something of it, whether or not it has expired since."}),
		integer("amount", "What it was when it came."),
	}, made()...)...)
}

func holdSchema() api.Schema {
	slice := api.Object("", word("grant_id", ""), integer("amount", ""), maybe(when("expires_at", "")))
	return api.Object("A hold that may still be captured.",
		word("hold_id", "The event_id of the hold."), when("at", "Its time."), integer("amount", "What was asked for."), integer("captured", "What captures took of it."),
		integer("left", "What may still be captured; the rest was captured or released."), integer("held", "What is set aside for that."),
		integer("shortfall", "left less held: what later facts have left it short of."),
		maybe(when("expires_at", "What is left goes back then; null: never by itself.")),
		member("slices", api.Array(slice, "Of which grants, in the order in which they were drawn; at most 100.")), integer("more_slices", "How many slices aren't shown."))
}

func explanationSchema(balances []api.Property) api.Schema {
	sums := api.Object("Where everything that was ever credited is: credited = available + held + consumed + expired + revoked + sent. May have more than 64 bits.",
		integer("credited", "Granted, added and received."), integer("available", "balance is that less debt."), integer("held", ""), integer("consumed", "Used, and not refunded."),
		integer("expired", ""), integer("revoked", ""), integer("sent", "Transferred to others."))
	short := api.Object("What events missed at their places, whether or not it was owed, repaid or undone since; no part of the sums.", integer("events", "How many."), integer("amount", ""))
	debt := api.Object("What an event still owes.", word("event_id", ""), word("kind", ""), when("at", ""), integer("shortfall", "What it missed at its place."), integer("owed", "What of that is neither repaid nor undone."))
	cause := api.Object("", word("event_id", ""), word("kind", ""), when("occurred_at", ""), member("input", positionText), integer("late_by", "Microseconds behind the newest thing said."))
	change := api.Object("", integer("balance", ""), integer("held", ""), integer("debt", ""))
	correction := api.Object("What a late event changed.", member("cause", cause), when("committed_at", "When it was said."), member("after_final", api.Bool("")),
		member("change", change.OrNull().Described("By how much it changed what had been said about at; null where nothing had been.")),
		integer("changed_entries", "How many entries it changed; /corrections has them."))
	return api.Object("How an asset came to be what it is at one time.", append(append([]api.Property{word("user_id", ""), word("asset", ""), when("at", "")}, balances...),
		member("sums", sums), member("short", short), integer("grant_count", "How many grants there were, future ones included."),
		member("grants", api.List(api.Ref("ExplainedGrant")).Described("In the order in which they came. Its next_cursor goes on with them, or with the uses of grant_id; the rest of the answer stays.")),
		member("holds", api.Array(api.Ref("Hold"), "At most 100; /holds has all.")), integer("more_holds", ""),
		member("debts", api.Array(debt, "In the order in which they are repaid; at most 100.")), integer("more_debts", ""),
		member("corrections", api.List(correction).Described("Those whose cause stands at or before at, the newest first. Its next_cursor goes on with them; the rest of the answer stays.")),
		member("final", api.Bool("at is not after the watermark.")), when("watermark", "Of the user's partition."),
		maybe(member("position", positionText.Described("Where the newest event in it, by event time, came from."))),
		member("positions", api.Array(positionText, "The newest record of each topic that the user's partition has processed.")))...)
}

func explainedGrantSchema() api.Schema {
	return api.Object("A grant, and where its credits went. Once it is usable, amount = available + held + consumed + expired + revoked + sent + restored.",
		append(append([]api.Property{
			word("grant_id", ""), member("state", api.Schema{Type: "string", Enum: []string{"usable", "future", "expired", "revoked"}, Description: "At at, whether or not anything is left."}), when("at", "When it came."),
		}, made()...),
			integer("amount", "What it was when it came."), when("effective_at", "Usable from then."), maybe(when("expires_at", "")), integer("priority", ""),
			integer("available", ""), integer("held", ""), integer("consumed", ""), integer("expired", ""), integer("revoked", ""), integer("sent", ""),
			integer("restored", "For which a restored grant stands now, one whose origin this is."),
			member("uses", api.Array(api.Ref("Use"), "What happened to it, in order; at most 100, with grant_id in pages.")), integer("more_uses", "How many follow."))...)
}

func useSchema() api.Schema {
	buckets := []string{"available", "held", "consumed", "expired", "revoked", "sent", "restored"}
	return api.Object("One thing that happened to a part of a grant: amount went from one place to another.",
		word("event_id", "What did it."), word("kind", ""), when("at", ""), integer("amount", ""),
		member("from", api.Schema{Type: "string", Enum: buckets, Nullable: true, Description: "null: it came revoked, or expired."}),
		member("to", api.Schema{Type: "string", Enum: buckets}),
		maybe(word("of", "The hold or spend that event_id is about.")), maybe(word("repays", "The event whose debt it paid.")),
		maybe(word("restored_as", "The grant that stands for it now.")), maybe(word("counterparty", "Who got it.")))
}
