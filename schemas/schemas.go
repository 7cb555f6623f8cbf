// Package schemas holds the Avro schemas of everything Highwater reads and
// publishes, one self-contained file a record, namespace highwater.v1.
//
// The files are the source: what is written into Kafka follows them byte for
// byte. A released schema only ever gains fields that have a default, or
// loses such fields; testdata/v1 holds bytes of the first release that must
// decode for ever. The package never encodes anything itself (that is codec).
//
//	text := schemas.Entry // JSON, as a registry takes it
package schemas

import _ "embed"

// The events of the input topics.
var (
	//go:embed grant_event.avsc
	GrantEvent string
	//go:embed subtract_event.avsc
	SubtractEvent string
	//go:embed ledger_event.avsc
	LedgerEvent string
	//go:embed order_event.avsc
	OrderEvent string
)

// The records of the output topics.
var (
	//go:embed entry.avsc
	Entry string
	//go:embed correction.avsc
	Correction string
	//go:embed balance.avsc
	Balance string
	//go:embed order_state.avsc
	OrderState string
	//go:embed order_stats.avsc
	OrderStats string
	//go:embed watermark.avsc
	Watermark string
	//go:embed alert.avsc
	Alert string
)
