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
	// Debt, where not nil, names the assets whose policy is debt from now on;
	// all others forgive.
	Debt []string
	// Now is the clock.
	Now      event.Time
	Arrivals []oracle.Arrival
}

// Policies are the policies under which the named assets owe what they miss.
func Policies(debt []string) event.Policies {
	p := event.Policies{Assets: map[string]event.Policy{}}
	for _, asset := range debt {
		p.Assets[asset] = event.Policy{Debt: true}
	}
	return p
}

// Run steps a Scenario through a new model; after is called with what each
// transaction published, until it returns false.
func (s *Scenario) Run(after func(tx *Transaction, m *oracle.Model, published *oracle.Records) bool) {
	m := oracle.NewModel(s.Config)
	for i := range s.Transactions {
		tx := &s.Transactions[i]
		if tx.TakeOver {
			m.TakeOver()
		}
		if tx.Debt != nil {
			m.SetPolicies(Policies(tx.Debt))
		}
		m.Begin(tx.Now)
		for _, a := range tx.Arrivals {
			m.Receive(a)
		}
		if !after(tx, m, m.Commit()) {
			return
		}
	}
}

// number gives every arrival its offset, counted per topic, and makes it
// arrive at the clock of its transaction.
func (s *Scenario) number() {
	next := map[event.Topic]int64{}
	for i := range s.Transactions {
		tx := &s.Transactions[i]
		for j := range tx.Arrivals {
			a := &tx.Arrivals[j]
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
	if from.Debt != nil {
		into.Debt = from.Debt
	}
	c.Transactions = slices.Delete(c.Transactions, i, i+1)
	return c
}
