package query

import "highwater/pkg/api"

// member is a member of an object.
func member(name string, schema api.Schema) api.Property {
	return api.Property{Name: name, Schema: schema}
}

func integer(name, description string) api.Property {
	return member(name, api.Integer(description))
}

func word(name, description string) api.Property { return member(name, api.Text(description)) }

func when(name, description string) api.Property { return member(name, api.Time(description)) }

func decimal(name, description string) api.Property {
	return member(name, api.Schema{Type: "string", Description: description, Pattern: `^-?[0-9]{1,54}(\.[0-9]{1,18})?$`, Example: "12.5"})
}

func maybe(p api.Property) api.Property {
	p.Schema = p.Schema.OrNull()
	return p
}

var positionText = api.Schema{Type: "string", Description: "topic/partition/offset", Example: "grants/3/1024"}

// schemas describe every answer.
func schemas() []api.Property {
	threeNumbers := []api.Property{
		integer("balance", "Available less debt, in minor units."), integer("held", "Set aside by holds."), integer("debt", "Owed."),
	}
	nullable := []api.Property{maybe(threeNumbers[0]), maybe(threeNumbers[1]), maybe(threeNumbers[2])}
	nullable[0].Schema.Description = "Available less debt, in minor units; null before the first entry, by event time."
	order := []api.Property{
		word("user_id", ""), word("order_id", ""), word("currency", ""), decimal("amount", ""), decimal("price", ""),
		member("state", api.Schema{Type: "string", Enum: []string{"ACTIVE", "PAUSED", "CANCELLED"}}),
		when("placed_at", ""), when("updated_at", "The last command that changed it."), integer("revision", "Counts its published records from 0."),
	}
	return []api.Property{
		member("BalanceAt", api.Object("An asset at one time.", append(append([]api.Property{word("user_id", ""), word("asset", ""), when("at", "")}, nullable...),
			member("grants", api.Array(api.Ref("Grant"), "What there is, in the order in which it is drawn; at most 100.")),
			integer("more_grants", "How many grants aren't shown here; /grants has all."),
			member("holds", api.Array(api.Ref("Hold"), "What is set aside, by hold_id; at most 100.")),
			integer("more_holds", "How many holds aren't shown here; /holds has all."),
			maybe(when("next_change_at", "The next expiry, activation or hold time-out known.")),
			maybe(member("final", api.Bool("at is not after the watermark."))), maybe(when("watermark", "Of the user's partition.")),
			maybe(member("position", positionText.Described("Where the newest event in this balance, by event time, came from; null where there is none."))),
			member("positions", api.Array(positionText, "The newest record of each topic that the user's partition has processed: every earlier one is included.")))...)),
		member("Grant", grantSchema()),
		member("Hold", holdSchema()),
		member("Explanation", explanationSchema(nullable)),
		member("ExplainedGrant", explainedGrantSchema()),
		member("Use", useSchema()),
		member("Step", api.Object("A balance from a time on, until the next step.", append([]api.Property{when("at", "")}, threeNumbers...)...)),
		member("Entry", api.EntrySchema),
		member("Result", api.ResultSchema),
		member("Correction", api.Object("What a late event changed in what was said before.",
			member("cause", api.Object("", word("event_id", ""), word("kind", ""), when("occurred_at", ""), member("input", api.InputSchema), integer("late_by", "Microseconds behind the newest thing said."))),
			word("user_id", ""), maybe(word("asset", "null for orders.")), member("after_final", api.Bool("")),
			member("changes", api.Array(api.Object("", append([]api.Property{when("from", ""), maybe(when("to", "null: until the next thing said."))}, threeNumbers...)...), "By how much balances differ, over which times.")),
			member("entries", api.Array(api.Object("", word("event_id", ""), word("kind", ""), when("effective_at", ""),
				member("before", api.Ref("Result").OrNull()), member("after", api.Ref("Result").OrNull())), "Entries that no longer stand.")),
			integer("part", "Counts from 1."), integer("parts", ""), integer("partition", ""), integer("seq", ""), when("watermark", ""), when("committed_at", ""))),
		member("Order", api.Object("An order as it is now.", order...)),
		member("OrderHistory", api.Object("An order and everything done to it.", append(order, member("history", api.List(api.Ref("Entry"))))...)),
		member("OrderWindow", api.Object("One currency and minute, all partitions together.",
			word("currency", ""), when("window_start", ""), integer("placed", ""), integer("paused", ""), integer("resumed", ""), integer("cancelled", "Orders."), integer("ignored", ""),
			decimal("placed_amount", ""), decimal("placed_notional", ""), integer("live_orders_delta", "Change in the window."), decimal("live_notional_delta", "Change in the window."),
			member("final", api.Bool("Every partition's watermark has passed its end.")))),
		member("Partition", api.Object("How far a partition is.",
			integer("partition", ""), member("positions", api.Array(positionText, "The newest record of each topic that was processed.")), when("watermark", ""),
			maybe(when("processed_at", "The processor's clock at the newest batch.")), integer("lag", "Records of the changelog that aren't applied here."),
			member("ready", api.Bool("It has caught up since the start.")), maybe(word("owner", "The processor that owns it, where it is known.")),
			integer("seq", "Batches since the beginning."), maybe(integer("changelog_offset", "Of the newest batch.")), word("state_hash", "Of the chain of all batches, in hexadecimal."))),
	}
}
