package query

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"highwater/pkg/event"
)

// benchWorld has 1,000 users with a grant and 200 subtracts each, flushed to
// tables as after a while in production.
func benchWorld(b *testing.B) *world {
	b.Helper()
	const users, subtracts = 1000, 200
	w := newWorld(b, 1, Config{})
	for n := range subtracts + 1 {
		w.now += second
		events := make([]event.Event, 0, users)
		for u := range users {
			user := fmt.Sprintf("user-%d", u)
			if n == 0 {
				events = append(events, grant(user, "g", "g", 1<<40))
			} else {
				events = append(events, subtract(user, fmt.Sprintf("s%d", n), 3))
			}
		}
		w.send(events...)
	}
	if err := w.homes[0].store.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	return w
}

// BenchmarkRead is a request in process, JSON and routing included, without
// the network.
func BenchmarkRead(b *testing.B) {
	w := benchWorld(b)
	r := rand.New(rand.NewPCG(1, 2))
	user := func() string { return fmt.Sprintf("/v1/users/user-%d/", r.IntN(1000)) }
	past := func() string { return (start + event.Time(1+r.IntN(200))*second).String() }
	for _, c := range []struct {
		name   string
		target func() string
	}{
		{"balance now", func() string { return user() + "balance" }},
		{"balance past", func() string { return user() + "balance?at=" + past() }},
		{"balance to come", func() string { return user() + "balance?at=2030-01-01T00:00:00Z" }},
		{"balance as known", func() string { return user() + "balance?known_at=" + past() }},
		{"entry", func() string { return fmt.Sprintf("%sentries/s%d", user(), 1+r.IntN(200)) }},
		{"entries of 100", func() string { return user() + "entries" }},
		{"newest 20 entries", func() string { return user() + "entries?order=desc&limit=20" }},
		{"timeline of 100", func() string { return user() + "timeline" }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for range 200 { // until the blocks are in memory
				w.ask(c.target())
			}
			b.ReportAllocs()
			b.ResetTimer()
			begin := cpuTime(b)
			for range b.N {
				if answer := w.ask(c.target()); answer.Code != 200 {
					b.Fatal(answer.Body)
				}
			}
			b.ReportMetric(float64(cpuTime(b)-begin)/float64(b.N), "cpu-ns/op")
		})
	}
}

// cpuTime is what this process has used of the processor, garbage collection
// and background work included.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
