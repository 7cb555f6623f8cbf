package api

// EntrySchema is an entry as both services answer it; codec writes it.
var EntrySchema = Object("What became of an event, or that a due item happened, as a replay says it now.", entryProperties()...)

// ResultSchema is the part of an entry that a late event can change.
var ResultSchema = Object("What an entry says.", resultProperties()...)

// InputSchema is where an event stands in Kafka.
var InputSchema = Object("Where it came from; null for due items.",
	member("topic", Text("")), member("partition", Integer("")), member("offset", Integer(""))).OrNull()

func member(name string, schema Schema) Property { return Property{Name: name, Schema: schema} }

func entryProperties() []Property {
	before := []Property{
		member("event_id", Text("Of a due item: its kind, / and the grant's or hold's id.")), member("user_id", Text("")),
		member("asset", Text("null for orders.").OrNull()),
		member("kind", Text("The operation; activated, expired or hold_expired for due items, received for an incoming transfer.")),
		member("occurred_at", Time("")), member("effective_at", Time("Its time in the order.")),
		member("arrived_at", Time("Kafka's append time.").OrNull()), member("input", InputSchema),
		member("counterparty", Text("Of transfers.").OrNull()),
	}
	return append(append(before, resultProperties()...),
		member("late", Bool("It came behind something already said.")),
		member("after_final", Bool("It came behind the watermark; false for due items here.")),
		member("revision", Integer("")), member("partition", Integer("")),
		member("committed_at", Time("When it was processed; null for due items.").OrNull()))
}

func resultProperties() []Property {
	slice := Object("", member("grant_id", Text("")), member("amount", Integer("")), member("expires_at", Time("").OrNull()))
	repayment := Object("", member("event_id", Text("")), member("grant_id", Text("")), member("amount", Integer("")))
	order := Object("What it did to orders.", member("order_id", Text("").OrNull()), member("state", Text("At its place.").OrNull()),
		member("cancelled", Integer("How many orders a cancel_all ended.").OrNull()))
	return []Property{
		member("outcome", Schema{Type: "string", Enum: []string{"applied", "accepted", "rejected", "ignored", "pending"}}),
		member("code", Text("Why, where it was rejected or ignored.").OrNull()), member("amount", Integer("Minor units; null for orders.").OrNull()),
		member("shortfall", Integer("What a debit missed.")), member("undone", Integer("How much shortfall a refund undid.")),
		member("slices", Array(slice, "Of which grants: drawn, given back, granted, expired or revoked.")),
		member("repaid", Array(repayment, "Debts that it repaid.")),
		member("balance_after", Integer("At its place.").OrNull()), member("held_after", Integer("At its place.").OrNull()), member("debt_after", Integer("At its place.").OrNull()),
		member("order", order.OrNull()),
	}
}
