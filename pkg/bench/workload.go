package bench

import (
	"context"
	"errors"
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
	// other, or that come while something else is.
	Rates []int
	// Processors is how many are started, Rounds how often what is measured
	// happens, where it happens more than once.
	Processors, Rounds int
	// Ways are those in which takeover takes over; see [Ways].
	Ways []string
	// Against is how many users and events the same is measured with first, to
	// compare; 0 compares with nothing.
	Against struct{ Users, Events int }

	late []lateness
	// measure measures once the processors have taken everything.
	measure func(*installation, context.Context) error
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

// catchUp is the workload that others are made of.
var catchUp = Workload{
	Name: "catch-up", Events: 2_000_000, Users: 100_000, Opened: true, Exponent: 1, late: mixed, Processors: 1, measure: (*installation).throughput,
}

// workloads are those that bring events to processors.
var workloads = []Workload{
	catchUp,
	catchUp.with(func(w *Workload) { w.Name, w.Exponent = "uniform", 0 }),
	catchUp.with(func(w *Workload) {
		w.Name, w.Users, w.Exponent, w.late = "late-heavy", 1_000, 1.2, []lateness{{share: 0.30, by: hour}}
	}),
	catchUp.with(func(w *Workload) { w.Name, w.Events, w.Rates = "live", 200_000, []int{2_000, 10_000} }),
	catchUp.with(func(w *Workload) {
		w.Name, w.Users = "scale", 10_000_000
		w.Against.Users, w.Against.Events = 100_000, 2_000_000
	}),
	catchUp.with(func(w *Workload) { w.Name, w.Rounds, w.measure = "restore", 5, (*installation).restore }),
	catchUp.with(func(w *Workload) {
		w.Name, w.Events, w.Rates, w.Ways = "takeover", 200_000, []int{200}, Ways()
		w.Processors, w.Rounds, w.measure = 2, 20, (*installation).takeovers
	}),
	catchUp.with(func(w *Workload) {
		w.Name, w.Events, w.Rates, w.measure = "query", 1_000_000, []int{1_000}, (*installation).queries
	}),
}

// with is another workload.
func (w Workload) with(change func(*Workload)) Workload {
	change(&w)
	return w
}

// WorkloadOf finds a workload by its name.
func WorkloadOf(name string) (Workload, bool) {
	i := slices.IndexFunc(workloads, func(w Workload) bool { return w.Name == name })
	if i < 0 {
		return Workload{}, false
	}
	return workloads[i], true
}

// Check refuses numbers whose events couldn't be made, or that aren't measured.
func (w *Workload) Check() error {
	switch {
	case w.Events < 1 || w.Events > maxEvents:
		return fmt.Errorf("%d events; from 1 to %d can be made", w.Events, maxEvents)
	case w.Users < 1 || w.Users > maxUsers:
		return fmt.Errorf("%d users; from 1 to %d can be made", w.Users, maxUsers)
	case slices.ContainsFunc(w.Rates, func(rate int) bool { return rate < 1 }):
		return fmt.Errorf("rates %v; each must be one event a second at least", w.Rates)
	case w.Name == "restore" && len(w.Rates) > 0:
		return errors.New("rates are given, but no events come while restore measures: leave them out")
	case w.Name == "query" && !w.Opened:
		return errors.New("query asks for users of whom there were no events, too: leave their accounts opened")
	case w.Name == "takeover" && len(w.Rates) != 1:
		return fmt.Errorf("rates %v; takeover has events come at one rate", w.Rates)
	case w.Name == "takeover" && w.Processors < 2:
		return fmt.Errorf("processors: %d; takeover needs two at least", w.Processors)
	case len(slices.Compact(slices.Sorted(slices.Values(w.Ways)))) < len(w.Ways):
		return fmt.Errorf("ways of takeover: %q; each can be measured once", w.Ways)
	case slices.ContainsFunc(w.Ways, func(way string) bool { return !slices.Contains(Ways(), way) }):
		return fmt.Errorf("ways of takeover: %q; there are %q", w.Ways, Ways())
	}
	return nil
}
