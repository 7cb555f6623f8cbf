package gen

import (
	"highwater/pkg/event"
	"highwater/pkg/oracle"
)

// Transfers are what was sent and hasn't arrived. All users of a Scenario
// live in one partition, so all of it arrives there.
type Transfers struct {
	onTheWay  []event.Remittance
	delivered int64
}

// Deliver is an arrival that stands for the transfer longest on the way; if
// none is, nothing arrives.
func Deliver() oracle.Arrival {
	var a oracle.Arrival
	a.Event.Clear()
	a.Remittance = &event.Remittance{}
	return a
}

func isDelivery(a *oracle.Arrival) bool { return a.Remittance != nil && a.Remittance.EventID == "" }

// Sent takes in what a transaction sent. It can't arrive in the same one:
// what isn't committed isn't read.
func (t *Transfers) Sent(r *oracle.Records) { t.onTheWay = append(t.onTheWay, r.Remittances...) }

// Resolve is a transaction with what its deliveries stand for.
func (t *Transfers) Resolve(tx Transaction, partition int32) Transaction {
	var arrivals []oracle.Arrival
	for _, a := range tx.Arrivals {
		if a, ok := t.resolve(a, partition); ok {
			arrivals = append(arrivals, a)
		}
	}
	tx.Arrivals = arrivals
	return tx
}

// resolve is the arrival that one stands for, if there is any.
func (t *Transfers) resolve(a oracle.Arrival, partition int32) (oracle.Arrival, bool) {
	if !isDelivery(&a) {
		return a, true
	}
	if len(t.onTheWay) == 0 {
		return a, false
	}
	first := t.onTheWay[0]
	t.onTheWay = t.onTheWay[1:]
	a.Remittance = &first
	a.Input = event.Position{Topic: event.Transfers, Partition: partition, Offset: t.delivered}
	t.delivered++
	return a, true
}
