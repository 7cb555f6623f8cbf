package codec

import (
	"highwater/pkg/event"
	"highwater/schemas"
)

// Schema names one record of schemas/.
type Schema uint8

// The schemas: first those of the input topics, then those of the output
// topics.
const (
	NoSchema Schema = iota
	GrantEvent
	SubtractEvent
	LedgerEvent
	OrderEvent
	EntryRecord
	CorrectionRecord
	BalanceRecord
	OrderStateRecord
	OrderStatsRecord
	WatermarkRecord
	AlertRecord
	schemaCount
)

// The fingerprints are CRC-64-AVRO over the parsing canonical form. They
// change only when what is written changes; a released one is never dropped.
var schemaTable = [schemaCount]struct {
	name        string
	text        *string
	fingerprint uint64
}{
	GrantEvent:       {"highwater.v1.GrantEvent", &schemas.GrantEvent, 0x67ea8a477f083a6f},
	SubtractEvent:    {"highwater.v1.SubtractEvent", &schemas.SubtractEvent, 0x803786dbc0442d0a},
	LedgerEvent:      {"highwater.v1.LedgerEvent", &schemas.LedgerEvent, 0x62874acbf16f8e71},
	OrderEvent:       {"highwater.v1.OrderEvent", &schemas.OrderEvent, 0xb2b535b8e01b41cf},
	EntryRecord:      {"highwater.v1.Entry", &schemas.Entry, 0x5c18c7db432e9e3e},
	CorrectionRecord: {"highwater.v1.Correction", &schemas.Correction, 0xaec7d5c3ee291381},
	BalanceRecord:    {"highwater.v1.Balance", &schemas.Balance, 0xde87e38936c52137},
	OrderStateRecord: {"highwater.v1.OrderState", &schemas.OrderState, 0xb9be2ea5117ad7e2},
	OrderStatsRecord: {"highwater.v1.OrderStats", &schemas.OrderStats, 0x43f090e505cfb0ee},
	WatermarkRecord:  {"highwater.v1.Watermark", &schemas.Watermark, 0x4990d86fa52ede18},
	AlertRecord:      {"highwater.v1.Alert", &schemas.Alert, 0x61609b68d3388d5e},
}

// Schemas lists every schema, for whoever registers them.
func Schemas() []Schema {
	all := make([]Schema, 0, schemaCount-1)
	for s := GrantEvent; s < schemaCount; s++ {
		all = append(all, s)
	}
	return all
}

// String is the schema's full name, such as "highwater.v1.GrantEvent".
func (s Schema) String() string { return schemaTable[s].name }

// Text is the schema itself, as JSON.
func (s Schema) Text() string { return *schemaTable[s].text }

// Fingerprint is the schema's CRC-64-AVRO fingerprint.
func (s Schema) Fingerprint() uint64 { return schemaTable[s].fingerprint }

// IsEvent reports whether the schema is one of the input topics'.
func (s Schema) IsEvent() bool { return s >= GrantEvent && s <= OrderEvent }

// EventSchema is the schema of an input topic; NoSchema for other topics.
func EventSchema(t event.Topic) Schema {
	switch t {
	case event.Grants:
		return GrantEvent
	case event.Subtracts:
		return SubtractEvent
	case event.Ledger:
		return LedgerEvent
	case event.Orders:
		return OrderEvent
	}
	return NoSchema
}

func schemaByFingerprint(fp uint64) Schema {
	for s := GrantEvent; s < schemaCount; s++ {
		if schemaTable[s].fingerprint == fp {
			return s
		}
	}
	return NoSchema
}

func schemaByName(name string) Schema {
	for s := GrantEvent; s < schemaCount; s++ {
		if schemaTable[s].name == name {
			return s
		}
	}
	return NoSchema
}
