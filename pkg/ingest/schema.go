package ingest

import (
	"highwater/pkg/api"
	"highwater/pkg/event"
)

var (
	idSchema       = api.Schema{Type: "string", Description: "1 to 128 bytes of UTF-8 without control characters and slashes."}
	userSchema     = api.Schema{Type: "string", Description: "1 to 128 bytes of UTF-8 without control characters."}
	grantRefSchema = api.Schema{Type: "string", Description: "1 to 300 bytes of UTF-8 without control characters."}
	amountSchema   = api.Schema{Type: "integer", Format: "int64", Minimum: new(int64(1)), Maximum: new(int64(event.MaxAmount)), Description: "Minor units."}
	allThatIsLeft  = amountSchema.Described("Minor units; all that is left where left out.")
	decimalSchema  = api.Schema{Type: "string", Pattern: `^[0-9]{1,18}(\.[0-9]{1,18})?$`, Description: "Above zero, exact.", Example: "12.50"}
)

// sentTime is a time in an event.
func sentTime(description string) api.Schema {
	return api.Schema{Description: description, OneOf: []api.Schema{
		{Type: "string", Format: "date-time", Description: "RFC 3339 with an offset and at most six digits of a second."},
		{Type: "integer", Format: "int64", Minimum: new(int64(0)), Description: "Microseconds since 1970."},
	}}
}

func required(name string, s api.Schema) api.Property { return api.Property{Name: name, Schema: s} }

func optional(name string, s api.Schema) api.Property {
	return api.Property{Name: name, Schema: s, Optional: true}
}

// sendable are the operations that can be recorded, in the order in which the
// document shows them.
var sendable = []event.Kind{
	event.Grant, event.Revoke, event.Subtract, event.Add,
	event.Spend, event.Refund, event.Hold, event.Capture, event.Release, event.Transfer,
	event.PlaceOrder, event.Pause, event.Resume, event.Cancel, event.CancelAll,
}

// ofOperation are the fields of one operation alone.
func ofOperation(k event.Kind) []api.Property {
	switch k {
	case event.Grant:
		return []api.Property{
			required("grant_id", idSchema), required("amount", amountSchema),
			optional("effective_at", sentTime("From when on it can be used; occurred_at where left out.")),
			optional("expires_at", sentTime("When its remainder is gone; never where left out.")),
			optional("priority", api.Schema{Type: "integer", Minimum: new(int64(0)), Maximum: new(int64(event.MaxPriority)), Default: 0, Description: "Lower is used first."}),
		}
	case event.Revoke:
		return []api.Property{required("grant_id", grantRefSchema)}
	case event.Subtract, event.Spend:
		return []api.Property{required("amount", amountSchema)}
	case event.Add:
		return []api.Property{required("amount", amountSchema), optional("expires_at", sentTime("When its remainder is gone; never where left out."))}
	case event.Refund:
		return []api.Property{required("spend_id", idSchema.Described("The event_id of the spend or hold. "+idSchema.Description)), optional("amount", allThatIsLeft)}
	case event.Hold:
		return []api.Property{required("amount", amountSchema), optional("expires_at", sentTime("When what is left in it goes back; never where left out."))}
	case event.Capture:
		return []api.Property{required("hold_id", idSchema), optional("amount", allThatIsLeft)}
	case event.Release:
		return []api.Property{required("hold_id", idSchema)}
	case event.Transfer:
		return []api.Property{required("to_user_id", userSchema), required("amount", amountSchema)}
	case event.PlaceOrder:
		return []api.Property{
			required("order_id", idSchema), required("currency", userSchema),
			required("amount", decimalSchema), required("price", decimalSchema),
		}
	case event.Pause, event.Resume, event.Cancel:
		return []api.Property{required("order_id", idSchema)}
	}
	return nil
}

// common are the fields of every event.
func common() []api.Property {
	return []api.Property{
		optional("event_id", api.Schema{Type: "string", Description: "Unique for the user, for ever; made where left out. " + idSchema.Description}),
		optional("occurred_at", sentTime("When it happened; now where left out.")),
		optional("sequence", api.Schema{Type: "integer", Format: "int64", Default: 0, Description: "The producer's order among equal times."}),
		optional("asset", api.Schema{Type: "string", Pattern: api.Asset.Schema.Pattern, Default: event.DefaultAsset, Description: "Which of the user's assets."}),
		optional("source", api.Text("Who produced it; at most 128 bytes.")),
		optional("metadata", api.Schema{Type: "object", Map: &api.Schema{Type: "string"}, Description: "At most 16 pairs and 1 KiB in all."}),
	}
}

// eventSchema is an event of one kind that says everything itself.
func eventSchema(k event.Kind) api.Schema {
	properties := []api.Property{
		required("type", api.Schema{Type: "string", Enum: []string{k.String()}}),
		required("user_id", userSchema),
	}
	properties = append(properties, ofOperation(k)...)
	return api.Object("An event: "+k.String()+".", append(properties, common()...)...)
}

// bodySchema is an event of one kind and one user that a path says, and maybe
// what it is about.
func bodySchema(k event.Kind, refInPath bool) api.Schema {
	properties := ofOperation(k)
	if refInPath {
		properties = properties[1:]
	}
	return api.Object("", append(properties, common()...)...)
}

// schemas are those that routes name.
func schemas() []api.Property {
	var all []api.Property
	var one []api.Schema
	for _, k := range sendable {
		name := "event_" + k.String()
		one = append(one, api.Ref(name))
		all = append(all, api.Property{Name: name, Schema: eventSchema(k)})
	}
	return append([]api.Property{
		{Name: "Event", Schema: api.Schema{OneOf: one, Description: "One event, flat; its type says which fields it has."}},
		{Name: "Result", Schema: resultSchema},
		{Name: "Entry", Schema: api.EntrySchema},
	}, all...)
}

var resultSchema = api.Object("What became of one event.",
	required("event_id", api.Text("The event; empty where it can't be read so far.")),
	required("status", api.Schema{Type: "string", Enum: []string{string(statusRecorded), string(statusRefused), string(statusUnknown)},
		Description: "recorded: Kafka has it. refused: it never got there. unknown: Kafka didn't confirm it; sent again with the same event_id it counts once."}),
	optional("code", api.Text("Why it isn't recorded, for programs.")),
	optional("message", api.Text("Why it isn't recorded, and what to do.")),
	optional("position", api.Text("Where it is in Kafka: topic/partition/offset.")),
)
