package bench

import (
	"fmt"
	"slices"

	"highwater/pkg/event"
)

// Workload says which events there are, and what is measured with them. Its
// numbers of events, users and so on are defaults: [Options] may have others.
type Workload struct {
	Name string
	// Events is how many records are in Kafka before the processors start,
	// duplicates included; Users how many users they are drawn from.
	Events, Users int
	// Exponent is that of the Zipf distribution users are drawn from; 0 draws
	// them evenly.
	Exponent float64
	// Opened has every user credited before the first event: the state holds
	// them all, and a user's first subtract isn't one of what never was there.
	// What that takes isn't measured.
	Opened bool
	// Rates are events a second at which latency is measured, one after the
	// other.
	Rates []int
	// Against is how many users and events the same is measured with first, to
	// compare; 0 compares with nothing.
	Against struct{ Users, Events int }

	late []lateness
}

// lateness is one way to be late, and which share of the new events it takes.
type lateness struct {
	share float64
	// by is the mean where the lateness is exponential, else its end: it is
	// drawn evenly below it.
	by          event.Time
	exponential bool
}

const (
	second = event.Time(1_000_000)
	hour   = 3600 * second
	day    = 24 * hour
)

// mixed is how late events of the usual mix are.
var mixed = []lateness{{share: 0.01, by: day}, {share: 0.10, by: 30 * second, exponential: true}}

// workloads are those that bring events to processors.
var workloads = []Workload{
	{Name: "catch-up", Events: 2_000_000, Users: 100_000, Opened: true, Exponent: 1, late: mixed},
	{Name: "uniform", Events: 2_000_000, Users: 100_000, Opened: true, late: mixed},
	{Name: "late-heavy", Events: 2_000_000, Users: 1_000, Opened: true, Exponent: 1.2, late: []lateness{{share: 0.30, by: hour}}},
	{Name: "live", Events: 200_000, Users: 100_000, Opened: true, Exponent: 1, late: mixed, Rates: []int{2_000, 10_000}},
	{
		Name: "scale", Events: 2_000_000, Users: 10_000_000, Exponent: 1, Opened: true, late: mixed,
		Against: struct{ Users, Events int }{100_000, 2_000_000},
	},
}

// WorkloadOf finds a workload by its name.
func WorkloadOf(name string) (Workload, bool) {
	i := slices.IndexFunc(workloads, func(w Workload) bool { return w.Name == name })
	if i < 0 {
		return Workload{}, false
	}
	return workloads[i], true
}

// Check refuses numbers whose events couldn't be made.
func (w *Workload) Check() error {
	if w.Events < 1 || w.Events > maxEvents {
		return fmt.Errorf("%d events; from 1 to %d can be made", w.Events, maxEvents)
	}
	if w.Users < 1 || w.Users > maxUsers {
		return fmt.Errorf("%d users; from 1 to %d can be made", w.Users, maxUsers)
	}
	return nil
}
