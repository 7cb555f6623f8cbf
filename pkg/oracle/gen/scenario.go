package gen

import (
	"slices"

	"highwater/pkg/event"
	"highwater/pkg/oracle"
)

// Scenario is everything that happens to one partition, from its first
// takeover on.
type Scenario struct {
	Config       oracle.Config
	Transactions []Transaction
}

// Transaction is what one transaction of the processor is told, in this
// order.
type Transaction struct {
	// TakeOver begins it as a new owner of the partition.
	TakeOver bool
	// Policies, where not nil, are in force for what arrives from now on.
	Policies *event.Policies
	// Now is the clock.
	Now event.Time
	// Arrivals are what arrives, in this order. [Deliver] is one of a transfer
	// sent before.
	Arrivals []oracle.Arrival
}

// Run steps a Scenario through a new model. After each transaction it calls
// after with what the model published, until that returns false; tx is the
// transaction as it was, with the transfers in it that its deliveries stood
// for, to be stepped through the machine under test.
func (s *Scenario) Run(after func(tx *Transaction, m *oracle.Model, published *oracle.Records) bool) {
	m := oracle.NewModel(s.Config)
	var transfers Transfers
	for i := range s.Transactions {
		tx := transfers.Resolve(s.Transactions[i], s.Config.Partition)
		r := tx.Step(m)
		transfers.Sent(r)
		if !after(&tx, m, r) {
			return
		}
	}
}

// Step tells a model the transaction, which must be resolved, and gives what
// it published.
func (tx *Transaction) Step(m *oracle.Model) *oracle.Records {
	if tx.TakeOver {
		m.TakeOver()
	}
	if tx.Policies != nil {
		m.SetPolicies(*tx.Policies)
	}
	m.Begin(tx.Now)
	for _, a := range tx.Arrivals {
		m.Receive(a)
	}
	return m.Commit()
}

// number gives every record of an input topic its offset, counted per topic,
// and makes it arrive at the clock of its transaction.
func (s *Scenario) number() {
	next := map[event.Topic]int64{}
	for i := range s.Transactions {
		tx := &s.Transactions[i]
		for j := range tx.Arrivals {
			a := &tx.Arrivals[j]
			if isDelivery(a) {
				continue
			}
			a.Input.Partition = s.Config.Partition
			a.Input.Offset = next[a.Input.Topic]
			a.ArrivedAt = tx.Now
			next[a.Input.Topic]++
		}
	}
}

// clone is a copy that shares no list with s.
func (s *Scenario) clone() Scenario {
	c := Scenario{Config: s.Config, Transactions: slices.Clone(s.Transactions)}
	for i := range c.Transactions {
		c.Transactions[i].Arrivals = slices.Clone(c.Transactions[i].Arrivals)
	}
	return c
}

// arrivals is how many records arrive.
func (s *Scenario) arrivals() int {
	n := 0
	for i := range s.Transactions {
		n += len(s.Transactions[i].Arrivals)
	}
	return n
}

// Shrink makes a Scenario that fails smaller, as long as it fails: it drops
// transactions and arrivals in ever smaller runs, and puts transactions
// together. It asks fails at most maxTries times.
func Shrink(s Scenario, fails func(Scenario) bool) Scenario {
	const maxTries = 5000
	tries := 0
	try := func(c Scenario) bool {
		c.number()
		tries++
		if tries > maxTries || !fails(c) {
			return false
		}
		s = c
		return true
	}
	for smaller := true; smaller && tries <= maxTries; {
		smaller = false
		for run := max(1, s.arrivals()/2); run > 0; run /= 2 {
			for from := 0; from < s.arrivals(); {
				if try(s.withoutArrivals(from, run)) {
					smaller = true
					continue
				}
				from += run
			}
		}
		for i := 0; i < len(s.Transactions); {
			if try(s.withoutTransaction(i)) || i > 0 && try(s.joined(i)) {
				smaller = true
				continue
			}
			i++
		}
	}
	return s
}

// withoutArrivals leaves out a run of arrivals, counted over all
// transactions.
func (s *Scenario) withoutArrivals(from, run int) Scenario {
	c := s.clone()
	for i := range c.Transactions {
		tx := &c.Transactions[i]
		here := len(tx.Arrivals)
		a, b := min(max(from, 0), here), min(max(from+run, 0), here)
		tx.Arrivals = slices.Delete(tx.Arrivals, a, b)
		from -= here
	}
	return c
}

func (s *Scenario) withoutTransaction(i int) Scenario {
	c := s.clone()
	c.Transactions = slices.Delete(c.Transactions, i, i+1)
	return c
}

// joined makes transaction i a part of the one before it.
func (s *Scenario) joined(i int) Scenario {
	c := s.clone()
	into, from := &c.Transactions[i-1], c.Transactions[i]
	into.Arrivals = append(into.Arrivals, from.Arrivals...)
	into.Now = max(into.Now, from.Now)
	into.TakeOver = into.TakeOver || from.TakeOver
	if from.Policies != nil {
		into.Policies = from.Policies
	}
	c.Transactions = slices.Delete(c.Transactions, i, i+1)
	return c
}
