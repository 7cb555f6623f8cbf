package oracle

import "highwater/pkg/event"

// Records are all that one transaction published, per topic in the order in
// which it was published.
type Records struct {
	Entries, Settled []event.Entry
	Corrections      []event.Correction
	Balances         []event.Balance
	OrderStates      []event.OrderState
	OrderStats       []event.OrderStats
	Alerts           []event.Alert
	Watermarks       []event.Watermark
	DeadLetters      []event.DeadLetter
	// Remittances go to the internal topic and have no stamp.
	Remittances []event.Remittance
}

// seqs are how many records of each topic were ever published.
type seqs struct {
	entries, settled, corrections, balances, orderStates, orderStats, alerts, watermarks, deadLetters int64
}

// next is the next number of a topic.
func next(seq *int64) int64 {
	n := *seq
	*seq++
	return n
}
